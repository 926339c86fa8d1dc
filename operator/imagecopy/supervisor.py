"""Supervises the background tasks of the process: none of them may end before the process does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

_log = structlog.stdlib.get_logger(__name__)


class TaskEnded(Exception):
    """A background task ended although it should run for as long as the process; the message says which and why."""


class Supervisor:
    """Runs background tasks. One that ends by itself ends the process, which is then started anew."""

    def __init__(self) -> None:
        self.on_failure: Callable[[str], None] | None = None
        """Called with the reason when a task ended that should not have."""
        self._failure: TaskEnded | None = None
        self._is_stopping = False

    def stopping(self) -> None:
        """Take note that the process stops: from now on, tasks may end."""
        self._is_stopping = True

    def check(self) -> None:
        """Do nothing if no task ended that should not have.

        Raises:
            TaskEnded: one did.
        """
        if self._failure is not None:
            raise self._failure

    @asynccontextmanager
    async def running(self, name: str, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
        """Run a task for as long as the context lasts, and cancel it at its end."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._done)
        try:
            yield
        finally:
            self.stopping()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        if self._is_stopping or self._failure is not None:
            return
        cause = None if task.cancelled() else task.exception()
        why = "it was cancelled" if task.cancelled() else f"{type(cause).__name__}: {cause}" if cause else "it returned"
        self._failure = TaskEnded(
            f"the background task '{task.get_name()}' ended ({why}). This is a bug, please report it; the process ends "
            "so that it is started anew"
        )
        self._failure.__cause__ = cause
        _log.error(str(self._failure), exc_info=cause)
        if self.on_failure is not None:
            self.on_failure(str(self._failure))
