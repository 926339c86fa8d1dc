"""JSON as the simulator reads it, and values as the cloud compares them."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

JsonObject = dict[str, JsonValue]


class StrictModel(BaseModel):
    """A model that refuses unknown fields, infinity and NaN."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def problems_of(error: ValidationError) -> list[tuple[str, str]]:
    """Each problem that pydantic found: the field, such as auth.identity, and a message."""
    return [(".".join(map(str, problem["loc"])), problem["msg"]) for problem in error.errors()]


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
