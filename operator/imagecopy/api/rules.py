"""What the API server checks for us: CEL rules with messages that say what to do.

Formats are CEL rules and not ``pattern``, because the API server answers a mismatch of a pattern with the
regular expression, and a failed rule with words of ours. The models do not repeat the rules: what the API
server let through is valid, and what it let through before a rule was tightened must stay readable.
"""

from dataclasses import dataclass

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL rule (x-kubernetes-validations). ``field`` is the field below it that the message belongs to."""

    expression: str
    message: str
    field: str | None = None
    forbidden: bool = False
    """Answered as Forbidden instead of Invalid, which leaves out the value: for changes that can't be made."""

    def to_wire(self) -> dict[str, JsonValue]:
        """Return the rule as the CRD holds it."""
        wire: dict[str, JsonValue] = {"rule": self.expression, "message": self.message}
        if self.field:
            wire["fieldPath"] = f".{self.field}"
        if self.forbidden:
            wire["reason"] = "FieldValueForbidden"
        return wire


def extensions(*rules: Rule, **others: JsonValue) -> dict[str, JsonValue]:
    """Return ``json_schema_extra`` of a field or model: its rules and ``x-kubernetes-*`` (``map_type="atomic"``)."""
    extra: dict[str, JsonValue] = {f"x-kubernetes-{name.replace('_', '-')}": v for name, v in others.items()}
    if rules:
        extra["x-kubernetes-validations"] = [rule.to_wire() for rule in rules]
    return extra


def matches(pattern: str, message: str) -> Rule:
    """Refuse a string that does not match the RE2 pattern from its beginning to its end."""
    return Rule(f"self.matches(r'^({pattern})$')", message)


def _create_a_new_one(what: str) -> str:
    return f"{what} can't be changed: create a new ImageCopy"


def immutable(what: str) -> Rule:
    """Refuse any change of an object that is always there (it is required, or has a default)."""
    return Rule("self == oldSelf", _create_a_new_one(what), forbidden=True)


def immutable_field(parent: str, name: str) -> Rule:
    """Refuse changing, adding and removing one optional field; the rule belongs on its parent.

    On the field itself it would not run while the field is added or removed.
    """
    return Rule(
        f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})",
        _create_a_new_one(f"{parent}.{name}"),
        field=name,
        forbidden=True,
    )
