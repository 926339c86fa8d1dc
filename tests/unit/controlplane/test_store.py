"""The cache never has a partial program, and only one of several processes fills it."""

import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from controlplane.errors import BinariesError
from controlplane.store import Store, cache_root

from .fakes import put_programs


def test_half_built_is_ignored(tmp_path: Path) -> None:
    store = Store("key", tmp_path)
    put_programs(store.folder / ".partial-of-a-killed-build", ["etcd"])
    (store.folder / "etcd").write_bytes(b"")
    made: list[list[str]] = []

    def make(into: Path, names: Collection[str]) -> None:
        made.append(list(names))
        put_programs(into, names)

    assert store.present(["etcd"]) == {}
    assert store.ensure(["etcd"], make) == {"etcd": store.folder / "etcd"}
    assert made == [["etcd"]]
    assert [path.name for path in store.folder.iterdir()] == ["etcd"]


def test_failed_build_leaves_nothing(tmp_path: Path) -> None:
    store = Store("key", tmp_path)

    def make(into: Path, names: Collection[str]) -> None:
        put_programs(into, ["etcd"])
        raise BinariesError("disk full")

    with pytest.raises(BinariesError, match="disk full"):
        store.ensure(["etcd", "kubectl"], make)
    assert list(store.folder.iterdir()) == []


def test_incomplete_build_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BinariesError, match="the source did not provide kubectl"):
        Store("key", tmp_path).ensure(["etcd", "kubectl"], lambda into, _: put_programs(into, ["etcd"]))


def test_only_what_is_missing_is_made(tmp_path: Path) -> None:
    store = Store("key", tmp_path)
    store.ensure(["etcd"], put_programs)
    made: list[str] = []

    def make(into: Path, names: Collection[str]) -> None:
        made.extend(names)
        put_programs(into, names)

    assert store.ensure(["etcd", "helm"], make).keys() == {"etcd", "helm"}
    assert made == ["helm"]


_GETTER = """
import sys, time
from pathlib import Path
from controlplane.store import Store

root, me = Path(sys.argv[1]), sys.argv[2]

def make(into, names):
    with (root / "journal").open("a") as journal:
        journal.write("built\\n")
    deadline = time.monotonic() + 10
    while len(list(root.glob("started-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    (into / "etcd").write_text("program")
    (into / "etcd").chmod(0o755)

(root / f"started-{me}").touch()
assert Store("key", root).ensure(["etcd"], make)["etcd"].read_text() == "program"
"""


def test_two_processes_build_once(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    getters = [
        subprocess.Popen([sys.executable, "-c", _GETTER, str(tmp_path), str(number)], env=environment)
        for number in range(2)
    ]

    assert [getter.wait(60) for getter in getters] == [0, 0]
    assert (tmp_path / "journal").read_text() == "built\n"


def test_cache_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "imagecopy-operator"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root() == tmp_path / ".cache" / "imagecopy-operator"
