"""What all API models share: camelCase on the wire, snake_case in Python, frozen, unknown fields ignored.

Unknown fields are ignored on reading because an object may have been written by a newer version of the CRD;
the API server refuses or prunes them on writing.
"""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

GROUP: Final = "imagecopy.io"
VERSION: Final = "v1alpha1"
FINALIZER: Final = f"{GROUP}/finalizer"
"""Holds an ImageCopy that is deleted together with its image."""


def wire_name(name: str) -> str:
    """``kms_key_id`` -> ``kmsKeyID``: Kubernetes writes initialisms in capitals."""
    camel = to_camel(name)
    return camel[:-2] + "ID" if camel.endswith("Id") else camel


def as_utc(value: datetime) -> datetime:
    """Return ``value`` in UTC and whole seconds, as metav1.Time keeps it; a naive one is taken as UTC."""
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
"""A point in time, UTC, whole seconds, RFC 3339 on the wire (metav1.Time)."""


class ApiModel(BaseModel):
    """Base of everything that is stored in the Kubernetes API."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=wire_name,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    def to_wire(self) -> dict[str, object]:
        """Return the JSON form: camelCase, absent instead of null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
