"""Bodies of the control endpoints that change images, jobs, keys and identity providers."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, field_validator, model_validator

from ims_simulator.clock.timestamps import iso_seconds
from ims_simulator.parsing import JsonObject, StrictModel
from ims_simulator.replies.codes import SYSTEM_ERROR, SYSTEM_ERROR_MESSAGE
from ims_simulator.state.records import IdentityProvider, Image, Job, KeyState

ImageStatus = Literal["queued", "saving", "active", "killed", "deleted"]
MemberStatus = Literal["accepted", "rejected", "pending"]


def without_id(props: JsonObject) -> JsonObject:
    """`props`, unless they contain an attribute that identifies the image. Raises: ValueError."""
    if {"id", "self", "file"} & set(props):
        raise ValueError("props must not contain id, self or file: they can't be changed")
    return props


Props = Annotated[dict[str, JsonValue], AfterValidator(without_id)]


class NewImage(StrictModel):
    """A new source image: a plain private Linux image, with the differences given here."""

    id: uuid.UUID | None = None
    name: str = "added"
    kind: str = Field("added", min_length=1)
    status: ImageStatus = "active"
    owner: str | None = Field(None, description="id of the owning project; default: the simulator's project")
    size_gib: float | None = Field(None, ge=0, description="sets __image_size and min_disk")
    cmk_id: str | None = Field(None, description="sets __system__cmkid")
    members: dict[str, MemberStatus] = Field(
        {}, description="id of a project to its member_status; makes the image a shared one"
    )
    props: Props = Field({}, description="any attribute of the row, e.g. __whole_image")

    @model_validator(mode="after")
    def _kind_is_free(self) -> NewImage:
        if self.kind == "copy":
            raise ValueError("kind must not be copy, which marks the images that a copy call made")
        return self

    def changes(self, now: float) -> JsonObject:
        """The attributes that differ from a plain image."""
        changes: JsonObject = {"status": self.status, "created_at": iso_seconds(now), "updated_at": iso_seconds(now)}
        if self.size_gib is not None:
            changes["__image_size"] = str(int(self.size_gib * 1024**3))
            changes["min_disk"] = max(1, int(self.size_gib))
        if self.cmk_id is not None:
            changes["__system__cmkid"] = self.cmk_id
        if self.members:
            changes["visibility"] = "shared"
        return {**changes, **self.props}


class ImagePatch(StrictModel):
    """Changes of an image; an attribute with the value null is removed."""

    status: ImageStatus | None = None
    name: str | None = None
    members: dict[str, MemberStatus] | None = None
    props: Props = Field({})

    def apply_to(self, image: Image, now: float) -> None:
        """Change `image`."""
        props = {**image.props, **self.props, "updated_at": iso_seconds(now)}
        if self.status is not None:
            props["status"] = self.status
            if self.status == "active":
                props["active_at"] = iso_seconds(now)
        if self.name is not None:
            props["name"] = self.name
        if self.members is not None:
            image.members = dict(self.members)
        image.props = {key: value for key, value in props.items() if value is not None or key not in self.props}


class JobPatch(StrictModel):
    """Changes of a job: how it ends, and what its replies show."""

    end: Literal["SUCCESS", "FAIL"] | None = Field(None, description="the job ends now, in this state")
    error_code: str = SYSTEM_ERROR
    fail_reason: str = SYSTEM_ERROR_MESSAGE
    stuck: bool = Field(False, description="the job never ends and its percentage does not change")
    forgotten: bool | None = None
    without_image_id: bool | None = None

    @model_validator(mode="after")
    def _one_end(self) -> JobPatch:
        if self.end is not None and self.stuck:
            raise ValueError("give either end or stuck, not both")
        return self

    def applied_to(self, job: Job, now: float) -> Job:
        """A changed copy of `job`."""
        changed = job.model_copy()
        if self.forgotten is not None:
            changed.forgotten = self.forgotten
        if self.without_image_id is not None:
            changed.without_image_id = self.without_image_id
        if self.stuck:
            changed.stuck_at, changed.ends_at = job.percent(now), None
        if self.end is not None:
            changed.ends_at, changed.outcome = now, self.end
            failed = self.end == "FAIL"
            changed.error_code = self.error_code if failed else None
            changed.fail_reason = self.fail_reason if failed else None
        return changed


class KeyPatch(StrictModel):
    """The new state of a KMS key."""

    state: KeyState


class NewIdentityProvider(StrictModel):
    """An OpenID Connect identity provider, as an administrator registers it with IAM."""

    issuer: str = Field(min_length=1)
    audience: str = Field(min_length=1)
    jwks: JsonObject
    subjects: list[str] = Field([])
    can_copy: bool = True
    enabled: bool = True

    @field_validator("jwks")
    @classmethod
    def _has_keys(cls, value: JsonObject) -> JsonObject:
        if not isinstance(value.get("keys"), list):
            raise ValueError('jwks must be a JSON Web Key Set: {"keys": [...]}')
        return value

    def provider(self, provider_id: str) -> IdentityProvider:
        """The record of this provider."""
        return IdentityProvider(id=provider_id, **self.model_dump())
