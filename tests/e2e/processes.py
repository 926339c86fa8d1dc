"""The processes of a test: operators and simulators, each started as a user would start it, and ended for certain."""

import http.client
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from controlplane.process import Process

HOST: Final = "127.0.0.1"
STOP: Final = threading.Event()
"""Set when the session is being interrupted: what waits in a thread gives up."""

_POLL_SECONDS: Final = 0.25
_START_SECONDS: Final = 90.0
_PROGRAMS: Final = Path(sys.executable).parent

T = TypeVar("T")


class NotInTime(AssertionError):
    """Something did not happen within its bound; the bounds are generous, so it would not have happened at all."""


def wait_for(look: Callable[[], T | None], what: str, seconds: float = 60.0) -> T:
    """Look again and again until there is something; return it."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise NotInTime(f"not within {seconds:g} s: {what}")
        if STOP.wait(_POLL_SECONDS):
            raise NotInTime(f"interrupted while waiting: {what}")


class Operator:
    """``imagecopy run`` as a process of its own, with this kubeconfig and these IMAGECOPY_* variables.

    It serves its probes and metrics on ``port``.
    """

    def __init__(self, kubeconfig: Path, log: Path, port: int, knobs: Mapping[str, str]) -> None:
        self.log = log
        self._port = port
        ours = {name: value for name, value in os.environ.items() if not name.startswith("IMAGECOPY_")}
        ports = {"IMAGECOPY_HEALTH_PORT": str(port), "IMAGECOPY_METRICS_PORT": str(port)}
        self.process = Process(
            [_PROGRAMS / "imagecopy", "run"],
            log=log,
            env={**ours, "KUBECONFIG": str(kubeconfig), **ports, **knobs},
        )

    def wait_ready(self) -> None:
        """Wait until it watches."""
        wait_for(self._is_ready, f"operator ready\n{self.last_lines()}", _START_SECONDS)

    def terminate(self) -> None:
        """Ask it to end, as a kubelet does."""
        assert self.process.running(), self.last_lines()
        os.kill(self.process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as the kernel does when memory is short."""
        self.process.stop()

    def stop(self) -> None:
        """End it, politely if it lets itself."""
        self.process.stop(10)

    def last_lines(self, about: str = "", count: int = 25) -> str:
        """Return the end of its log, of those lines that hold ``about``."""
        lines = [line for line in self.log.read_text().splitlines() if about in line]
        return f"{self.log.name}:\n  " + "\n  ".join(lines[-count:])

    def ask(self, path: str) -> tuple[int, str]:
        """Return status and body of /healthz, /readyz or /metrics.

        Raises:
            OSError: nobody listens (yet).
        """
        connection = http.client.HTTPConnection(HOST, self._port, timeout=5)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        finally:
            connection.close()

    def _is_ready(self) -> bool:
        assert self.process.running(), self.last_lines()
        try:
            return self.ask("/readyz")[0] == http.client.OK
        except OSError:
            return False


class Simulator:
    """``ims-simulator`` as a process of its own; it may be stopped and started again."""

    def __init__(self, port: int, folder: Path) -> None:
        self.url = f"http://{HOST}:{port}"
        self.port = port
        self.state = folder / f"simulator-{port}.state"
        self._log = folder / f"simulator-{port}.log"
        self._process: Process | None = None
        self._http = httpx.Client(base_url=f"{self.url}/_simulator", trust_env=False, timeout=30, verify=False)
        self.config: Any = None

    def start(self) -> None:
        """Start it with what it kept; wait until it answers."""
        # Of another seed come other ids: copies of one project share its slots, those of two simulators must not.
        port = str(self.port)
        options = ("--port", port, "--seed", port, "--copy-seconds", "1", "--state", str(self.state))
        self._process = Process([_PROGRAMS / "ims-simulator", *options], log=self._log)
        self.config = wait_for(self._answer, f"simulator ready\n{self._process.last_lines()}", _START_SECONDS)

    def stop(self) -> None:
        """End it."""
        if self._process:
            self._process.stop()
            self._process = None

    def close(self) -> None:
        """End it for good."""
        self.stop()
        self._http.close()

    def source(self, kind: str = "plain") -> str:
        """Return the id of a source image."""
        return next(str(image["id"]) for image in self.config["source_images"] if image["kind"] == kind)

    def key(self, name: str = "usable") -> str:
        """Return the id of a KMS key."""
        return next(str(key["id"]) for key in self.config["kms_keys"] if key["name"] == name)

    def login(self, *, can_copy: bool = True) -> dict[str, str]:
        """Return what a Secret holds."""
        login = next(login for login in self.config["logins"] if login["can_copy"] is can_copy)
        return {"username": login["user"], "password": login["password"], "domainName": login["domain"]}

    def knobs(self, **changes: object) -> None:
        """Change knobs, for instance copy_seconds."""
        self._order("PATCH", "/knobs", changes)

    def fault(self, kind: str | None = None, **fault: object) -> str:
        """Order a fault for the next call of a kind, or for the next copies; return its id."""
        match = {"match": {"kind": kind}} if kind else {}
        return str(self._order("POST", "/faults", match | fault)["id"])

    def calls(self, kind: str | None = None) -> list[Any]:
        """Return the requests it got, oldest first."""
        return list(self._get("/calls", **({"kind": kind} if kind else {}))["calls"])

    def posts(self, name: str | None = None) -> list[Any]:
        """Return the copy calls it got, those for a target of this name if given."""
        return [call for call in self.calls("copy") if name is None or (call["body"] or {}).get("name") == name]

    def copies(self, name: str | None = None) -> list[Any]:
        """Return the copies there are, those of this name if given."""
        images: list[Any] = self._get("/images", kind="copy")["images"]
        return [image for image in images if name in (None, image["name"])]

    def jobs(self) -> list[Any]:
        """Return all jobs."""
        return list(self._get("/jobs")["jobs"])

    def change_job(self, job_id: str, **change: object) -> None:
        """Make a job end, or get stuck, or be forgotten."""
        self._order("PATCH", f"/jobs/{job_id}", change)

    def trust(self, provider: str, order: Mapping[str, object]) -> None:
        """Make an OpenID Connect issuer known."""
        self._order("PUT", f"/identity_providers/{provider}", order)

    def add_image(self, **image: object) -> str:
        """Add a source image; return its id."""
        return str(self._order("POST", "/images", image)["id"])

    def change_image(self, image_id: str, **change: object) -> None:
        """Change an image."""
        self._order("PATCH", f"/images/{image_id}", change)

    def remove_image(self, image_id: str) -> None:
        """Remove an image behind everyone's back."""
        self._http.delete(f"/images/{image_id}").raise_for_status()

    def told(self) -> str:
        """Return its calls, one per line."""
        lines = [
            f"{call['time']:.2f} {call['method']} {call['path']}?{call['query']} -> {call['status']} "
            f"{call['error_code'] or ''} {call['fault'] or ''}"
            for call in self.calls()
        ]
        return "simulator:\n  " + "\n  ".join(lines[-40:])

    def _answer(self) -> Any:
        assert self._process is not None
        assert self._process.running(), self._process.last_lines()
        try:
            return self._get("/config")
        except httpx.TransportError:
            return None

    def _get(self, path: str, **query: str) -> Any:
        return self._http.get(path, params=query).raise_for_status().json()

    def _order(self, method: str, path: str, body: Mapping[str, object]) -> Any:
        reply = self._http.request(method, path, json=dict(body))
        assert reply.is_success, reply.text
        return reply.json()
