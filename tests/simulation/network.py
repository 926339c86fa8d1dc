"""Requests between an operator and the API server or the cloud: they take time, get lost, and outlive who sent them."""

import asyncio
import random
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Killed(BaseException):
    """The process that makes the request was killed."""


class Link:
    """The connections of one process. ``lost`` is raised where no reply comes."""

    def __init__(self, rng: random.Random, faults: "Faults") -> None:
        self._rng = rng
        self._faults = faults
        self._under_way: dict[asyncio.TimerHandle, Callable[[], None]] = {}
        self.is_dead = False
        self.frozen_until = 0.0

    async def call(self, kind: str, serve: Callable[[], T], lost: Callable[[], Exception]) -> T:
        """Let ``serve`` handle the request when it arrives, and return its result when the reply arrives."""
        if self.is_dead:
            raise Killed
        await self._thaw()
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Any] = loop.create_future()
        fault = self._faults.draw(kind)
        if fault == "refused":
            await asyncio.sleep(self._latency())
            raise lost()

        def arrive() -> None:
            self._under_way.pop(handle, None)
            try:
                result, error = serve(), None
            except Exception as exc:
                result, error = None, exc
            if reply.done() or self.is_dead:
                return
            if fault == "lost reply":
                loop.call_later(self._latency(), self._fail, reply, lost())
            elif error is not None:
                loop.call_later(self._latency(), self._fail, reply, error)
            else:
                loop.call_later(self._latency(), self._succeed, reply, result)

        if fault == "lost request":
            handle = loop.call_later(self._latency(), lambda: self._fail(reply, lost()))
        else:
            handle = loop.call_later(self._latency(), arrive)
            self._under_way[handle] = arrive
        result: T = await reply
        if self.is_dead:
            raise Killed
        await self._thaw()
        return result

    async def _thaw(self) -> None:
        """Wait while the process stands still: it sends nothing, and sees no reply."""
        pause = self.frozen_until - asyncio.get_running_loop().time()
        if pause > 0:
            await asyncio.sleep(pause)
        if self.is_dead:
            raise Killed

    def kill(self) -> None:
        """The process is gone. Of its requests under way some get lost, and some arrive, at once or late."""
        self.is_dead = True
        loop = asyncio.get_running_loop()
        for handle, arrive in self._under_way.items():
            handle.cancel()
            if self._rng.random() < 0.6:
                loop.call_later(self._rng.choice((0.01, 1.0, 20.0)) * self._rng.random(), arrive)
        self._under_way = {}

    def _latency(self) -> float:
        return self._rng.choice((0.001, 0.02, 0.02, 0.3)) * (0.5 + self._rng.random())

    @staticmethod
    def _fail(reply: "asyncio.Future[Any]", error: Exception) -> None:
        if not reply.done():
            reply.set_exception(error)

    @staticmethod
    def _succeed(reply: "asyncio.Future[Any]", result: object) -> None:
        if not reply.done():
            reply.set_result(result)


class Faults:
    """Which request meets which fault, until faults stop."""

    def __init__(self, rng: random.Random, rates: dict[str, float]) -> None:
        """``rates``: the share of requests of each kind that meet a fault."""
        self._rng = rng
        self._rates = rates
        self.is_over = False

    def draw(self, kind: str) -> str | None:
        """Return the fault of one request, None if it meets none."""
        if self.is_over or self._rng.random() >= self._rates.get(kind, 0.0):
            return None
        return self._rng.choice(("refused", "lost request", "lost reply", "lost reply"))
