"""JSON parsing: strict JSON, strict models, and values as the cloud compares them."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

JsonObject = dict[str, JsonValue]


class StrictModel(BaseModel):
    """A model that refuses unknown fields, infinity and NaN."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def problems_of(error: ValidationError) -> list[tuple[str, str]]:
    """The problems that pydantic found, each as a field, such as auth.identity, and a message."""
    found = ((".".join(map(str, problem["loc"])), problem["msg"]) for problem in error.errors())
    return [(field, text.removeprefix("Value error, ")) for field, text in found]


def parse_json(raw: bytes) -> JsonValue:
    """Parse standard JSON: without NaN and without unpaired surrogates. Raises: ValueError."""

    def refuse(constant: str) -> JsonValue:
        raise ValueError(f"{constant} is not JSON")

    try:
        value: JsonValue = json.loads(raw, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def as_text(value: JsonValue) -> str:
    """A value as filters compare it: booleans in lower case, null as an empty string."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
