"""The cache of programs: a folder per origin and version, filled by one process at a time.

A program appears in its folder by one rename, after its bytes are all there, so that whatever carries its
name is whole. Two processes that want the same programs take turns on a lock; the second one finds them.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controlplane.errors import BinariesError
from controlplane.progress import Progress

_LOCK_POLL_SECONDS: Final = 0.2
_PARTIAL: Final = ".partial-"

Make = Callable[[Path, Collection[str]], None]
"""Puts the named programs into the folder it is given, or raises a BinariesError."""


def cache_root() -> Path:
    """Return `${XDG_CACHE_HOME:-~/.cache}/imagecopy-operator`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: relative paths are to be ignored.
    home = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return home / "imagecopy-operator"


def is_program(path: Path) -> bool:
    """Whether this is an executable file with something in it."""
    return path.is_file() and os.access(path, os.X_OK) and path.stat().st_size > 0


@dataclass(frozen=True)
class Store:
    """Programs of one origin and one set of versions; `key` names the folder and must change with them."""

    key: str
    root: Path

    @property
    def folder(self) -> Path:
        """Where the programs are, or will be."""
        return self.root / self.key

    def present(self, names: Collection[str]) -> dict[str, Path]:
        """Return those of the named programs that are there, whole."""
        paths = {name: self.folder / name for name in names}
        return {name: path for name, path in paths.items() if is_program(path)}

    def ensure(self, names: Collection[str], make: Make) -> dict[str, Path]:
        """Return all the named programs, letting `make` produce those that are missing.

        Raises what `make` raises, and BinariesError where it left one out; the cache is then as before.
        """
        found = self.present(names)
        if len(found) == len(set(names)):
            return found
        with locked(self.folder):
            missing = [name for name in names if name not in self.present(names)]
            if missing:
                self._fill(missing, make)
        return {name: self.folder / name for name in names}

    def _fill(self, missing: Collection[str], make: Make) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for left_over in self.folder.glob(f"{_PARTIAL}*"):
            shutil.rmtree(left_over, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=self.folder) as partial:
            make(Path(partial), missing)
            absent = [name for name in missing if not is_program(Path(partial, name))]
            if absent:
                raise BinariesError(f"{self.key}: did not bring {', '.join(absent)}")
            for name in missing:
                Path(partial, name).replace(self.folder / name)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of this folder against other processes and threads, for the length of the block.

    The lock is a file beside the folder; the kernel lets go of it when its holder dies.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        if not _try_lock(lock.fileno()):
            with Progress(f"waiting for another process that is getting {folder.name}"):
                while not _try_lock(lock.fileno()):
                    time.sleep(_LOCK_POLL_SECONDS)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
