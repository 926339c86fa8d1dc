"""Limits of the size of Python files and folders, so that a reader finds their way."""

from collections import Counter
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[2]
_FOLDERS: Final = ("operator", "tests")
_MOST_LINES: Final = 350
_MOST_MODULES: Final = 15
_NOT_COUNTED: Final = ("__init__.py", "conftest.py")


def _files() -> list[Path]:
    return [path.relative_to(_ROOT) for folder in _FOLDERS for path in sorted((_ROOT / folder).rglob("*.py"))]


def test_no_file_is_longer_than_the_limit() -> None:
    lines = {str(path): len((_ROOT / path).read_text("utf-8").splitlines()) for path in _files()}
    too_long = {path: count for path, count in lines.items() if count > _MOST_LINES}
    assert not too_long, f"split these files, a file has {_MOST_LINES} lines at most"


def test_no_folder_has_more_modules_than_the_limit() -> None:
    modules = Counter(str(path.parent) for path in _files() if path.name not in _NOT_COUNTED)
    too_full = {folder: count for folder, count in modules.items() if count > _MOST_MODULES}
    assert not too_full, f"sort these folders into subfolders, a folder has {_MOST_MODULES} modules at most"
