"""What is sent to and read from the cloud's login. No secret shows in a repr."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from imagecopy.ims.errors import Misconfigured
from imagecopy.ims.lenient import as_dict, as_list, as_str, as_time

_FALLBACK_LIFE_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordCredentials:
    """A user of the cloud, and the project to work in; the id counts where both are given."""

    username: str
    password: str = field(repr=False)
    domain_name: str
    project_name: str | None = None
    project_id: str | None = None

    def hide(self, text: str) -> str:
        """Return ``text`` without the password."""
        return text.replace(self.password, "***") if self.password else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What credentials tell about the project. ``ims_endpoint`` is from the cloud's catalogue, if it has one."""

    project_id: str
    project_name: str | None = None
    ims_endpoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSession(Session):
    """A session by token."""

    token: str = field(repr=False)
    expires_at: datetime
    life_seconds: float
    """From when it was made, by the server's clock."""


def login_body(credentials: PasswordCredentials, region: str | None) -> dict[str, object]:
    """Return the JSON body of the login (OTC API reference, IAM, "Obtaining a User Token").

    Without a project in the credentials it is the region's own project, which has the region's name.

    Raises:
        Misconfigured: neither a project nor a region is known.
    """
    if credentials.project_id:
        project = {"id": credentials.project_id}
    elif name := credentials.project_name or region:
        project = {"name": name}
    else:
        raise Misconfigured("no project to log in to: give a project id, a project name or a region")
    return {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {
                    "user": {
                        "name": credentials.username,
                        "password": credentials.password,
                        "domain": {"name": credentials.domain_name},
                    }
                },
            },
            "scope": {"project": project},
        }
    }


def parse_login(data: object, headers: Mapping[str, str], region: str | None) -> TokenSession:
    """Read the reply of the login.

    Raises:
        ValueError: it has no usable token. The message does not quote the reply.
        Misconfigured: the token is not for a project, so IMS would refuse it.
    """
    token = as_dict((as_dict(data) or {}).get("token"))
    secret = headers.get("x-subject-token", "")
    if token is None or not secret.isascii() or not secret.isprintable() or not secret:
        raise ValueError("the reply has no token")
    project = as_dict(token.get("project")) or {}
    project_id, project_name = as_str(project.get("id")), as_str(project.get("name"))
    if project_id is None:
        raise Misconfigured("the login gave a token that is not for a project; IMS needs one that is")
    now = datetime.now(UTC)
    issued = as_time(token.get("issued_at")) or _date(headers) or now
    expires = as_time(token.get("expires_at"))
    life = _FALLBACK_LIFE_SECONDS if expires is None else max((expires - issued).total_seconds(), 1.0)
    return TokenSession(
        token=secret,
        expires_at=expires or now + timedelta(seconds=life),
        life_seconds=life,
        project_id=project_id,
        project_name=project_name,
        ims_endpoint=_image_endpoint(token.get("catalog"), region or (project_name or "").partition("_")[0]),
    )


def _date(headers: Mapping[str, str]) -> datetime | None:
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _image_endpoint(catalog: object, region: str) -> str | None:
    """Return the public endpoint of the service of type ``image`` in ``region``, else the first that there is."""
    endpoints = list(_image_endpoints(catalog))
    for wanted in (region, "*"):
        for found, url in endpoints:
            if found == wanted:
                return url
    return endpoints[0][1] if endpoints else None


def _image_endpoints(catalog: object) -> Iterator[tuple[str | None, str]]:
    for item in as_list(catalog):
        service = as_dict(item) or {}
        if service.get("type") != "image":
            continue
        for entry in as_list(service.get("endpoints")):
            endpoint = as_dict(entry) or {}
            url = as_str(endpoint.get("url"))
            if url and endpoint.get("interface", "public") == "public":
                yield as_str(endpoint.get("region_id")) or as_str(endpoint.get("region")), url
