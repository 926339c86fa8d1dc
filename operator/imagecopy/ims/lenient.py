"""Reading JSON values of uncertain type. None of these functions raises."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_LEGACY_TIME = re.compile(r"^(\d{2}-[A-Za-z]{3}-\d{4} \d{2}:\d{2}:\d{2})(?::(\d{1,3}))?$")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MAX_INT = 2**63


def as_dict(value: object) -> dict[str, object] | None:
    """Return ``value`` if it is a JSON object."""
    return value if isinstance(value, dict) else None


def as_list(value: object) -> list[object]:
    """Return ``value`` if it is a JSON array, else an empty list."""
    return value if isinstance(value, list) else []


def as_str(value: object) -> str | None:
    """Return a string that is not empty; a number becomes its digits. Lone surrogates become question marks."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        return None
    return value.encode("utf-8", "replace").decode("utf-8")


def as_bool(value: object) -> bool:
    """Return True for true and for its spelling as a string: custom attributes of images are strings."""
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def as_float(value: object) -> float | None:
    """Return a finite number, given as such or as a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_int(value: object) -> int | None:
    """Return a whole number from 0 up, given as such or as a string of digits."""
    if isinstance(value, str) and len(value) <= 20 and value.isascii() and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < _MAX_INT else None


def as_time(value: object) -> datetime | None:
    """Return a time in UTC from ISO 8601 or from the old format ``04-Jun-2015 18:11:06:586``.

    Both are in examples of "Querying an Asynchronous Job"; an unfinished job has ``""`` as its end.
    """
    if not isinstance(value, str) or len(value) > 64:
        return None
    text = value.strip()
    try:
        if legacy := _LEGACY_TIME.match(text):
            day, month, rest = legacy[1].split("-", 2)
            year, clock = rest.split(" ")
            number = _MONTHS.index(month.lower()) + 1
            milliseconds = (legacy[2] or "0").zfill(3)
            text = f"{year}-{number:02}-{day}T{clock}.{milliseconds}"
        parsed = datetime.fromisoformat(text)
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def as_http_date(value: str | None) -> datetime | None:
    """Return the time of a Date header, in UTC."""
    try:
        date = parsedate_to_datetime(value or "")
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def as_tags(value: object) -> Mapping[str, str]:
    """Return tags from a list of ``key=value``, ``key.value`` or ``{"key", "value"}``; a bare word has no value."""
    tags: dict[str, str] = {}
    for entry in as_list(value):
        if isinstance(entry, dict):
            key, content = as_str(entry.get("key")), as_str(entry.get("value"))
        else:
            text = as_str(entry) or ""
            key, _, content = text.partition("=" if "=" in text else ".")
        if key:
            tags[key] = content or ""
    return tags
