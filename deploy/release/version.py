"""Sets and checks the version of a release in all files that repeat it. The source is pyproject.toml.

version.py 1.2.3    writes the version into all files, and a heading with today's date into the changelog
version.py          prints the version, and fails if a file has another one
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

REPO: Final = Path(__file__).parents[2]
IMAGE: Final = "ghcr.io/imagecopy/imagecopy-operator"
_SEMVER: Final = r"[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?"
_UNRELEASED: Final = "## [Unreleased]\n"


@dataclass(frozen=True)
class Place:
    """A place of the version: files, and the patterns before and after the version."""

    glob: str
    before: str
    after: str

    def files(self, repo: Path) -> list[Path]:
        """Return the files; none if this part of the repository does not exist."""
        return sorted(repo.glob(self.glob))

    def found(self, text: str) -> list[str]:
        """Return the versions that a text has in this place."""
        return re.findall(f"{self.before}({_SEMVER}){self.after}", text, re.MULTILINE)

    def changed(self, text: str, version: str) -> str:
        """Return the text with a new version in this place."""
        return re.sub(f"({self.before}){_SEMVER}({self.after})", rf"\g<1>{version}\g<2>", text, flags=re.MULTILINE)


SOURCE: Final = Place("pyproject.toml", '^version = "', '"$')
COPIES: Final = (
    Place("uv.lock", '^name = "imagecopy-operator"\nversion = "', '"$'),
    Place("deploy/helm/*/Chart.yaml", "^version: ", "$"),
    Place("deploy/helm/*/Chart.yaml", '^appVersion: "', '"$'),
    Place("deploy/install.yaml", f"image: {IMAGE}:", "$"),
    Place("deploy/install.yaml", r'app\.kubernetes\.io/version: "', '"$'),
    Place("deploy/install.yaml", r"helm\.sh/chart: imagecopy-operator-", "$"),
    Place("deploy/kustomize/**/*.yaml", f"image: {IMAGE}:", "$"),
    Place("deploy/kustomize/**/*.yaml", r'app\.kubernetes\.io/version: "', '"$'),
    Place("deploy/kustomize/**/*.yaml", r"helm\.sh/chart: imagecopy-operator-", "$"),
    Place("deploy/kustomize/**/kustomization.yaml", 'newTag: "?', '"?$'),
)


def current(repo: Path = REPO) -> str:
    """Return the version in pyproject.toml."""
    (version,) = SOURCE.found((repo / SOURCE.glob).read_text())
    return version


def others(repo: Path = REPO) -> Iterator[str]:
    """Yield a line for each place that has another version."""
    version = current(repo)
    for place in COPIES:
        for path in place.files(repo):
            for found in place.found(path.read_text()):
                if found != version:
                    yield f"{path.relative_to(repo)}: {found} instead of {version}"


def write(version: str, repo: Path = REPO) -> list[Path]:
    """Write the version into all files; return the files that changed."""
    changed = {}
    for place in (SOURCE, *COPIES):
        for path in place.files(repo):
            before = path.read_text()
            after = place.changed(before, version)
            if after != before:
                path.write_text(after)
                changed[path] = True
    changelog = repo / "CHANGELOG.md"
    text = changelog.read_text()
    if f"## [{version}]" not in text:
        heading = f"## [{version}] - {datetime.now(UTC):%Y-%m-%d}\n"
        changelog.write_text(text.replace(_UNRELEASED, f"{_UNRELEASED}\n{heading}", 1))
        changed[changelog] = True
    return list(changed)


def main(arguments: list[str]) -> None:
    """Run the command line."""
    match arguments:
        case []:
            print(current())
            sys.exit("\n".join(others()) or None)
        case [version] if re.fullmatch(_SEMVER, version):
            for path in write(version):
                print(path.relative_to(REPO))
        case _:
            sys.exit("usage: make version VERSION=1.2.3")


if __name__ == "__main__":
    main(sys.argv[1:])
