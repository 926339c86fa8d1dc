"""The forms in which the cloud writes a time; each function takes seconds since the epoch."""

from __future__ import annotations

import math
from datetime import UTC, datetime

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def iso_seconds(at: float) -> str:
    """Time of an image attribute, such as 2018-09-06T14:03:27Z."""
    return datetime.fromtimestamp(math.floor(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_millis(at: float) -> str:
    """Time of a job attribute, such as 2024-11-06T06:14:27.168Z."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def legacy_time(at: float) -> str:
    """Time of a job attribute in an old example of the documentation, such as 04-Jun-2015 18:11:06:586."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%d}-{MONTHS[moment.month - 1]}-{moment:%Y %H:%M:%S}:{moment.microsecond // 1000:03d}"


def iso_micros(at: float) -> str:
    """Time of a token attribute, such as 2015-11-09T01:42:57.527363Z."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
