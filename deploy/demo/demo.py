"""The demo (`make demo`): copies images of a simulated cloud with a real control plane, all on one machine.

It starts the control plane, the simulator and the operator, applies the manifests of this folder with kubectl, and
shows what a user sees. It exits with 0 if every copy ended as expected, and leaves nothing running.
"""

import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx

from controlplane import environment
from controlplane.binaries import find_binaries
from controlplane.components import free_ports
from controlplane.errors import ControlPlaneError
from controlplane.plane import ControlPlane
from controlplane.process import Process
from support.processes import HOST, Operator, program, wait_until_answers
from support.waiting import NotInTime, wait_for

_HERE: Final = Path(__file__).parent
_ROOT: Final = _HERE.parent.parent
_NAMESPACE: Final = "imagecopy-demo"
_SIMULATOR_PORT: Final = 8180
_COPY_SECONDS: Final = 20
_START_SECONDS: Final = 90.0
_LIMIT_SECONDS: Final = 180.0
_NO: Final = ("", "0", "n", "no", "false", "off")
_EXPECTED: Final = {
    "golden-plain": ("Succeeded", None),
    "golden-encrypted": ("Succeeded", None),
    "whole-server": ("Failed", "IMG.0130"),
}


class DemoFailed(Exception):
    """The demo did not end as expected. The message says what happened instead."""


class Demo:
    """The running parts of the demo."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane = plane
        self.folder = folder
        self.kubectl = [str(plane.binaries.kubectl), f"--kubeconfig={plane.kubeconfig}"]
        self.simulator = ""

    def show(self, *arguments: str, given: str | None = None, check: bool = True) -> None:
        """Print a kubectl command, and run it."""
        say(f"\n$ kubectl {shlex.join(arguments)}")
        done = subprocess.run([*self.kubectl, *arguments], input=given, text=True)
        if check and done.returncode != 0:
            raise DemoFailed(f"kubectl {shlex.join(arguments)} ended with {done.returncode}")

    def start_simulator(self, stack: ExitStack) -> None:
        """Start the simulator of the cloud."""
        port = _SIMULATOR_PORT if is_free(_SIMULATOR_PORT) else free_ports(1)[0]
        self.simulator = f"http://{HOST}:{port}"
        options = ["--port", str(port), "--copy-seconds", str(_COPY_SECONDS)]
        process = Process([program("ims-simulator"), *options], log=self.folder / "simulator.log")
        stack.callback(process.stop, 10.0)
        wait_until_answers(process, port, "/_simulator/config", _START_SECONDS)

    def start_operator(self, stack: ExitStack) -> None:
        """Start the operator as a process of its own, as a Pod would run it."""
        settings = {
            "IMAGECOPY_ENDPOINT_ALLOWLIST": self.simulator.removeprefix("http://"),
            "IMAGECOPY_LOG_FORMAT": "console",
            "IMAGECOPY_METRICS_PORT": "0",
        }
        operator = Operator(self.plane.kubeconfig, self.folder / "operator.log", free_ports(1)[0], settings)
        stack.callback(operator.stop)
        operator.wait_ready(_START_SECONDS)

    def apply(self) -> None:
        """Apply the manifests of this folder. Only the port of the simulator may differ from the files."""
        for file in sorted(_HERE.glob("*.yaml")):
            text = file.read_text().replace(f"http://127.0.0.1:{_SIMULATOR_PORT}", self.simulator)
            say(f"\n$ kubectl apply -f {file.relative_to(_ROOT)}")
            subprocess.run([*self.kubectl, "apply", "-f", "-"], input=text, text=True, check=True)

    def copies(self) -> dict[str, Any]:
        """Return the statuses of the ImageCopies, by name."""
        listed = self.plane.kubectl("get", "imagecopies", "-n", _NAMESPACE, "-o", "json").stdout
        return {item["metadata"]["name"]: item["status"] for item in json.loads(listed)["items"]}

    def watch(self) -> None:
        """Show the copies until all have ended."""
        say(f"\n$ kubectl get imgcp -n {_NAMESPACE} --watch")
        with subprocess.Popen([*self.kubectl, "get", "imgcp", "-n", _NAMESPACE, "--watch"]) as watching:
            try:
                ended = {"Succeeded", "Failed"}
                wait_for(
                    lambda: {status.get("phase") for status in self.copies().values()} <= ended,
                    "all copies have ended",
                    _LIMIT_SECONDS,
                )
                time.sleep(0.5)  # for the watch to show the last line
            finally:
                watching.terminate()

    def check(self) -> str:
        """Return a summary.

        Raises:
            DemoFailed: a copy did not end as expected, or was requested more than once.
        """
        lines = []
        for name, status in self.copies().items():
            outcome = (status.get("phase"), (status.get("failure") or {}).get("code"))
            if outcome != _EXPECTED[name]:
                raise DemoFailed(f"{name} ended with {outcome} instead of {_EXPECTED[name]}: see the output above")
            lines.append(f"  {name:18} {outcome[0]:10} {status.get('imageID') or status['failure']['message']}")
        calls = httpx.get(f"{self.simulator}/_simulator/calls", params={"kind": "copy"}, trust_env=False).json()
        posts = len(calls["calls"])
        if posts != len(_EXPECTED):
            raise DemoFailed(f"the cloud received {posts} copy calls for {len(_EXPECTED)} objects")
        lines.append(f"  The cloud received {posts} copy calls: one for each object.")
        return "\n".join(lines)


def run(demo: Demo, stack: ExitStack) -> None:
    """Run the demo."""
    say("==> starting the simulator of the cloud")
    demo.start_simulator(stack)
    demo.show("apply", "--server-side", "-f", "crds/")
    demo.show("wait", "--for=condition=Established", "-f", "crds/")
    say("\n==> starting the operator")
    demo.start_operator(stack)
    demo.apply()
    demo.watch()
    demo.show("wait", "--for=condition=Ready", "imgcp/golden-plain", "imgcp/golden-encrypted", "-n", _NAMESPACE)
    demo.show("get", "imgcp", "-n", _NAMESPACE, "-o", "wide")
    demo.show("describe", "imgcp", "whole-server", "-n", _NAMESPACE)
    demo.show("events", "--for", "imgcp/golden-encrypted", "-n", _NAMESPACE)
    say("\n==> everything ended as expected")
    say(demo.check())


def keep(demo: Demo) -> None:
    """Leave everything running until Ctrl-C."""
    say(f"""
==> everything keeps running; Ctrl-C stops it. In another terminal:

  export KUBECONFIG={demo.plane.kubeconfig}
  export PATH={demo.plane.binaries.kubectl.parent}:$PATH
  kubectl get imgcp -n {_NAMESPACE}
  kubectl explain imagecopy.spec.target
  kubectl delete imgcp golden-plain -n {_NAMESPACE} && kubectl apply -f deploy/demo/20-copies.yaml   # adopts the copy
  curl {demo.simulator}/_simulator/calls

  Log of the operator: {demo.folder / "operator.log"}""")
    while True:  # a signal that arrives just before a wait without end would not end it
        time.sleep(1)


def is_kept() -> bool:
    """Tell whether KEEP asks to leave everything running."""
    return os.environ.get("KEEP", "").strip().lower() not in _NO


def say(line: str) -> None:
    """Print a line and flush it, in order with the output of kubectl."""
    print(line, flush=True)


def is_free(port: int) -> bool:
    """Tell whether nothing listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0


@contextlib.contextmanager
def parts() -> Iterator[tuple[Demo, ExitStack]]:
    """Start the control plane; at the end, stop everything."""
    binaries = find_binaries()  # with the user's proxies, as it may download
    environment.clean()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imagecopy-demo-")))
        say("==> starting etcd and kube-apiserver")
        plane = stack.enter_context(ControlPlane(binaries))
        yield Demo(plane, folder), stack


def main() -> int:
    """Run the demo; return its exit code."""
    os.chdir(_ROOT)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with parts() as (demo, stack):
            run(demo, stack)
            if is_kept():
                keep(demo)
            else:
                say("\nTry next: `make demo KEEP=1` leaves it running; README.md has the first copy in a real cloud.")
    except (DemoFailed, NotInTime, ControlPlaneError, subprocess.CalledProcessError) as exc:
        print(f"demo: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("\nstopped")
        return 0 if is_kept() else 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
