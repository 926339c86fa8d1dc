"""`python -m rendering`: write all that follows from the chart."""

from collections.abc import Mapping
from pathlib import Path

from rendering import chart, kustomize, readme


def main() -> None:
    """Write it, and remove what is no longer made."""
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
