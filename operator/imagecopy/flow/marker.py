"""Markers: letters and digits in a target's description by which a copy is recognised as ours.

The copy call takes no idempotency key and no tags, so the description is the only value of ours that the cloud
keeps with a copy from the beginning. A marker is ``imgcp1`` + 16 hex digits of owner + 16 hex digits of token:
letters and digits only, because one edition of the API documents no more (ims-api: Replicating an Image Within a
Region, ``description``). The owner outlives the object and the cluster; the token names one attempt of one object.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Final

from imagecopy.api.imagecopy import ImageCopySpec

_PREFIX: Final = "imgcp1"
_HEX: Final = 16
_PATTERN: Final = re.compile(rf"(?:^|\s){_PREFIX}([0-9a-f]{{{_HEX}}})([0-9a-f]{{{_HEX}}})$")


@dataclass(frozen=True, slots=True)
class Marker:
    """Owner (which wanted copy) and token (which attempt), 16 lower-case hex digits each."""

    owner: str
    token: str

    def __str__(self) -> str:
        return f"{_PREFIX}{self.owner}{self.token}"

    def describe(self, description: str | None) -> str:
        """Return the target's description: the user's text, if any, then the marker."""
        return f"{description} {self}" if description else str(self)

    @classmethod
    def find(cls, description: str | None) -> "Marker | None":
        """Return the marker at the end of a description, or None where there is none."""
        match = _PATTERN.search(description or "")
        return cls(owner=match[1], token=match[2]) if match else None


def _digest(*parts: str | None) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:_HEX]


def owner_of(installation: str, namespace: str, name: str, spec: ImageCopySpec) -> str:
    """Return the owner mark: the same for an object that is deleted and applied again, in this or a rebuilt cluster.

    It covers what identifies the wanted copy, and leaves out what may be edited afterwards (tags, limits).
    """
    target = spec.target
    return _digest(
        installation,
        namespace,
        name,
        spec.source.image_id,
        target.name,
        target.description,
        target.kms_key_id,
        target.enterprise_project_id,
        spec.provider_ref.kind,
        spec.provider_ref.name,
    )


def token_of(uid: str, number: int) -> str:
    """Return the token of attempt ``number`` (from 1) of the object with this uid."""
    return _digest(uid, str(number))
