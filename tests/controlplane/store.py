"""The cache of programs: one folder per source and version, filled by one process at a time.

A program is renamed into its folder when it is complete, so a file with its name is never partial. Processes that want
the same programs take turns by a lock; the second process finds them.
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
"""Puts the named programs into a folder, or raises BinariesError."""


def cache_root() -> Path:
    """Return `${XDG_CACHE_HOME:-~/.cache}/imagecopy-operator`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification says that relative paths must be ignored.
    home = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return home / "imagecopy-operator"


def is_program(path: Path) -> bool:
    """Return whether this is an executable file that is not empty."""
    return path.is_file() and os.access(path, os.X_OK) and path.stat().st_size > 0


@dataclass(frozen=True)
class Store:
    """Programs of one source and one set of versions. `key` names the folder and must change with the versions."""

    key: str
    root: Path

    @property
    def folder(self) -> Path:
        """The folder of the programs. It may not exist yet."""
        return self.root / self.key

    def present(self, names: Collection[str]) -> dict[str, Path]:
        """Return those of the named programs that are in the cache."""
        paths = {name: self.folder / name for name in names}
        return {name: path for name, path in paths.items() if is_program(path)}

    def ensure(self, names: Collection[str], make: Make) -> dict[str, Path]:
        """Return the named programs. `make` produces those that are missing.

        Raises what `make` raises, or BinariesError if it did not make all of them. The cache is then unchanged.
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
                raise BinariesError(f"{self.key}: the source did not provide {', '.join(absent)}")
            for name in missing:
                Path(partial, name).replace(self.folder / name)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder against other processes and threads while the block runs.

    The lock is a file beside the folder. The kernel releases it when its holder ends.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        if not _try_lock(lock.fileno()):
            with Progress(f"waiting for another process that gets {folder.name}"):
                while not _try_lock(lock.fileno()):
                    time.sleep(_LOCK_POLL_SECONDS)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
