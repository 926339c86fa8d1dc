"""`python -m gitops` (make argocd): write the generated files below deploy/argocd."""

from gitops.generate import files


def main() -> None:
    """Write all generated files."""
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
