"""JSON as the simulator reads it, and values as the cloud compares them."""

from __future__ import annotations

import json

from pydantic import JsonValue

JsonObject = dict[str, JsonValue]


def parse_json(raw: bytes) -> JsonValue:
    """JSON as the standard has it: no NaN, no half of a surrogate pair. Raises: ValueError."""

    def refuse(constant: str) -> JsonValue:
        raise ValueError(f"{constant} is not JSON")

    try:
        value: JsonValue = json.loads(raw, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def as_text(value: JsonValue) -> str:
    """A value as filters compare it: booleans in lower case, null as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
