"""Reads the login in a Secret. The keys that the Secret has say which authentication method it is for.

Messages name the Secret and its keys, never their values.
"""

import base64
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from imagecopy import ims
from imagecopy.api.ambient import CLUSTER_ONLY, Ambient
from imagecopy.api.provider import ProviderKind

SETTING: Final = "IMAGECOPY_AMBIENT_CREDENTIALS"

_PASSWORD: Final = ("username", "password", "domainName")
_ACCESS_KEY: Final = ("accessKeyID", "secretAccessKey")
_TEMPORARY: Final = "securityToken"
_AGENCY: Final = ("agencyName", "agencyDomainName")
_SOURCE: Final = "credentialSource"
_IDENTITY_PROVIDER: Final = "identityProviderID"
_PROJECT: Final = "projectName"

_METHODS: Final[Mapping[str, tuple[str, ...]]] = {
    "a password": _PASSWORD,
    "an access key": (*_ACCESS_KEY, _TEMPORARY),
    "the operator's own identity": (_SOURCE,),
    "an identity provider": (_IDENTITY_PROVIDER,),
}
_KNOWN: Final = (*(key for keys in _METHODS.values() for key in keys), *_AGENCY, _PROJECT)
_IN_HEADERS: Final = frozenset((*_ACCESS_KEY, _TEMPORARY, _IDENTITY_PROVIDER))
"""Keys whose values go into headers and signatures, which have printable ASCII only and no space."""

_SOURCES: Final = ("NodeAgency", "PodIdentity")


class BadSecret(Exception):
    """The Secret can't work as it is. The message says which key is missing or wrong, and what to do."""


@dataclass(frozen=True, slots=True)
class Login:
    """The login in a Secret, and warnings for the person who wrote it."""

    credentials: ims.Credentials
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Values:
    """The decoded values of a Secret."""

    where: str
    texts: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    unknown: tuple[str, ...] = ()

    def has(self, *keys: str) -> bool:
        return any(key in self.texts for key in keys)

    def require(self, keys: tuple[str, ...]) -> None:
        """Return if the Secret has all of these keys.

        Raises:
            BadSecret: one of them is missing or empty.
        """
        needs = f"it needs the keys {', '.join(keys)}" if len(keys) > 1 else f"it needs the key {keys[0]}"
        if missing := [key for key in keys if key not in self.texts]:
            raise BadSecret(f"Secret {self.where} lacks {' and '.join(missing)}; {needs}{self.hint(missing)}")
        for key in keys:
            if not self.texts[key]:
                raise BadSecret(f"Secret {self.where} lacks {key}: the key exists but is empty; {needs}")

    def hint(self, wanted: Iterable[str]) -> str:
        """Return a hint at misspelt keys; empty if there are none."""
        pairs = [(key, meant) for key in self.unknown if (meant := _meant(key)) and meant in wanted]
        return "".join(f"; it has {key}: did you mean {meant}?" for key, meant in pairs)


def read_login(
    where: str,
    data: Mapping[str, str],
    *,
    project_id: str | None,
    region: str | None,
    kind: ProviderKind = ProviderKind.CLUSTER,
    ambient: Ambient = CLUSTER_ONLY,
) -> Login:
    """Return the login in a Secret.

    ``where`` is the Secret's ``namespace/name``, ``data`` its base64 content. ``project_id``, ``region`` and ``kind``
    are the provider's. The project is named by ``project_id``, by ``region``, or by the key projectName. ``ambient``
    says which providers may use the operator's own identity.

    Raises:
        BadSecret: a key is missing, empty or not text; or the keys are those of two authentication methods, or of one
            that the provider may not use.
    """
    values = _values_of(where, data)
    method = _method_of(values)
    is_own = method in ("a password", "an access key")
    credentials = _own_login(values, method) if is_own else _ambient_login(values, kind, ambient)
    project_name = values.texts.get(_PROJECT) or None
    if not (project_id or project_name or region):
        raise BadSecret(
            f"Secret {where} lacks {_PROJECT}: add it, or set projectID or region in the provider"
            f"{values.hint((_PROJECT,))}"
        )
    if values.unknown:
        values.warnings.append(f"Secret {where} has keys that are not used: {', '.join(map(_named, values.unknown))}")
    project = ims.ProjectRef(id=project_id, name=project_name)
    return Login(replace(credentials, project=project), tuple(values.warnings))


def _values_of(where: str, data: Mapping[str, str]) -> _Values:
    values = _Values(where, unknown=tuple(sorted(key for key in data if key not in _KNOWN)))
    for key in _KNOWN:
        if key in data:
            values.texts[key] = _text(where, key, data[key], values.warnings)
    return values


def _text(where: str, key: str, encoded: str, warnings: list[str]) -> str:
    try:
        text = base64.b64decode(encoded or "", validate=True).decode("utf-8")
    except ValueError:
        raise BadSecret(f"key {key} of Secret {where} is not UTF-8 text: store it again as text") from None
    stripped = text.strip("\r\n")
    if stripped != text:
        warnings.append(
            f"key {key} of Secret {where} begins or ends with a line break, which is ignored: store the key without it"
        )
    if key in _IN_HEADERS and not (stripped.isascii() and stripped.isprintable() and " " not in stripped):
        raise BadSecret(
            f"key {key} of Secret {where} has a space or another character that it can't have: store it again"
        )
    return stripped


def _method_of(values: _Values) -> str:
    """Return the authentication method that the keys are for.

    Raises:
        BadSecret: there is none, or more than one.
    """
    methods = [method for method, keys in _METHODS.items() if values.has(*keys)]
    if len(methods) == 1:
        return methods[0]
    if not methods:
        if values.has(*_AGENCY):
            raise BadSecret(
                f"Secret {values.where} names an agency but has no login that can assume it: add "
                f"{', '.join(_PASSWORD)}, or {', '.join(_ACCESS_KEY)}{values.hint(_KNOWN)}"
            )
        raise BadSecret(
            f"Secret {values.where} has no login: add the keys {', '.join(_PASSWORD)}; or "
            f"{', '.join(_ACCESS_KEY)}; or {_SOURCE}; or {_IDENTITY_PROVIDER}{values.hint(_KNOWN)}"
        )
    sets = [", ".join(key for key in _METHODS[method] if key in values.texts) for method in methods]
    listed = " and of ".join(f"{method} ({keys})" for method, keys in zip(methods, sets, strict=True))
    raise BadSecret(
        f"Secret {values.where} has keys of {listed}, but only one authentication method can be used: "
        f"remove {' or '.join(sets)}"
    )


def _own_login(
    values: _Values, method: str
) -> ims.PasswordCredentials | ims.AccessKeyCredentials | ims.AgencyCredentials:
    base: ims.PasswordCredentials | ims.AccessKeyCredentials
    texts = values.texts
    if method == "a password":
        values.require(_PASSWORD)
        base = ims.PasswordCredentials(
            username=texts["username"], password=texts["password"], domain_name=texts["domainName"]
        )
    else:
        keys = (*_ACCESS_KEY, _TEMPORARY) if values.has(_TEMPORARY) else _ACCESS_KEY
        values.require(keys)
        base = ims.AccessKeyCredentials(
            access_key_id=texts["accessKeyID"],
            secret_access_key=texts["secretAccessKey"],
            security_token=texts.get(_TEMPORARY),
        )
    if not values.has(*_AGENCY):
        return base
    values.require(_AGENCY)
    return ims.AgencyCredentials(
        base=base, agency_name=texts["agencyName"], agency_domain_name=texts["agencyDomainName"]
    )


def _ambient_login(
    values: _Values, kind: ProviderKind, ambient: Ambient
) -> ims.NodeAgencyCredentials | ims.PodIdentityCredentials | ims.IdentityProviderCredentials:
    key = _SOURCE if values.has(_SOURCE) else _IDENTITY_PROVIDER
    values.require((key,))
    if values.has(*_AGENCY):
        agency = " and ".join(name for name in _AGENCY if name in values.texts)
        raise BadSecret(
            f"Secret {values.where} has both {agency} and {key}, but only a password or an access key can assume an "
            f"agency: remove {agency}, or replace {key} with a password or an access key"
        )
    if not ambient.allowed.allows(kind):
        raise BadSecret(
            f"key {key} of Secret {values.where} asks for the operator's own identity in the cloud, which "
            f"{kind.value}s may not use: put a login into the Secret, or ask the operator's administrator to change "
            f"{SETTING} (now {ambient.allowed.value})"
        )
    value = values.texts[key]
    if key == _IDENTITY_PROVIDER:
        return ims.IdentityProviderCredentials(identity_provider_id=value, token_file=ambient.identity_token_file)
    if value == "NodeAgency":
        return ims.NodeAgencyCredentials(metadata_endpoint=ambient.metadata_endpoint)
    if value == "PodIdentity":
        return ims.PodIdentityCredentials()
    raise BadSecret(f"key {_SOURCE} of Secret {values.where} must be {' or '.join(_SOURCES)}")


def _meant(key: str) -> str | None:
    """Return the known key that a misspelt one resembles."""
    letters = {known.lower(): known for known in _KNOWN}
    plain = key.lower().replace("_", "").replace("-", "")
    near = difflib.get_close_matches(plain, letters, n=1, cutoff=0.8)
    return letters[near[0]] if near else None


def _named(key: str) -> str:
    meant = _meant(key)
    return f"{key} (did you mean {meant}?)" if meant else key
