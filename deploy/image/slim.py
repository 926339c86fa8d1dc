"""Removes what the container image does not need. The build runs it with the image's interpreter; tests run it as well.

slim.py packages DIR   removes from a site-packages folder the time of the build, and the generated classes of the
                       `kubernetes` package that the operator does not load (hundreds in each of two clients)
slim.py python         removes parts of Python that no program of the image needs, and compiles the modules that are
                       loaded

It finds out which modules are loaded by importing the operator and the simulator.
"""

import importlib
import py_compile
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

LOADED = (
    "imagecopy.cli",
    "imagecopy.app",
    "imagecopy.logs",
    "imagecopy.api.crd",
    "ims_simulator.cli",
    "ims_simulator.app",
    "kubernetes.aio.config.exec_provider",
    "kubernetes.aio.config.google_auth",
    "kubernetes.aio.config.openid",
    "encodings.idna",
)
"""Entry points, modules that they import late, and modules that a kubeconfig may need."""

GENERATED = ("client/api", "client/models", "aio/client/api", "aio/client/models")
UNUSED_PYTHON = ("ensurepip", "idlelib", "lib2to3", "pydoc_data", "tkinter", "turtledemo", "test")


def load() -> None:
    """Import all modules that the programs of the image import."""
    for name in LOADED:
        importlib.import_module(name)


def drop_generated(site_packages: Path) -> int:
    """Remove the generated classes that are not loaded; return the number of removed files."""
    loaded = {name for name in sys.modules if name.startswith("kubernetes.")}
    gone = 0
    for folder in (site_packages / "kubernetes" / part for part in GENERATED):
        for path in sorted(folder.glob("*.py")):
            name = ".".join(path.relative_to(site_packages).with_suffix("").parts).removesuffix(".__init__")
            if name not in loaded:
                path.unlink()
                gone += 1
    return gone


def drop_times(site_packages: Path) -> None:
    """Remove the time at which uv built our package, which would make every build different."""
    for trace in site_packages.glob("*.dist-info/uv_cache.json"):
        record = trace.with_name("RECORD")
        lines = record.read_text().splitlines(keepends=True)
        record.write_text("".join(line for line in lines if trace.name not in line))
        trace.unlink()


def unused_python() -> Iterator[Path]:
    """Yield the files of the standard library and of package installers that the image does not need."""
    stdlib, purelib = (Path(sysconfig.get_path(name, vars={"base": sys.base_prefix})) for name in ("stdlib", "purelib"))
    yield from (stdlib / name for name in UNUSED_PYTHON)
    yield from stdlib.glob("config-*")
    for pattern in ("pip", "pip-*", "setuptools*", "wheel*", "_distutils_hack", "distutils-precedence.pth"):
        yield from purelib.glob(pattern)
    scripts = Path(sys.base_prefix) / "bin"
    for pattern in ("pip*", "idle*", "pydoc*", "*-config", "2to3*"):
        yield from scripts.glob(pattern)


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders, if they exist."""
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def compile_loaded() -> int:
    """Compile the loaded modules of the standard library; return their number.

    Base images have no compiled modules, and a read-only file system can't store them. The compiled modules do not
    depend on the times of the sources.
    """
    stdlib = Path(sysconfig.get_path("stdlib"))
    files = {Path(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())}
    ours = sorted(path for path in files if path.suffix == ".py" and path.is_relative_to(stdlib))
    for path in ours:
        py_compile.compile(str(path), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH, quiet=1)
    return len(ours)


def main(arguments: list[str]) -> None:
    """Run the command line."""
    match arguments:
        case ["packages", site_packages]:
            load()
            drop_times(Path(site_packages))
            print(f"{drop_generated(Path(site_packages))} generated files removed")
        case ["python"]:
            load()
            remove(list(unused_python()))
            print(f"{compile_loaded()} files of the standard library compiled")
        case _:
            sys.exit(f"usage: {Path(__file__).name} packages DIR | python")


if __name__ == "__main__":
    main(sys.argv[1:])
