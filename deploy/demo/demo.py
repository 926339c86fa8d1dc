"""The whole job on one machine: `make demo`.

Starts a real control plane, the simulator of the cloud and the operator, applies the manifests beside this file with
kubectl, and shows what a user sees. Exits 0 if all came out as it should, and leaves nothing running.
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
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx

from controlplane import environment
from controlplane.binaries import find_binaries
from controlplane.errors import ControlPlaneError
from controlplane.plane import ControlPlane
from controlplane.process import Process

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
    """The demo did not show what it should; the message says what was seen instead."""


class Demo:
    """The running parts, and how they are shown."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane = plane
        self.folder = folder
        self.kubectl = [str(plane.binaries.kubectl), f"--kubeconfig={plane.kubeconfig}"]
        self.simulator = ""

    def show(self, *arguments: str, given: str | None = None, check: bool = True) -> None:
        """Print a kubectl command and what it prints."""
        say(f"\n$ kubectl {shlex.join(arguments)}")
        done = subprocess.run([*self.kubectl, *arguments], input=given, text=True)
        if check and done.returncode != 0:
            raise DemoFailed(f"kubectl {shlex.join(arguments)} ended with {done.returncode}")

    def start_simulator(self, stack: ExitStack) -> None:
        """Start the cloud."""
        port = _SIMULATOR_PORT if is_free(_SIMULATOR_PORT) else free_port()
        self.simulator = f"http://127.0.0.1:{port}"
        command = [program("ims-simulator"), "--port", str(port), "--copy-seconds", str(_COPY_SECONDS)]
        self._start(stack, command, "simulator", f"{self.simulator}/_simulator/config")

    def start_operator(self, stack: ExitStack) -> None:
        """Start the operator as its own process, as a Pod would run it."""
        health = free_port()
        env = {
            "KUBECONFIG": str(self.plane.kubeconfig),
            "IMAGECOPY_ENDPOINT_ALLOWLIST": self.simulator.removeprefix("http://"),
            "IMAGECOPY_LOG_FORMAT": "console",
            "IMAGECOPY_HEALTH_PORT": str(health),
            "IMAGECOPY_METRICS_PORT": "0",
        }
        self._start(stack, [program("imagecopy"), "run"], "operator", f"http://127.0.0.1:{health}/readyz", env)

    def _start(
        self, stack: ExitStack, command: list[str], name: str, ready: str, env: dict[str, str] | None = None
    ) -> None:
        process = Process(command, log=self.folder / f"{name}.log", env={**os.environ, **(env or {})})
        stack.callback(process.stop, 10.0)

        def answers() -> bool:
            if process.returncode() is not None:
                raise DemoFailed(f"the {name} ended:\n{process.last_lines()}")
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(ready, trust_env=False).is_success
            return False

        wait_until(answers, f"the {name} to be ready", _START_SECONDS)

    def apply(self) -> None:
        """Apply the manifests; only the simulator's port may differ from what the files say."""
        for file in sorted(_HERE.glob("*.yaml")):
            text = file.read_text().replace(f"http://127.0.0.1:{_SIMULATOR_PORT}", self.simulator)
            say(f"\n$ kubectl apply -f {file.relative_to(_ROOT)}")
            subprocess.run([*self.kubectl, "apply", "-f", "-"], input=text, text=True, check=True)

    def copies(self) -> dict[str, Any]:
        """Return the ImageCopies' statuses by name."""
        listed = self.plane.kubectl("get", "imagecopies", "-n", _NAMESPACE, "-o", "json").stdout
        return {item["metadata"]["name"]: item["status"] for item in json.loads(listed)["items"]}

    def watch(self) -> None:
        """Show the copies until all have ended."""
        say(f"\n$ kubectl get imgcp -n {_NAMESPACE} --watch")
        with subprocess.Popen([*self.kubectl, "get", "imgcp", "-n", _NAMESPACE, "--watch"]) as watching:
            try:
                ended = {"Succeeded", "Failed"}
                wait_until(
                    lambda: {status.get("phase") for status in self.copies().values()} <= ended,
                    "all copies to end",
                    _LIMIT_SECONDS,
                )
                time.sleep(0.5)  # for the watch to show the last line
            finally:
                watching.terminate()

    def check(self) -> str:
        """Return the summary.

        Raises:
            DemoFailed: something did not come out as it should.
        """
        lines = []
        for name, status in self.copies().items():
            seen = (status.get("phase"), (status.get("failure") or {}).get("code"))
            if seen != _EXPECTED[name]:
                raise DemoFailed(f"{name} is {seen}, expected {_EXPECTED[name]}; see {self.folder}")
            lines.append(f"  {name:18} {seen[0]:10} {status.get('imageID') or status['failure']['message']}")
        calls = httpx.get(f"{self.simulator}/_simulator/calls", params={"kind": "copy"}, trust_env=False).json()
        posts = len(calls["calls"])
        if posts != len(_EXPECTED):
            raise DemoFailed(f"the cloud got {posts} copy calls for {len(_EXPECTED)} objects")
        lines.append(f"  The cloud got {posts} copy calls: one for each object.")
        return "\n".join(lines)


def run(demo: Demo, stack: ExitStack) -> None:
    """Play the demo."""
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
    say("\n==> all as it should be")
    say(demo.check())


def keep(demo: Demo) -> None:
    """Leave everything running until Ctrl-C."""
    say(f"""
==> still running; Ctrl-C stops it all. In another terminal:

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
    """Tell whether KEEP says that everything is to be left running."""
    return os.environ.get("KEEP", "").strip().lower() not in _NO


def say(line: str) -> None:
    """Print at once, in order with what kubectl prints."""
    print(line, flush=True)


def program(name: str) -> str:
    """Return the path of a program of this environment."""
    return str(Path(sys.executable).with_name(name))


def is_free(port: int) -> bool:
    """Tell whether a port of this machine can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def free_port() -> int:
    """Return a port that can be listened on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(done: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait, at most so long.

    Raises:
        DemoFailed: it took longer.
    """
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise DemoFailed(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.2)


@contextlib.contextmanager
def parts() -> Iterator[tuple[Demo, ExitStack]]:
    """Start the control plane, and end everything afterwards."""
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
    except (DemoFailed, ControlPlaneError, subprocess.CalledProcessError) as exc:
        print(f"demo: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("\nstopped")
        return 0 if is_kept() else 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
