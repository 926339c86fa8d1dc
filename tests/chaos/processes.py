"""The processes of the matrix: the nursery with its operators, and simulators."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import aiohttp

from chaos.waiting import NotInTime, until
from controlplane.process import Process

_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 20.0
_TESTS: Final = Path(__file__).parents[1]
_PROGRAMS: Final = Path(sys.executable).parent


@dataclass(eq=False)
class Operator:
    """One operator's process."""

    name: str
    nursery: "Nursery"
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    code: int | None = None
    killed: bool = False

    async def kill(self) -> None:
        """End it with SIGKILL; it is dead when this returns."""
        self.killed = True
        self.nursery.signal(self.name, signal.SIGKILL)
        async with asyncio.timeout(_END_SECONDS):
            await self.ended.wait()

    def freeze(self) -> None:
        """Stop it, as a hypervisor does."""
        self.nursery.signal(self.name, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.nursery.signal(self.name, signal.SIGCONT)

    @property
    def died(self) -> bool:
        """Whether it ended of itself."""
        return self.ended.is_set() and not self.killed


class Nursery:
    """What operators are started from; ``way`` breaks the protocol on purpose."""

    def __init__(self, folder: Path, way: str | None = None) -> None:
        self._folder = folder
        self._way = way
        self._operators: dict[str, Operator] = {}
        self._process: Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._count = 0

    async def __aenter__(self) -> Self:
        """Start it."""
        name = f"imagecopy-nursery-{secrets.token_hex(8)}"
        command = [sys.executable, "-m", "chaos.nursery", name, *(["--break", self._way] if self._way else [])]
        env = os.environ | {"PYTHONPATH": str(_TESTS)}
        log = self._folder / "nursery.log"
        self._process = process = await asyncio.to_thread(Process, command, log=log, env=env)

        async def listens() -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
            if not process.running():
                raise NotInTime(f"the nursery ended: {process.last_lines()}")
            with contextlib.suppress(OSError):
                return await asyncio.open_unix_connection(f"\0{name}")
            return None

        reader, self._writer = await until(listens, "the nursery listens", _START_SECONDS)
        self._listening = asyncio.create_task(self._listen(reader))
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it and all operators."""
        if self._writer:
            self._writer.close()
        if self._listening:
            self._listening.cancel()
        if self._process:
            await asyncio.to_thread(self._process.stop)

    def start(self, env: Mapping[str, str], log: Path, *, cold: bool) -> Operator:
        """Start an operator; ``cold``: as the command, modules and all."""
        self._count += 1
        operator = Operator(f"operator-{self._count}", self)
        self._operators[operator.name] = operator
        ours = {name: value for name, value in os.environ.items() if not name.startswith("IMAGECOPY_")}
        self._say(do="start", id=operator.name, env={**ours, **env}, log=str(log), cold=cold and not self._way)
        return operator

    def signal(self, name: str, number: int) -> None:
        """Send a signal to an operator that may have ended."""
        self._say(do="signal", id=name, number=number)

    def _say(self, **words: object) -> None:
        assert self._writer is not None
        self._writer.write(json.dumps(words).encode() + b"\n")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            said = json.loads(line)
            if "ended" in said:
                operator = self._operators.pop(said["id"])
                operator.code = said["ended"]
                operator.ended.set()
        for operator in self._operators.values():
            operator.ended.set()


class Simulator:
    """``ims-simulator`` as a process of its own, and its control endpoints."""

    def __init__(self, log: Path, knobs: Mapping[str, object]) -> None:
        self._log = log
        self._knobs = knobs
        self._process: Process | None = None
        self._http: aiohttp.ClientSession | None = None
        self.url = ""
        self.config: Any = None

    async def start(self) -> None:
        """Start it and wait until it answers."""
        self._log.unlink(missing_ok=True)
        options = [f"--knob={name}={value}" for name, value in self._knobs.items()]
        command: list[str | Path] = [_PROGRAMS / "ims-simulator", "--port", "0", *options]
        self._process = process = await asyncio.to_thread(Process, command, log=self._log)

        async def ready() -> str | None:
            if not process.running():
                raise NotInTime(f"the simulator ended: {process.last_lines()}")
            words = process.last_lines(1).split()
            return words[-1] if words and words[-1].startswith("http") else None

        self.url = await until(ready, "the simulator listens", _START_SECONDS)
        self._http = aiohttp.ClientSession(base_url=self.url, timeout=aiohttp.ClientTimeout(total=60))
        self.config = await self._call("GET", "/config")

    async def stop(self) -> None:
        """End it; what it held is gone."""
        if self._http:
            await self._http.close()
        if self._process:
            await asyncio.to_thread(self._process.stop)

    async def knobs(self, **changes: object) -> None:
        """Change knobs."""
        await self._call("PATCH", "/knobs", changes)

    async def fault(self, order: Mapping[str, object], count: int) -> None:
        """Order a fault."""
        await self._call("POST", "/faults", {**order, "count": count})

    async def no_faults(self) -> None:
        """Take all faults back."""
        await self._call("DELETE", "/faults")

    async def posts(self) -> list[Any]:
        """Return the copy calls it got, oldest first."""
        return list((await self._call("GET", "/calls?kind=copy"))["calls"])

    async def calls(self) -> list[Any]:
        """Return all calls it got, oldest first."""
        return list((await self._call("GET", "/calls"))["calls"])

    async def copies(self) -> list[Any]:
        """Return all images that were ever made by a copy."""
        return list((await self._call("GET", "/images?kind=copy&all=true"))["images"])

    async def jobs(self) -> list[Any]:
        """Return all jobs."""
        return list((await self._call("GET", "/jobs"))["jobs"])

    async def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        assert self._http is not None
        async with self._http.request(method, f"/_simulator{path}", json=body) as reply:
            if reply.status >= 400:
                raise RuntimeError(f"the simulator says {reply.status} to {method} {path}: {await reply.text()}")
            return await reply.json()
