"""Runs one step of an object: its log lines name the object, and a bug makes the object wait instead of ending it."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from imagecopy.copies.record import Record
from imagecopy.flow.view import in_flight
from imagecopy.kube.objects import UNREADABLE, Unreadable

BUG_SECONDS: Final = 60.0
"""The pause after a step that failed because of a bug, or because the object can't be read."""

_log = structlog.stdlib.get_logger(__name__)


async def guarded(step: Callable[[Record], Awaitable[float | None]], record: Record) -> float | None:
    """Run a step; return what it returns, or a pause where it failed."""
    with structlog.contextvars.bound_contextvars(namespace=record.namespace, name=record.name):
        try:
            attempt = in_flight(record.snapshot.status)
            if attempt is not None:
                structlog.contextvars.bind_contextvars(attempt=attempt.number, job=attempt.job_id)
            return await step(record)
        except Unreadable as exc:
            _log.error(UNREADABLE, error=str(exc))
        except Exception:
            _log.exception("a step failed; this is a bug, please report it")
        finally:
            structlog.contextvars.unbind_contextvars("attempt", "job")
    return BUG_SECONDS
