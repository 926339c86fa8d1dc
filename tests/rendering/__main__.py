"""`python -m rendering` (make manifests): write all files that are generated from the chart."""

from collections.abc import Mapping
from pathlib import Path

from rendering import chart, kustomize, readme


def main() -> None:
    """Write the files, and remove those that are not generated any more."""
    chart.copy_crds()
    made: Mapping[Path, str] = {chart.CHART / name: text for name, text in readme.generated().items()}
    made = {**made, **kustomize.files()}
    for old in kustomize.KUSTOMIZE.rglob("*.yaml"):
        if old not in made:
            old.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(path.relative_to(chart.ROOT))


if __name__ == "__main__":
    main()
