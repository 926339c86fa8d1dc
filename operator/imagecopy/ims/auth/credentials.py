"""Credentials, one class for each authentication method. No secret shows in a repr."""

import hashlib
import json
from dataclasses import dataclass, field, fields
from typing import ClassVar, Final

from imagecopy.ims.auth.signer import AccessKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRef:
    """The project to work in; the id counts where both are given. With neither it is the region's own project."""

    id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Credentials:
    keys: ClassVar[str]
    """The names of the keys in a Secret, for messages about a refused login."""

    project: ProjectRef = ProjectRef()

    def fingerprint(self) -> str:
        """Tell logins apart without keeping what is secret in them. The project makes no difference."""
        parts = [type(self).__name__]
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, ProjectRef):
                continue
            parts.append(value.fingerprint() if isinstance(value, _Credentials) else repr(value))
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordCredentials(_Credentials):
    """A user of the cloud."""

    keys = "username, password and domainName"

    username: str
    password: str = field(repr=False)
    domain_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKeyCredentials(_Credentials):
    """An access key of a user, or a temporary one."""

    keys = "accessKeyID and secretAccessKey"

    access_key_id: str
    secret_access_key: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)

    @property
    def access_key(self) -> AccessKey:
        """What to sign with."""
        return AccessKey(
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            security_token=self.security_token,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyCredentials(_Credentials):
    """A login, with which an agency of another account (or of the same) is assumed.

    The project is one of the account that made the agency.
    """

    keys = "agencyName and agencyDomainName"

    base: PasswordCredentials | AccessKeyCredentials
    agency_name: str
    agency_domain_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAgencyCredentials(_Credentials):
    """The agency of the node that we run on, from its metadata service."""

    keys = "credentialSource"

    metadata_endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodIdentityCredentials(_Credentials):
    """The agency that is bound to our service account (CCE Pod Identity). Where to ask is in our environment."""

    keys = "credentialSource"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProviderCredentials(_Credentials):
    """Our service account's token, as an OpenID Connect identity provider of the cloud's IAM knows it."""

    keys = "identityProviderID"

    identity_provider_id: str
    token_file: str


Credentials = (
    PasswordCredentials
    | AccessKeyCredentials
    | AgencyCredentials
    | NodeAgencyCredentials
    | PodIdentityCredentials
    | IdentityProviderCredentials
)
"""The credentials of any authentication method."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Secrets that must not be quoted when the cloud repeats them in a message."""

    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, *secrets: str | None) -> "Hidden":
        """Hide those of these values that are not None."""
        return cls(tuple(filter(None, secrets)))

    def body(self, body: bytes) -> bytes:
        """Return ``body`` without these secrets, whether written plainly or as in JSON."""
        for secret in self.secrets:
            for form in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
                body = body.replace(form.encode("utf-8", "replace"), b"***")
        return body


NOTHING: Final = Hidden()
