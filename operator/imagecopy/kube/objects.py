"""Snapshots of our objects as the API server returns them, and the merge patch from one status to another."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from imagecopy.api.base import FINALIZER
from imagecopy.api.imagecopy import RETRY_ANNOTATION, RETRY_MAX_LENGTH, ImageCopySpec, ImageCopyStatus
from imagecopy.api.provider import ProviderKind, ProviderStatus
from imagecopy.flow.view import is_resting

UNREADABLE: Final = "the object does not fit this version of the operator; is its CRD newer?"
"""The log line about an object that is :class:`Unreadable`."""


class Unreadable(ValueError):
    """An object does not fit our models, probably because its CRD is newer; the message names the fields."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One ImageCopy at one resourceVersion."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    created_at: str
    """RFC 3339 in UTC, which sorts as text."""
    retry_requested_at: str | None
    spec: ImageCopySpec
    status: ImageCopyStatus
    is_deleting: bool = False
    """Whether its deletion was requested."""
    has_finalizer: bool = False
    """Whether our finalizer holds it."""

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> "Snapshot":
        """Read an object of the API server.

        Raises:
            Unreadable: it does not fit our models.
        """
        meta = body["metadata"]
        retry = (meta.get("annotations") or {}).get(RETRY_ANNOTATION)
        try:
            return cls(
                namespace=meta["namespace"],
                name=meta["name"],
                uid=meta["uid"],
                resource_version=meta["resourceVersion"],
                generation=meta.get("generation", 0),
                created_at=meta.get("creationTimestamp") or "",
                retry_requested_at=retry[:RETRY_MAX_LENGTH] if retry else None,
                spec=ImageCopySpec.model_validate(body.get("spec") or {}),
                status=ImageCopyStatus.model_validate(body.get("status") or {}),
                is_deleting=bool(meta.get("deletionTimestamp")),
                has_finalizer=FINALIZER in (meta.get("finalizers") or ()),
            )
        except ValidationError as exc:
            fields = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors()[:5])
            raise Unreadable(fields) from exc

    def packed(self) -> bytes:
        """Return the object as JSON, which takes a fifth of the memory, for as long as it is not needed."""
        meta = {
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
            "resourceVersion": self.resource_version,
            "generation": self.generation,
            "creationTimestamp": self.created_at,
            "annotations": {RETRY_ANNOTATION: self.retry_requested_at} if self.retry_requested_at else {},
            "deletionTimestamp": self.is_deleting,
            "finalizers": [FINALIZER] if self.has_finalizer else [],
        }
        body = {"metadata": meta, "spec": self.spec.to_wire(), "status": self.status.to_wire()}
        return json.dumps(body, separators=(",", ":")).encode()

    @classmethod
    def unpacked(cls, packed: bytes) -> "Snapshot":
        """Return the object that was packed."""
        return cls.parse(json.loads(packed))

    @property
    def kind(self) -> str:
        """The kind of the object, for Events."""
        return "ImageCopy"

    @property
    def is_resting(self) -> bool:
        """Whether there is nothing to do until someone edits the object."""
        return is_resting(self.spec, self.status, self.generation, self.retry_requested_at)

    def is_newer_than(self, other: "Snapshot") -> bool:
        """Compare resourceVersions; where they can't be compared, this one counts as newer."""
        return is_newer(self.resource_version, other.resource_version)


@dataclass(frozen=True, slots=True)
class ProviderSnapshot:
    """One provider at one resourceVersion; ``namespace`` is empty for a ClusterImageProvider."""

    kind: ProviderKind
    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    secret_namespace: str
    status: ProviderStatus

    @classmethod
    def parse(cls, kind: ProviderKind, body: Mapping[str, Any]) -> "ProviderSnapshot":
        """Read an object of the API server.

        Raises:
            Unreadable: its status does not fit our model.
        """
        meta = body["metadata"]
        namespace = meta.get("namespace") or ""
        secret = (body.get("spec") or {}).get("credentialsSecretRef") or {}
        try:
            status = ProviderStatus.model_validate(body.get("status") or {})
        except ValidationError as exc:
            raise Unreadable(str(exc)) from exc
        return cls(
            kind=kind,
            namespace=namespace,
            name=meta["name"],
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            generation=meta.get("generation", 0),
            secret_namespace=namespace or secret.get("namespace") or "",
            status=status,
        )

    def is_newer_than(self, other: "ProviderSnapshot") -> bool:
        """Compare resourceVersions; where they can't be compared, this one counts as newer."""
        return is_newer(self.resource_version, other.resource_version)


def is_newer(ours: str, theirs: str) -> bool:
    """Compare resourceVersions, which are increasing integers by KEP-5504."""
    return int(ours) > int(theirs) if ours.isdecimal() and theirs.isdecimal() else True


def merge_patch(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, object]:
    """Return the JSON merge patch (RFC 7386) that turns ``before`` into ``after``."""
    patch: dict[str, object] = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if old == value:
            continue
        patch[key] = merge_patch(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return patch
