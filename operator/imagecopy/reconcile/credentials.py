"""From a Secret to a login. Messages name the Secret and its keys, never their values."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from imagecopy.ims import PasswordCredentials

_REQUIRED = ("username", "password", "domainName")


class BadSecret(Exception):
    """The Secret can't work as it is; the message says which key is missing or unusable and what to do."""


@dataclass(frozen=True, slots=True)
class Login:
    """What a Secret holds, and what is odd about it, in words for whoever wrote it."""

    credentials: PasswordCredentials
    warnings: tuple[str, ...] = ()


def read_login(where: str, data: Mapping[str, str], *, project_id: str | None, region: str | None) -> Login:
    """Return the login that a Secret holds.

    ``where`` names the Secret (``namespace/name``), ``data`` is its base64 content, ``project_id`` and ``region``
    are the provider's: one of them, or the key projectName, has to say which project to work in.

    Raises:
        BadSecret: a key is missing, empty or no text.
    """
    warnings: list[str] = []
    texts = {key: _text(where, key, data[key], warnings) for key in (*_REQUIRED, "projectName") if data.get(key)}
    missing = [key for key in _REQUIRED if not texts.get(key)]
    if missing:
        raise BadSecret(f"Secret {where} lacks {' and '.join(missing)}; it needs the keys {', '.join(_REQUIRED)}")
    project_name = texts.get("projectName") or None
    if not (project_id or project_name or region):
        raise BadSecret(f"Secret {where} lacks projectName: add it, or set projectID or region in the provider")
    credentials = PasswordCredentials(
        username=texts["username"],
        password=texts["password"],
        domain_name=texts["domainName"],
        project_name=project_name,
        project_id=project_id,
    )
    return Login(credentials, tuple(warnings))


def _text(where: str, key: str, encoded: str, warnings: list[str]) -> str:
    try:
        text = base64.b64decode(encoded, validate=True).decode("utf-8")
    except ValueError:
        raise BadSecret(f"key {key} of Secret {where} is not UTF-8 text: store it anew") from None
    stripped = text.strip("\r\n")
    if stripped != text:
        warnings.append(f"key {key} of Secret {where} begins or ends with a line break, which is left out")
    return stripped
