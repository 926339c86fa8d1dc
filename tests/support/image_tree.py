"""The `kubernetes` package as the container image has it: without the classes that deploy/image/slim.py drops."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import kubernetes

SLIM: Final = Path(__file__).parents[2] / "deploy" / "image" / "slim.py"


def make(folder: Path) -> Path:
    """Put the small package into a folder; on PYTHONPATH this folder hides the full package. Return the folder."""
    big = Path(kubernetes.__file__).parent
    shutil.copytree(big, folder / "kubernetes", copy_function=_link, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([sys.executable, SLIM, "packages", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
