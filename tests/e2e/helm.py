"""The real helm, run in one namespace of a control plane."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

from controlplane import ControlPlane
from e2e.environment import Environment
from rendering.chart import CHART, helm_program
from support.processes import HOST

_WAIT: Final = ("--wait", "--timeout=120s")
_SECONDS: Final = 180
RELEASE: Final = "imagecopy-operator"


class HelmFailed(AssertionError):
    """Helm failed; the message is its output."""


def values_for(env: Environment) -> dict[str, Any]:
    """Return values that install the chart for the namespace of a test, on the control plane that all tests share.

    Its CRDs exist already, other operators run there, and the only cloud is the simulator of the test.
    """
    return {
        "crds": {"install": False},
        "rbac": {"userRoles": False},
        "watchNamespaces": [env.namespace],
        "ports": {"health": env.shared.ports.take(), "metrics": env.shared.ports.take()},
        "settings": {"endpointAllowlist": [f"{HOST}:{env.cloud.port}"], "minPollSeconds": 0.2},
    }


class Helm:
    """Runs helm with an administrator's rights. It keeps its cache and settings below `folder`."""

    def __init__(self, plane: ControlPlane, namespace: str, folder: Path) -> None:
        self._options = ["--kubeconfig", str(plane.kubeconfig), "--namespace", namespace]
        homes = ("CACHE", "CONFIG", "DATA")
        self._environment = {f"HELM_{home}_HOME": str(folder / "helm" / home.lower()) for home in homes}

    def run(self, *words: str) -> str:
        """Run helm; return its output, or raise HelmFailed."""
        command = [str(helm_program()), *words, *self._options]
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/", **self._environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS)
        output = done.stdout + done.stderr
        if done.returncode:
            raise HelmFailed(f"helm {words[0]}: {output}")
        return output

    def uninstall(self, *options: str) -> None:
        """Uninstall the release and wait until it is gone."""
        self.run("uninstall", RELEASE, *options, *_WAIT)

    def install(self, values: dict[str, Any], *options: str, release: str = RELEASE) -> str:
        """Install the chart and wait until its objects are ready."""
        return self._with_values("install", release, values, *options)

    def upgrade(self, values: dict[str, Any], *options: str, release: str = RELEASE) -> str:
        """Upgrade to these values and wait until the objects are ready."""
        return self._with_values("upgrade", release, values, *options)

    def _with_values(self, verb: str, release: str, values: dict[str, Any], *options: str) -> str:
        return self.run(verb, release, str(CHART), "--set-json", json.dumps(values), *_WAIT, *options)
