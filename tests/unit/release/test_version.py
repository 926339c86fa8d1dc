"""The version in pyproject.toml and in all files that repeat it."""

import re
from pathlib import Path

import pytest
import yaml

from imagecopy import __version__
from support.scripts import load_script

REPO = Path(__file__).parents[3]


release = load_script(REPO / "deploy" / "release" / "version.py")
CHANGELOG = (REPO / "CHANGELOG.md").read_text()
CHART = REPO / "deploy" / "helm" / "imagecopy-operator" / "Chart.yaml"
INSTALL = REPO / "deploy" / "install.yaml"
HAS_CHART = CHART.parent.exists() or "helm chart" in CHANGELOG.lower()


def test_everything_that_repeats_the_version_agrees() -> None:
    assert list(release.others()) == []


def test_the_package_has_the_version() -> None:
    assert __version__ == release.current(), "make setup installs the package anew"


@pytest.mark.skipif(not HAS_CHART, reason="there is no chart yet")
def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load(CHART.read_text())
    assert (chart["version"], chart["appVersion"]) == (release.current(), release.current())


@pytest.mark.skipif(not HAS_CHART, reason="there is no chart yet")
def test_the_manifests_name_the_image_of_this_version() -> None:
    images = set(re.findall(r"^ +(?:- )?image: \"?([^\s\"]+)", INSTALL.read_text(), re.MULTILINE))
    assert images == {f"{release.IMAGE}:{release.current()}"}


def test_the_changelog_goes_back_from_unreleased() -> None:
    headings = re.findall(r"^## \[(.+?)\](.*)$", CHANGELOG, re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    assert all(re.fullmatch(r" - \d{4}-\d{2}-\d{2}", rest) for _, rest in headings[1:])
    versions = [tuple(map(int, name.partition("-")[0].split("."))) for name, _ in headings[1:]]
    assert versions == sorted(versions, reverse=True)
    assert all(version <= tuple(map(int, release.current().partition("-")[0].split("."))) for version in versions)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Another repository, with everything that repeats the version."""
    files = {
        "pyproject.toml": '[project]\nname = "x"\nversion = "0.1.0"\n[tool.x]\ntarget-version = "py311"\n',
        "uv.lock": 'name = "other"\nversion = "0.1.0"\n\nname = "imagecopy-operator"\nversion = "0.1.0"\n',
        "deploy/helm/imagecopy-operator/Chart.yaml": 'apiVersion: v2\nversion: 0.1.0\nappVersion: "0.1.0"\n',
        "deploy/install.yaml": f'  app.kubernetes.io/version: "0.1.0"\n  image: {release.IMAGE}:0.1.0\n  x: 0.1.0\n',
        "deploy/kustomize/base/kustomization.yaml": "images:\n  - newTag: 0.1.0\n",
        "CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- a thing\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_new_version_is_written_everywhere_and_nowhere_else(repo: Path) -> None:
    release.write("1.2.3-rc.1", repo)
    assert release.current(repo) == "1.2.3-rc.1"
    assert list(release.others(repo)) == []
    assert (repo / "uv.lock").read_text().startswith('name = "other"\nversion = "0.1.0"\n')
    assert "x: 0.1.0" in (repo / "deploy/install.yaml").read_text()
    assert "newTag: 1.2.3-rc.1" in (repo / "deploy/kustomize/base/kustomization.yaml").read_text()
    assert (repo / "pyproject.toml").read_text().count("1.2.3-rc.1") == 1


def test_what_was_unreleased_comes_under_the_new_version(repo: Path) -> None:
    release.write("1.2.3", repo)
    heading = r"## \[Unreleased\]\n\n## \[1\.2\.3\] - \d{4}-\d\d-\d\d\n\n### Added\n"
    assert re.search(heading, (repo / "CHANGELOG.md").read_text())


def test_writing_a_version_twice_changes_nothing(repo: Path) -> None:
    release.write("1.2.3", repo)
    assert release.write("1.2.3", repo) == []


@pytest.mark.parametrize("name", ["uv.lock", "deploy/helm/imagecopy-operator/Chart.yaml", "deploy/install.yaml"])
def test_a_place_that_was_forgotten_is_told(repo: Path, name: str) -> None:
    old = (repo / name).read_text()
    release.write("1.2.3", repo)
    (repo / name).write_text(old)
    told = list(release.others(repo))
    assert told
    assert all(line == f"{name}: 0.1.0 instead of 1.2.3" for line in told)
