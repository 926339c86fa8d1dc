"""The simulator as a process of its own, and an asyncio client of its control API (docs/simulator.md)."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from controlplane.errors import StartError
from controlplane.process import Process
from support.objects import Manifest
from support.processes import START_SECONDS, program
from support.waiting import until

Call = dict[str, Any]
"""A request that the simulator received, as GET /_simulator/calls shows it."""


class SimulatorBase:
    """What a simulator says about itself: its URL, and `config`, the reply of GET /_simulator/config."""

    url: str = ""
    config: Any = None

    def source(self, kind: str = "plain") -> str:
        """Return the id of a source image."""
        return next(str(image["id"]) for image in self.config["source_images"] if image["kind"] == kind)

    def key(self, name: str = "usable") -> str:
        """Return the id of a KMS key."""
        return next(str(key["id"]) for key in self.config["kms_keys"] if key["name"] == name)

    def login(self, *, can_copy: bool = True) -> dict[str, str]:
        """Return the content of a Secret with a user's password."""
        login = next(login for login in self.config["logins"] if login["can_copy"] is can_copy)
        return {"username": login["user"], "password": login["password"], "domainName": login["domain"]}

    def provider_spec(self, url: str = "") -> Manifest:
        """Return the part of a provider's spec that points to this simulator, or to a proxy at `url` before it."""
        endpoint = url or self.url
        endpoints = {"ims": endpoint, "iam": f"{endpoint}/v3"}
        return {"endpoints": endpoints, "projectID": self.config["project_id"]}


class Simulator(SimulatorBase):
    """`ims-simulator` on a free port. It keeps nothing: after a restart all copies are gone."""

    def __init__(self, log: Path, knobs: Mapping[str, object]) -> None:
        self._log = log
        self._knobs = knobs
        self._process: Process | None = None
        self._http: aiohttp.ClientSession | None = None

    @property
    def pid(self) -> int:
        """Its process id, for measurements."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            StartError: it ended.
            NotInTime: it does not listen before the deadline.
        """
        self._log.unlink(missing_ok=True)
        options = [f"--knob={name}={value}" for name, value in self._knobs.items()]
        command: list[str | Path] = [program("ims-simulator"), "--port", "0", *options]
        self._process = process = await asyncio.to_thread(Process, command, log=self._log)

        async def listening() -> str | None:
            if not process.running():
                raise StartError(f"the simulator ended:\n{process.last_lines()}")
            words = process.last_lines(1).split()
            return words[-1] if words and words[-1].startswith("http") else None

        self.url = await until(listening, "the simulator listens", START_SECONDS)
        self._http = aiohttp.ClientSession(base_url=self.url, timeout=aiohttp.ClientTimeout(total=120))
        self.config = await self._call("GET", "/config")

    async def stop(self) -> None:
        """Kill it."""
        if self._http:
            await self._http.close()
        if self._process:
            await asyncio.to_thread(self._process.stop)

    async def set_knobs(self, **changes: object) -> None:
        """Change knobs."""
        await self._call("PATCH", "/knobs", changes)

    async def add_fault(self, fault: Mapping[str, object], count: int) -> None:
        """Inject a fault into the next `count` calls, or copies, that it matches."""
        await self._call("POST", "/faults", {**fault, "count": count})

    async def clear_faults(self) -> None:
        """Remove all faults."""
        await self._call("DELETE", "/faults")

    async def advance_clock(self, seconds: float) -> None:
        """Set its clock forward."""
        await self._call("POST", "/clock", {"advance_seconds": seconds})

    async def calls(self, *, since: int = 0, kind: str | None = None) -> list[Call]:
        """Return the requests it received after this sequence number, oldest first."""
        query = f"?since={since}{f'&kind={kind}' if kind else ''}"
        return list((await self._call("GET", f"/calls{query}"))["calls"])

    async def copies(self) -> list[Any]:
        """Return all images that copies ever made, deleted ones included."""
        return list((await self._call("GET", "/images?kind=copy&all=true"))["images"])

    async def jobs(self) -> list[Any]:
        """Return all jobs."""
        return list((await self._call("GET", "/jobs"))["jobs"])

    async def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        assert self._http is not None
        async with self._http.request(method, f"/_simulator{path}", json=body) as reply:
            if not reply.ok:
                raise RuntimeError(f"simulator: {method} {path}: {reply.status} {await reply.text()}")
            return await reply.json()


def call_line(call: Call) -> str:
    """Return a call in one line, for people."""
    return (
        f"{call['time']:.3f} {call['method']} {call['path']}?{call['query']} -> {call['status']} "
        f"{call['error_code'] or ''} {call['fault'] or ''}"
    )
