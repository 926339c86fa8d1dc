"""The operators of the matrix: a client of the fork server."""

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
from typing import Final, Self

from controlplane.errors import StartError
from controlplane.process import Process
from support.processes import operator_environment
from support.waiting import until

_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 20.0
_TESTS: Final = Path(__file__).parents[1]


@dataclass(eq=False)
class Operator:
    """One operator's process."""

    name: str
    _operators: "Operators"
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    code: int | None = None
    killed: bool = False

    async def kill(self) -> None:
        """Send SIGKILL, and wait until the process has ended."""
        self.killed = True
        self._operators.signal(self.name, signal.SIGKILL)
        async with asyncio.timeout(_END_SECONDS):
            await self.ended.wait()

    def freeze(self) -> None:
        """Stop it with SIGSTOP, as a hypervisor that pauses a machine."""
        self._operators.signal(self.name, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on with SIGCONT."""
        self._operators.signal(self.name, signal.SIGCONT)

    @property
    def crashed(self) -> bool:
        """Whether it ended without being killed."""
        return self.ended.is_set() and not self.killed


class Operators:
    """Starts operators by the fork server; `mutation` breaks their protocol on purpose."""

    def __init__(self, folder: Path, mutation: str | None = None) -> None:
        self._folder = folder
        self._mutation = mutation
        self._running: dict[str, Operator] = {}
        self._process: Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._count = 0

    async def __aenter__(self) -> Self:
        """Start the fork server."""
        name = f"imagecopy-fork-server-{secrets.token_hex(8)}"
        options = ["--break", self._mutation] if self._mutation else []
        command = [sys.executable, "-m", "chaos.fork_server", name, *options]
        environment = os.environ | {"PYTHONPATH": str(_TESTS)}
        log = self._folder / "fork-server.log"
        self._process = process = await asyncio.to_thread(Process, command, log=log, env=environment)

        async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
            if not process.running():
                raise StartError(f"the fork server ended:\n{process.last_lines()}")
            with contextlib.suppress(OSError):
                return await asyncio.open_unix_connection(f"\0{name}")
            return None

        reader, self._writer = await until(connected, "the fork server listens", _START_SECONDS)
        self._listening = asyncio.create_task(self._listen(reader))
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the fork server and all operators."""
        if self._writer:
            self._writer.close()
        if self._listening:
            self._listening.cancel()
        if self._process:
            await asyncio.to_thread(self._process.stop)

    def start(self, kubeconfig: Path, settings: Mapping[str, str], log: Path, *, cold: bool) -> Operator:
        """Start an operator. `cold` executes the command, which loads all modules."""
        self._count += 1
        operator = Operator(f"operator-{self._count}", self)
        self._running[operator.name] = operator
        environment = operator_environment(kubeconfig, settings)
        cold = cold and not self._mutation
        self._send(do="start", id=operator.name, env=environment, log=str(log), cold=cold)
        return operator

    def signal(self, name: str, number: int) -> None:
        """Send a signal to an operator, unless it has ended."""
        self._send(do="signal", id=name, number=number)

    def _send(self, **message: object) -> None:
        assert self._writer is not None
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            message = json.loads(line)
            if "ended" in message:
                operator = self._running.pop(message["id"])
                operator.code = message["ended"]
                operator.ended.set()
        for operator in self._running.values():
            operator.ended.set()
