"""Setting knobs: from NAME=VALUE, from environment variables, or from the JSON of a control request."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pydantic import JsonValue, ValidationError

from ims_simulator.parsing import problems_of
from ims_simulator.settings.knobs import Knobs

ENVIRONMENT_PREFIX = "IMS_SIMULATOR_KNOB_"


class KnobError(ValueError):
    """A knob that does not exist, or a value that it does not accept; the text says what is allowed."""


def apply(base: Knobs, changes: Mapping[str, JsonValue]) -> Knobs:
    """`base` with some knobs changed. Raises: KnobError."""
    unknown = sorted(set(changes) - set(Knobs.model_fields))
    if unknown:
        names = ", ".join(Knobs.model_fields)
        raise KnobError(f"unknown knob {', '.join(unknown)}; the knobs are: {names}")
    try:
        return Knobs.model_validate({**base.model_dump(), **changes})
    except ValidationError as error:
        raise KnobError("; ".join(f"knob {name}: {problem}" for name, problem in problems_of(error))) from None


def from_assignments(base: Knobs, assignments: list[str]) -> Knobs:
    """`base` with the knobs of assignments NAME=VALUE. Raises: KnobError."""
    changes: dict[str, JsonValue] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise KnobError(f"{assignment!r} is not of the form NAME=VALUE")
        changes[name.strip().replace("-", "_")] = value.strip()
    return apply(base, changes)


def from_environment(base: Knobs, environment: Mapping[str, str] = os.environ) -> Knobs:
    """`base` with the knobs of the variables IMS_SIMULATOR_KNOB_*. Raises: KnobError."""
    changes: dict[str, JsonValue] = {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX)
    }
    return apply(base, changes)
