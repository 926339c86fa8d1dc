"""The records of the cloud: images, jobs, tokens, keys and logins.

Records do not change with time. A job or an image has timestamps, and its status is computed from them when it is read.
Ten thousand running copies therefore cost nothing until they are read.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel

from ims_simulator.parsing import JsonObject, as_text

Phase = Literal["INIT", "RUNNING", "SUCCESS", "FAIL"]


class Job(BaseModel):
    """One copy, running or ended."""

    id: str
    project_id: str
    source_id: str
    image_id: str
    image_name: str
    sub_job_id: str
    accepted_at: float
    init_seconds: float
    copy_seconds: float
    ends_at: float | None
    """Time of the end; None: the job never ends."""
    outcome: Literal["SUCCESS", "FAIL"] = "SUCCESS"
    error_code: str | None = None
    fail_reason: str | None = None
    stuck_at: float | None = None
    """The highest fraction that the percentage reaches."""
    zigzag: bool = False
    without_image_id: bool = False
    forgotten: bool = False

    def phase(self, now: float) -> Phase:
        """State at `now`, as both job queries name it ("Querying an Asynchronous Job")."""
        if self.ends_at is not None and now >= self.ends_at:
            return self.outcome
        return "INIT" if now < self.accepted_at + self.init_seconds else "RUNNING"

    def ended(self, now: float) -> bool:
        """Whether the job has succeeded or failed."""
        return self.ends_at is not None and now >= self.ends_at

    def percent(self, now: float) -> float:
        """process_percent at `now`, a fraction from 0 to 1. Only a job that succeeded has 1."""
        if self.phase(now) == "SUCCESS":
            return 1
        until = min(now, self.ends_at) if self.ends_at is not None else now
        share = (until - self.accepted_at) / self.copy_seconds if self.copy_seconds else 0.0
        if self.stuck_at is not None:
            share = min(share, self.stuck_at)
        if self.zigzag and math.floor(share * 20) % 2:
            share -= 0.15
        return math.floor(min(max(share, 0.0), 0.99) * 100 + 1e-9) / 100


class Image(BaseModel):
    """One image; `props` are its attributes as the API shows them, in one flat object."""

    id: str
    sequence: int
    kind: str
    """Origin of the image: the kind of a seeded image, "added" (or another word) for an added one, or "copy"."""
    props: JsonObject
    job_id: str | None = None
    hidden_until: float = 0.0
    deleted_at: float | None = None
    members: dict[str, str] = {}
    """The member_status of each project that the image is shared with."""

    @property
    def owner(self) -> str:
        """Id of the project that the image belongs to."""
        return str(self.props.get("owner", ""))

    @property
    def name(self) -> str:
        """The image's name; not unique."""
        return str(self.props.get("name", ""))

    def text(self, attribute: str) -> str:
        """An attribute as a string, as filters compare it; "" if it is absent or null."""
        return as_text(self.props.get(attribute))


TokenMethod = Literal["password", "assume_role", "mapped"]
"""The method by which a token was issued; "mapped" means for a token of an identity provider."""


class Holder(BaseModel):
    """The user or agency that a token or a temporary key was issued to."""

    user: str
    """Name of the user; for an agency, of the user who assumed it; for a federated user, the subject."""
    domain_id: str
    """The domain in which the token or key is valid; for an agency, the domain that made the agency."""
    project_id: str | None
    """The only project in which the token or key is valid; None: it is not bound to a project."""
    method: TokenMethod = "password"
    agency: str | None = None
    identity_provider: str | None = None


class Token(Holder):
    """A token that IAM issued; `id` is the token itself."""

    id: str
    issued_at: float
    expires_at: float


class TemporaryKey(Holder):
    """A temporary access key; `id` is the access key."""

    id: str
    secret: str
    security_token: str
    expires_at: float


class IdentityProvider(BaseModel):
    """An OpenID Connect identity provider that the cloud trusts, such as a Kubernetes cluster."""

    id: str
    issuer: str
    audience: str
    """The audience that tokens must have."""
    jwks: JsonObject
    """The issuer's public keys as a JSON Web Key Set."""
    subjects: list[str] = []
    """The subjects that are mapped to a group of users; empty: all."""
    can_copy: bool = True
    """Whether that group may copy, patch, tag and delete."""
    enabled: bool = True


class LoginRecord(BaseModel):
    """Failed logins in a row of a user or an access key; `id` is its name."""

    id: str
    failures: int = 0
    locked_until: float = 0.0

    def fail(self, now: float, *, lock_at: int, lock_seconds: float) -> None:
        """Count a failed login; number `lock_at` in a row starts a lock."""
        self.failures += 1
        if self.failures >= lock_at:
            self.failures = 0
            self.locked_until = now + lock_seconds


KeyState = Literal["enabled", "disabled", "no_access", "missing", "limited"]


class KmsKey(BaseModel):
    """A KMS key as IMS sees it."""

    id: str
    name: str
    state: KeyState = "enabled"
