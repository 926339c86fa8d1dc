"""The real helm, in one namespace of a control plane."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

from controlplane import ControlPlane
from rendering.chart import CHART, helm_program

_WAIT: Final = ("--wait", "--timeout=120s")
_SECONDS: Final = 180
RELEASE: Final = "imagecopy-operator"


class HelmFailed(AssertionError):
    """Helm ended with an error; its words are the message."""


class Helm:
    """Runs helm as a cluster administrator does; state of its own is kept below ``folder``."""

    def __init__(self, plane: ControlPlane, namespace: str, folder: Path) -> None:
        self._options = ["--kubeconfig", str(plane.kubeconfig), "--namespace", namespace]
        homes = ("CACHE", "CONFIG", "DATA")
        self._environment = {f"HELM_{home}_HOME": str(folder / "helm" / home.lower()) for home in homes}

    def run(self, *words: str) -> str:
        """Run it; return what it said, or raise HelmFailed."""
        command = [str(helm_program()), *words, *self._options]
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/", **self._environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS)
        said = done.stdout + done.stderr
        if done.returncode:
            raise HelmFailed(f"helm {words[0]}: {said}")
        return said

    def uninstall(self, *options: str) -> None:
        """Uninstall the release and wait until it is gone."""
        self.run("uninstall", RELEASE, *options, *_WAIT)

    def install(self, values: dict[str, Any], *options: str, release: str = RELEASE) -> str:
        """Install the chart and wait until it works."""
        return self._with_values("install", release, values, *options)

    def upgrade(self, values: dict[str, Any], *options: str, release: str = RELEASE) -> str:
        """Upgrade to these values and wait until it works."""
        return self._with_values("upgrade", release, values, *options)

    def _with_values(self, verb: str, release: str, values: dict[str, Any], *options: str) -> str:
        return self.run(verb, release, str(CHART), "--set-json", json.dumps(values), *_WAIT, *options)
