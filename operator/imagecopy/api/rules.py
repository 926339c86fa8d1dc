"""The validation rules of the CRDs: CEL expressions with messages that say what to do.

Formats are CEL rules and not ``pattern``: the API server answers a mismatch of a pattern with the regular
expression, and a failed rule with the rule's message. The models do not repeat the rules. An object that the API
server accepted is valid, and one that it accepted before a rule was tightened must stay readable.
"""

from dataclasses import dataclass

from pydantic import JsonValue


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule (x-kubernetes-validations). ``field``, if set, is the child field that the API server reports."""

    expression: str
    message: str
    field: str | None = None
    forbidden: bool = False
    """Report Forbidden instead of Invalid, without the value: for fields that can't be changed."""

    def to_wire(self) -> dict[str, JsonValue]:
        """Return the rule as the CRD holds it."""
        wire: dict[str, JsonValue] = {"rule": self.expression, "message": self.message}
        if self.field:
            wire["fieldPath"] = f".{self.field}"
        if self.forbidden:
            wire["reason"] = "FieldValueForbidden"
        return wire


def extensions(*rules: Rule, **others: JsonValue) -> dict[str, JsonValue]:
    """Return the ``json_schema_extra`` of a field or model: rules and ``x-kubernetes-*`` (``map_type=...``)."""
    extra: dict[str, JsonValue] = {f"x-kubernetes-{name.replace('_', '-')}": v for name, v in others.items()}
    if rules:
        extra["x-kubernetes-validations"] = [rule.to_wire() for rule in rules]
    return extra


def matches(pattern: str, message: str) -> Rule:
    """Build a rule that refuses a string unless all of it matches the RE2 pattern."""
    return Rule(f"self.matches(r'^({pattern})$')", message)


def _refusal(what: str) -> str:
    return f"{what} can't be changed: create a new ImageCopy instead"


def immutable(what: str) -> Rule:
    """Build a rule that refuses changes of a field that is always present (required, or with a default)."""
    return Rule("self == oldSelf", _refusal(what), forbidden=True)


def immutable_field(parent: str, name: str) -> Rule:
    """Build a rule for ``parent`` that refuses to change, add or remove its optional field ``name``.

    A rule on the field itself would not run when the field is added or removed.
    """
    return Rule(
        f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})",
        _refusal(f"{parent}.{name}"),
        field=name,
        forbidden=True,
    )
