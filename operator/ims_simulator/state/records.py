"""What the cloud remembers: images, jobs, tokens, logins, keys.

Nothing here changes by itself. A job or an image is a set of timestamps, and what it is at a moment is computed
from them when somebody asks; ten thousand copies under way cost nothing while nobody looks.
"""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel

from ims_simulator.parsing import JsonObject, as_text

Phase = Literal["INIT", "RUNNING", "SUCCESS", "FAIL"]


class Job(BaseModel):
    """One copy under way or ended."""

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
    """None: the job never ends."""
    outcome: Literal["SUCCESS", "FAIL"] = "SUCCESS"
    error_code: str | None = None
    fail_reason: str | None = None
    stuck_at: float | None = None
    """A fraction that the percentage never exceeds."""
    zigzag: bool = False
    without_image_id: bool = False
    forgotten: bool = False

    def phase(self, now: float) -> Phase:
        """State at `now`, as both job queries name it ("Querying an Asynchronous Job")."""
        if self.ends_at is not None and now >= self.ends_at:
            return self.outcome
        return "INIT" if now < self.accepted_at + self.init_seconds else "RUNNING"

    def ended(self, now: float) -> bool:
        """Whether the job is over, one way or the other."""
        return self.ends_at is not None and now >= self.ends_at

    def percent(self, now: float) -> float:
        """process_percent at `now`: a fraction from 0 to 1; 1 only for a job that succeeded."""
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
    """One row of the image table; `props` is the flat document that reads answer."""

    id: str
    sequence: int
    kind: str
    """Why the row is there: the name of a seeded image, "added" or "copy"."""
    props: JsonObject
    job_id: str | None = None
    hidden_until: float = 0.0
    deleted_at: float | None = None
    members: dict[str, str] = {}
    """Projects that the image is shared with, and each one's member_status."""

    @property
    def owner(self) -> str:
        """Id of the project that the image belongs to."""
        return str(self.props.get("owner", ""))

    @property
    def name(self) -> str:
        """The image's name; not unique."""
        return str(self.props.get("name", ""))

    def text(self, attribute: str) -> str:
        """An attribute as a text in the API's own manner; "" when absent or null."""
        return as_text(self.props.get(attribute))


Method = Literal["password", "assume_role", "mapped"]
"""How somebody proved who they are: "mapped" is a token of an identity provider."""


class Holder(BaseModel):
    """For whom a token or a temporary key was made."""

    user: str
    """Name of the user; of the one who took it, for an agency; the subject, for a token of an identity provider."""
    domain_id: str
    """The domain in which it is good; for an agency the one that made the agency."""
    project_id: str | None
    """The one project in which it is good, if it is bound to one."""
    method: Method = "password"
    agency: str | None = None
    identity_provider: str | None = None


class Token(Holder):
    """A token that IAM gave out; `id` is the token itself."""

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
    """An issuer of OpenID Connect tokens that the cloud trusts, such as a Kubernetes cluster."""

    id: str
    issuer: str
    audience: str
    """The client id that tokens must be meant for."""
    jwks: JsonObject
    """The issuer's public keys as a JSON Web Key Set."""
    subjects: list[str] = []
    """The subjects that are mapped to a group of the cloud; empty: all."""
    can_copy: bool = True
    """Whether that group may copy, patch, tag and delete."""
    enabled: bool = True


class LoginRecord(BaseModel):
    """Failed logins in a row; `id` is the user's name, or the access key."""

    id: str
    failures: int = 0
    locked_until: float = 0.0

    def fail(self, now: float, *, lock_at: int, lock_seconds: float) -> None:
        """Count a failed login; the one with the number `lock_at` in a row locks."""
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
