"""From a Secret to a login: the keys that are there say which way in it is.

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

_WAYS: Final[Mapping[str, tuple[str, ...]]] = {
    "a password": _PASSWORD,
    "an access key": (*_ACCESS_KEY, _TEMPORARY),
    "the operator's own identity": (_SOURCE,),
    "an identity provider": (_IDENTITY_PROVIDER,),
}
_KNOWN: Final = (*(key for keys in _WAYS.values() for key in keys), *_AGENCY, _PROJECT)
_IN_HEADERS: Final = frozenset((*_ACCESS_KEY, _TEMPORARY, _IDENTITY_PROVIDER))
"""These go into headers and signatures, where no blank and no other script can be."""

_SOURCES: Final = ("NodeAgency", "PodIdentity")


class BadSecret(Exception):
    """The Secret can't work as it is; the message says which key is missing or unusable and what to do."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a Secret holds, and what is odd about it, in words for whoever wrote it."""

    credentials: ims.Credentials
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Texts:
    """What is in a Secret, as text."""

    where: str
    values: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    unknown: tuple[str, ...] = ()

    def has(self, *keys: str) -> bool:
        return any(key in self.values for key in keys)

    def require(self, keys: tuple[str, ...]) -> None:
        """Raises: BadSecret: one of these is missing or empty."""
        needs = f"it needs the keys {', '.join(keys)}" if len(keys) > 1 else f"it needs the key {keys[0]}"
        if missing := [key for key in keys if key not in self.values]:
            raise BadSecret(f"Secret {self.where} lacks {' and '.join(missing)}; {needs}{self.guess(missing)}")
        for key in keys:
            if not self.values[key]:
                raise BadSecret(f"Secret {self.where} lacks {key}: the key is there but empty; {needs}")

    def guess(self, wanted: Iterable[str]) -> str:
        """Return a hint at keys that are misspelt, or nothing."""
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
    """Return the login that a Secret holds.

    ``where`` names the Secret (``namespace/name``), ``data`` is its base64 content, ``project_id`` and ``region``
    are the provider's: one of them, or the key projectName, has to say which project to work in. ``kind`` is the
    provider's, ``ambient`` what the operator's settings allow to it.

    Raises:
        BadSecret: a key is missing, empty or no text; there are two ways in, or one that the provider may not use.
    """
    texts = _texts_of(where, data)
    way = _way_of(texts)
    own = way in ("a password", "an access key")
    credentials = _own_login(texts, way) if own else _ambient_login(texts, kind, ambient)
    project_name = texts.values.get(_PROJECT) or None
    if not (project_id or project_name or region):
        raise BadSecret(
            f"Secret {where} lacks {_PROJECT}: add it, or set projectID or region in the provider"
            f"{texts.guess((_PROJECT,))}"
        )
    if texts.unknown:
        texts.warnings.append(f"Secret {where} has keys that are not used: {', '.join(map(_named, texts.unknown))}")
    project = ims.ProjectRef(id=project_id, name=project_name)
    return Login(replace(credentials, project=project), tuple(texts.warnings))


def _texts_of(where: str, data: Mapping[str, str]) -> _Texts:
    texts = _Texts(where, unknown=tuple(sorted(key for key in data if key not in _KNOWN)))
    for key in _KNOWN:
        if key in data:
            texts.values[key] = _text(where, key, data[key], texts.warnings)
    return texts


def _text(where: str, key: str, encoded: str, warnings: list[str]) -> str:
    try:
        text = base64.b64decode(encoded or "", validate=True).decode("utf-8")
    except ValueError:
        raise BadSecret(f"key {key} of Secret {where} is not UTF-8 text: store it anew") from None
    stripped = text.strip("\r\n")
    if stripped != text:
        warnings.append(f"key {key} of Secret {where} begins or ends with a line break, which is left out")
    if key in _IN_HEADERS and not (stripped.isascii() and stripped.isprintable() and " " not in stripped):
        raise BadSecret(f"key {key} of Secret {where} has a blank or another character that can't be in one")
    return stripped


def _way_of(texts: _Texts) -> str:
    """Return the one way in that was begun. Raises: BadSecret: there is none, or more than one."""
    begun = [way for way, keys in _WAYS.items() if texts.has(*keys)]
    if len(begun) == 1:
        return begun[0]
    if not begun:
        if texts.has(*_AGENCY):
            raise BadSecret(
                f"Secret {texts.where} has an agency but no login to take it on with: add {', '.join(_PASSWORD)}, "
                f"or {', '.join(_ACCESS_KEY)}{texts.guess(_KNOWN)}"
            )
        raise BadSecret(
            f"Secret {texts.where} has no login in it; it needs the keys {', '.join(_PASSWORD)}; or "
            f"{', '.join(_ACCESS_KEY)}; or {_SOURCE}; or {_IDENTITY_PROVIDER}{texts.guess(_KNOWN)}"
        )
    sets = [", ".join(key for key in _WAYS[way] if key in texts.values) for way in begun]
    listed = " and of ".join(f"{way} ({keys})" for way, keys in zip(begun, sets, strict=True))
    raise BadSecret(
        f"Secret {texts.where} has keys of {listed}, but there can be one way in only: remove {' or '.join(sets)}"
    )


def _own_login(texts: _Texts, way: str) -> ims.PasswordCredentials | ims.AccessKeyCredentials | ims.AgencyCredentials:
    base: ims.PasswordCredentials | ims.AccessKeyCredentials
    values = texts.values
    if way == "a password":
        texts.require(_PASSWORD)
        base = ims.PasswordCredentials(
            username=values["username"], password=values["password"], domain_name=values["domainName"]
        )
    else:
        keys = (*_ACCESS_KEY, _TEMPORARY) if texts.has(_TEMPORARY) else _ACCESS_KEY
        texts.require(keys)
        base = ims.AccessKeyCredentials(
            access_key_id=values["accessKeyID"],
            secret_access_key=values["secretAccessKey"],
            security_token=values.get(_TEMPORARY),
        )
    if not texts.has(*_AGENCY):
        return base
    texts.require(_AGENCY)
    return ims.AgencyCredentials(
        base=base, agency_name=values["agencyName"], agency_domain_name=values["agencyDomainName"]
    )


def _ambient_login(
    texts: _Texts, kind: ProviderKind, ambient: Ambient
) -> ims.NodeAgencyCredentials | ims.PodIdentityCredentials | ims.IdentityProviderCredentials:
    key = _SOURCE if texts.has(_SOURCE) else _IDENTITY_PROVIDER
    texts.require((key,))
    if texts.has(*_AGENCY):
        agency = " and ".join(name for name in _AGENCY if name in texts.values)
        raise BadSecret(
            f"Secret {texts.where} has {agency} beside {key}: an agency is taken on with a password or an access key "
            f"only; remove {agency}, or replace {key} by such a login"
        )
    if not ambient.allowed.allows(kind):
        raise BadSecret(
            f"key {key} of Secret {texts.where} asks for the operator's own identity in the cloud, which {kind.value}s "
            f"may not use: put a login into the Secret, or ask the operator's administrator about {SETTING} "
            f"(now {ambient.allowed.value})"
        )
    value = texts.values[key]
    if key == _IDENTITY_PROVIDER:
        return ims.IdentityProviderCredentials(identity_provider_id=value, token_file=ambient.identity_token_file)
    if value == "NodeAgency":
        return ims.NodeAgencyCredentials(metadata_endpoint=ambient.metadata_endpoint)
    if value == "PodIdentity":
        return ims.PodIdentityCredentials()
    raise BadSecret(f"key {_SOURCE} of Secret {texts.where} must be {' or '.join(_SOURCES)}")


def _meant(key: str) -> str | None:
    """Return the key that a misspelt one is near to."""
    letters = {known.lower(): known for known in _KNOWN}
    plain = key.lower().replace("_", "").replace("-", "")
    near = difflib.get_close_matches(plain, letters, n=1, cutoff=0.8)
    return letters[near[0]] if near else None


def _named(key: str) -> str:
    meant = _meant(key)
    return f"{key} (did you mean {meant}?)" if meant else key
