"""Logs: one line for each thing that happens, as JSON or for people.

A reconcile binds namespace, name, attempt and job to its context, so that every line from below carries them, also
those of libraries.
"""

import logging
import sys
from typing import Any

import structlog

from imagecopy.ims import CallRecord
from imagecopy.settings import LogFormat, LogLevel

_calls = structlog.stdlib.get_logger("imagecopy.ims")

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def configure(form: LogFormat, level: LogLevel) -> None:
    """Send all logs to standard error, in this format and from this level on."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    last: list[Any]
    if form is LogFormat.JSON:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=40)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.value.upper())
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    logging.getLogger("kopf.objects").addFilter(_is_news)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether a line of kopf is worth logging; those about a planned retry of a handler are not."""
    return "failed temporarily" not in str(record.msg)


def cloud_call(record: CallRecord) -> None:
    """Log one call of the cloud: at debug if it worked, at info with the cloud's code if not."""
    fields = {
        "call": record.call.value,
        "status": record.status,
        "seconds": round(record.seconds, 3),
        "request_id": record.request_id,
    }
    if record.error is None:
        _calls.debug("cloud call", path=record.path, **fields)
    else:
        _calls.info("cloud call failed", path=record.path, error=record.error, code=record.code, **fields)
