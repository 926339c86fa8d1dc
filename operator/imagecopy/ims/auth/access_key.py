"""Authentication by signatures: with an access key from the user, or with temporary keys that are renewed."""

import time
from collections.abc import AsyncGenerator, Mapping
from typing import Final, Protocol

import httpx

from imagecopy.ims.auth.base import Clock, ImsAuth, Session
from imagecopy.ims.auth.breaker import Breaker
from imagecopy.ims.auth.credentials import AccessKeyCredentials, ProjectRef
from imagecopy.ims.auth.iam import PROJECTS_PATH, Advice, Iam, name_of, project_advice
from imagecopy.ims.auth.renewal import Fresh, Renewed, life_seconds
from imagecopy.ims.auth.signer import AccessKey
from imagecopy.ims.auth.signing import BareSigning, Signing, WallClock, now_in_utc
from imagecopy.ims.classify import Call
from imagecopy.ims.errors import Misconfigured
from imagecopy.ims.lenient import as_dict, as_list, as_str

_FALLBACK_LIFE_SECONDS: Final = 900.0
_NAMES: Final = (
    # IAM and the metadata service, CCE Pod Identity, and what a third spelling of the official SDK expects
    ("access", "secret", "securitytoken", "expires_at"),
    ("accessKeyId", "secretAccessKey", "securityToken", "expiration"),
    ("access_key_id", "secret_access_key", "security_token", "expiration"),
)


class KeySource(Protocol):
    """A way to get temporary keys."""

    async def __call__(self) -> Fresh[AccessKey]:
        """Get one.

        Raises:
            CredentialsInvalid: the login is refused.
            SurelyNotDone: it was not possible for another reason.
        """


class SignatureAuth(ImsAuth):
    """Signs each request. The project's id is looked up when only its name is known."""

    def __init__(self, signing: Signing, iam: Iam, project: ProjectRef, region: str | None, clock: Clock) -> None:
        """Prepare; nothing is sent before the first call."""
        self._signing = signing
        self._iam = iam
        self._project = project
        self._region = region
        self._session: Renewed[Session] = Renewed(self._find_project, Breaker(clock), clock)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._iam!r}, {self._project!r})"

    async def session(self) -> Session:
        """Return what is known about the project.

        Raises:
            CredentialsInvalid: the key is refused, or was refused and its pause is not over.
            Misconfigured: there is no such project.
            SurelyNotDone: the key or the project could not be obtained for another reason.
        """
        await self._signing.ready()
        return await self._session.get()

    def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Send ``request`` signed; see :meth:`Signing.flow`."""
        return self._signing.flow(request, self._project_id)

    async def _project_id(self) -> str:
        return (await self.session()).project_id

    async def _find_project(self) -> Fresh[Session]:
        if self._project.id:
            return Fresh(Session(project_id=self._project.id, project_name=self._project.name), None)
        name = name_of(self._project, self._region)
        where = project_advice(self._project, self._region)
        reply = await self._iam.ask(
            PROJECTS_PATH,
            call=Call.FIND_PROJECT,
            params={"name": name},
            auth=BareSigning(self._signing),
            advice=Advice(misconfigured=f"{where}, and the IAM endpoint", forbidden="set projectID in the provider"),
        )
        found = [project for project in _projects(reply.data) if project.project_name == name]
        if len(found) == 1:
            return Fresh(found[0], None)
        if not found:
            raise Misconfigured(f"there is no project {name!r} that this login may use; {where}")
        ids = ", ".join(project.project_id for project in found)
        raise Misconfigured(f"{len(found)} projects are named {name!r}: set projectID in the provider to one of {ids}")


def static_key_auth(
    credentials: AccessKeyCredentials,
    iam: Iam,
    *,
    region: str | None,
    breaker: Breaker | None = None,
    clock: Clock = time.monotonic,
    wall: WallClock = now_in_utc,
    turn_seconds: float = 10.0,
) -> SignatureAuth:
    """Return the authentication by a key that the user gives."""
    signing = static_signing(credentials, breaker or Breaker(clock), clock, wall, turn_seconds)
    return SignatureAuth(signing, iam, credentials.project, region, clock)


def static_signing(
    credentials: AccessKeyCredentials, breaker: Breaker, clock: Clock, wall: WallClock, turn_seconds: float
) -> Signing:
    """Sign with a key that the user gives."""

    async def given() -> Fresh[AccessKey]:
        return Fresh(credentials.access_key, None)

    advice = f"check {credentials.keys}"
    if credentials.security_token:
        advice = f"a temporary key ends: give a new securityToken, with the {credentials.keys} that belong to it"
    return Signing(
        Renewed(given, breaker, clock),
        breaker,
        renewable=False,
        advice=advice,
        turn_seconds=turn_seconds,
        wall=wall,
    )


def temporary_key_auth(
    source: KeySource,
    iam: Iam,
    project: ProjectRef,
    *,
    keys: str,
    region: str | None,
    breaker: Breaker,
    clock: Clock,
    wall: WallClock,
) -> SignatureAuth:
    """Return the authentication by temporary keys from ``source``, which are renewed."""
    advice = f"the login ({keys}) worked but its key did not: check that project, region and endpoints belong together"
    signing = Signing(Renewed(source, breaker, clock), breaker, renewable=True, advice=advice, wall=wall)
    return SignatureAuth(signing, iam, project, region, clock)


def fresh_key(data: object, headers: Mapping[str, str]) -> Fresh[AccessKey]:
    """Read temporary keys, in any of the spellings that the cloud has for them.

    Raises:
        ValueError: there are none. The message quotes nothing.
    """
    top = as_dict(data) or {}
    keys = as_dict(top.get("credential")) or as_dict(top.get("credentials")) or top
    for access_name, secret_name, token_name, end_name in _NAMES:
        access, secret, token = (as_str(keys.get(name)) for name in (access_name, secret_name, token_name))
        if access and secret and token and all(x.isascii() and x.isprintable() for x in (access, token)):
            life = life_seconds(
                keys.get("expires_at") or keys.get(end_name), headers, fallback_seconds=_FALLBACK_LIFE_SECONDS
            )
            return Fresh(AccessKey(access_key_id=access, secret_access_key=secret, security_token=token), life)
    raise ValueError("the reply has no temporary key")


def _projects(data: object) -> list[Session]:
    found = []
    for item in as_list((as_dict(data) or {}).get("projects")):
        project = as_dict(item) or {}
        if project_id := as_str(project.get("id")):
            found.append(Session(project_id=project_id, project_name=as_str(project.get("name"))))
    return found
