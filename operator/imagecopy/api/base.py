"""The base of all API models: camelCase in JSON, snake_case in Python, frozen, unknown fields ignored.

Unknown fields are ignored when an object is read, because a newer version of the CRD may have added them. When an
object is written, the API server refuses or prunes them.
"""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

GROUP: Final = "imagecopy.io"
VERSION: Final = "v1alpha1"
FINALIZER: Final = f"{GROUP}/finalizer"
"""The finalizer: keeps an ImageCopy whose deletionPolicy is Delete until its image is deleted."""


def wire_name(name: str) -> str:
    """Return the JSON name of a field: ``kms_key_id`` -> ``kmsKeyID``. Kubernetes writes initialisms in capitals."""
    camel = to_camel(name)
    return camel[:-2] + "ID" if camel.endswith("Id") else camel


def as_utc(value: datetime) -> datetime:
    """Return ``value`` in UTC and whole seconds, as metav1.Time stores it. A value without a time zone is in UTC."""
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return value.astimezone(UTC).replace(microsecond=0)


def _rfc3339(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


Timestamp = Annotated[
    datetime,
    AfterValidator(as_utc),
    PlainSerializer(_rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 64}),
]
"""A point in time in UTC and whole seconds; RFC 3339 in JSON (metav1.Time)."""


class ApiModel(BaseModel):
    """Base of all models that are stored in the Kubernetes API."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=wire_name,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    def to_wire(self) -> dict[str, object]:
        """Return the JSON form: camelCase, with absent fields instead of nulls."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
