"""The dependencies as the image has them: this environment's ``kubernetes`` package, made small as the build does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import kubernetes

SLIM: Final = Path(__file__).parents[1] / "deploy" / "image" / "slim.py"


def make(folder: Path) -> Path:
    """Return a folder that, put on PYTHONPATH, hides the big package behind the small one."""
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
