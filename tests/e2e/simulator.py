"""The simulator as a process of its own, with a client of its control API for tests that run in threads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from controlplane.process import Process
from support.cloud import Call, SimulatorBase, call_line
from support.processes import HOST, START_SECONDS, program
from support.waiting import wait_for


class Simulator(SimulatorBase):
    """`ims-simulator` on this port. It keeps its state while it is stopped and started again."""

    def __init__(self, port: int, folder: Path) -> None:
        self.url = f"http://{HOST}:{port}"
        self.port = port
        self.state = folder / f"simulator-{port}.state"
        self._log = folder / f"simulator-{port}.log"
        self._process: Process | None = None
        self._http = httpx.Client(base_url=f"{self.url}/_simulator", trust_env=False, timeout=30, verify=False)

    def start(self) -> None:
        """Start it with the state it has kept; wait until it answers."""
        # Another seed gives other ids: copies of one project share its slots, those of two simulators must not.
        port = str(self.port)
        options = ("--port", port, "--seed", port, "--copy-seconds", "1", "--state", str(self.state))
        self._process = Process([program("ims-simulator"), *options], log=self._log)
        self.config = wait_for(self._answer, "the simulator is ready", START_SECONDS)

    def stop(self) -> None:
        """Kill it; it can be started again."""
        if self._process:
            self._process.stop()
            self._process = None

    def close(self) -> None:
        """Kill it, and close the client."""
        self.stop()
        self._http.close()

    def knobs(self, **changes: object) -> None:
        """Change knobs, for instance copy_seconds."""
        self._send("PATCH", "/knobs", changes)

    def fault(self, kind: str | None = None, **fault: object) -> str:
        """Inject a fault into the next call of a kind, or into the next copies; return its id."""
        match = {"match": {"kind": kind}} if kind else {}
        return str(self._send("POST", "/faults", match | fault)["id"])

    def calls(self, kind: str | None = None, *, since: int = 0) -> list[Call]:
        """Return the requests it received after this sequence number, oldest first."""
        return list(self._get("/calls", since=str(since), **({"kind": kind} if kind else {}))["calls"])

    def posts(self, name: str | None = None) -> list[Call]:
        """Return the copy calls it received, of one target name or of all."""
        return [call for call in self.calls("copy") if name is None or (call["body"] or {}).get("name") == name]

    def copies(self, name: str | None = None) -> list[Any]:
        """Return the copies that exist, of one target name or all."""
        images: list[Any] = self._get("/images", kind="copy")["images"]
        return [image for image in images if name in (None, image["name"])]

    def jobs(self) -> list[Any]:
        """Return all jobs."""
        return list(self._get("/jobs")["jobs"])

    def change_job(self, job_id: str, **change: object) -> None:
        """Make a job end, hang or be forgotten."""
        self._send("PATCH", f"/jobs/{job_id}", change)

    def trust(self, provider: str, issuer: Mapping[str, object]) -> None:
        """Register an OpenID Connect issuer."""
        self._send("PUT", f"/identity_providers/{provider}", issuer)

    def add_image(self, **image: object) -> str:
        """Add a source image; return its id."""
        return str(self._send("POST", "/images", image)["id"])

    def change_image(self, image_id: str, **change: object) -> None:
        """Change an image."""
        self._send("PATCH", f"/images/{image_id}", change)

    def remove_image(self, image_id: str) -> None:
        """Remove an image without a call that a user could make."""
        self._http.delete(f"/images/{image_id}").raise_for_status()

    def call_log(self) -> str:
        """Return its last calls, one per line."""
        return "simulator:\n  " + "\n  ".join([call_line(call) for call in self.calls()][-40:])

    def _answer(self) -> Any:
        assert self._process is not None
        assert self._process.running(), self._process.last_lines()
        try:
            return self._get("/config")
        except httpx.TransportError:
            return None

    def _get(self, path: str, **query: str) -> Any:
        return self._http.get(path, params=query).raise_for_status().json()

    def _send(self, method: str, path: str, body: Mapping[str, object]) -> Any:
        reply = self._http.request(method, path, json=dict(body))
        assert reply.is_success, reply.text
        return reply.json()
