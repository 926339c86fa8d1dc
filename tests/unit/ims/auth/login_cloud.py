"""A small fake cloud with all authentication methods. It checks signatures with the official SDK."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from imagecopy.ims import (
    AccessKeyCredentials,
    AgencyCredentials,
    Allowlist,
    Breakers,
    CallRecord,
    Credentials,
    IdentityProviderCredentials,
    ImsAuth,
    ImsClient,
    ImsError,
    NodeAgencyCredentials,
    PasswordCredentials,
    PodIdentityCredentials,
    ProjectRef,
    Wire,
    auth_for,
)
from imagecopy.ims.auth.signer import AccessKey
from unit.ims.auth import official
from unit.ims.cloud import IAM, IMS, PASSWORD, PROJECT, Clock

METADATA = "http://169.254.169.254"
POD_IDENTITY = "http://127.0.0.1:4321/v1/credentials"
T0 = datetime(2026, 9, 1, tzinfo=UTC)
SECRET_KEY = "permanent-secret-key-never-to-be-seen"
SERVICE_TOKEN = "eyJ-service-account-token-never-to-be-seen"
FINE = httpx.Response(200, json={"id": "i"})

NAMED = ProjectRef(name="eu-de")
BY_PASSWORD = PasswordCredentials(username="bot", password=PASSWORD, domain_name="OTC-1", project=NAMED)
BY_KEY = AccessKeyCredentials(access_key_id="AKPERMANENT", secret_access_key=SECRET_KEY, project=NAMED)
BY_NODE = NodeAgencyCredentials(metadata_endpoint=METADATA, project=NAMED)
BY_POD = PodIdentityCredentials(project=NAMED)


def agency_of(base: PasswordCredentials | AccessKeyCredentials) -> AgencyCredentials:
    return AgencyCredentials(base=base, agency_name="copier", agency_domain_name="OTC-2", project=NAMED)


def oidc_of(file: Path) -> IdentityProviderCredentials:
    return IdentityProviderCredentials(identity_provider_id="cce-prod", token_file=str(file), project=NAMED)


def rewrite(file: Path, content: str | bytes | None) -> None:
    """Replace the content of a file, or remove the file."""
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())


TOKENS, KEYS, ID_TOKENS, PROJECTS = (
    "/v3/auth/tokens",
    "/v3.0/OS-CREDENTIAL/securitytokens",
    "/v3.0/OS-AUTH/id-token/tokens",
    "/v3/projects",
)
METADATA_TOKEN, METADATA_KEY = "/meta-data/latest/api/token", "/openstack/latest/securitykey"

Answer = httpx.Response | Exception
Handler = Callable[[httpx.Request], Answer | Awaitable[Answer]]


def refused(message: str = "No.", code: str = "APIGW.0301", **headers: str) -> httpx.Response:
    return httpx.Response(401, json={"error_msg": message, "error_code": code}, headers=headers)


class LoginCloud:
    """Answers by path: with the handler that a test put into `answers`, else as the real cloud does.

    A login is valid for `life`. The cloud accepts the tokens and keys in `tokens` and `keys`; a test may remove some.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.wall_off = timedelta()
        self.life = timedelta(hours=24)
        self.requests: list[httpx.Request] = []
        self.records: list[CallRecord] = []
        self.answers: dict[str, Handler] = {}
        self.tokens: set[str] = set()
        self.keys = {"AKPERMANENT": AccessKey(access_key_id="AKPERMANENT", secret_access_key=SECRET_KEY)}
        self.projects: list[dict[str, str]] = [{"id": PROJECT, "name": "eu-de"}]
        self.breakers = Breakers()
        self.given = 0
        self.under_way = 0
        self.most_under_way = 0

    # The operator's side

    def wall(self) -> datetime:
        """The operator's clock, which may be wrong."""
        return self.now + self.wall_off

    def wire(self, **options: Any) -> Wire:
        usual = {"allowlist": Allowlist.default(), "on_call": self.records.append}
        return Wire(**{**usual, "transport": httpx.MockTransport(self.handle), **options})

    def auth(self, credentials: Credentials, *, region: str | None = "eu-de", **wire: Any) -> ImsAuth:
        return auth_for(
            credentials,
            IAM,
            self.wire(**wire),
            region=region,
            breakers=self.breakers,
            clock=self.clock,
            wall=self.wall,
        )

    def client(self, auth: ImsAuth | Credentials, *, ims_endpoint: str | None = IMS, **wire: Any) -> ImsClient:
        auth = auth if isinstance(auth, ImsAuth) else self.auth(auth)
        return ImsClient(auth, self.wire(**wire), ims_endpoint=ims_endpoint)

    async def failure(self, credentials: Credentials, kind: type[ImsError], words: str) -> ImsError:
        """Return the error that a call with these credentials ends with; its type and message must be these."""
        async with self.client(credentials) as client:
            with pytest.raises(kind, match=words) as caught:
                await client.get_image("i")
        assert type(caught.value) is kind
        return caught.value

    # The cloud's side

    @property
    def now(self) -> datetime:
        return T0 + timedelta(seconds=self.clock.now)

    @property
    def date(self) -> str:
        return f"{self.now:%a, %d %b %Y %H:%M:%S} GMT"

    def paths(self) -> list[str]:
        return [request.url.path for request in self.requests]

    def to(self, path: str) -> list[httpx.Request]:
        """Return the requests to a path, or with `ims` all requests but those of a login."""
        logins = (TOKENS, KEYS, ID_TOKENS, PROJECTS, METADATA_TOKEN, METADATA_KEY, "/v1/credentials")
        return [r for r in self.requests if r.url.path == path or (path == "ims" and r.url.path not in logins)]

    async def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(
            httpx.Request(request.method, request.url, headers=request.headers.raw, content=request.content)
        )
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            answer = self.answers.get(request.url.path, self.usual_answer)(request)
            if isinstance(answer, Awaitable):
                answer = await answer
        finally:
            self.under_way -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    def usual_answer(self, request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/v3/auth/tokens" | "/v3.0/OS-AUTH/id-token/tokens":
                return self.give_token(request)
            case "/v3.0/OS-CREDENTIAL/securitytokens":
                return self.check(request) or httpx.Response(
                    201, json={"credential": self.make_key()}, headers={"Date": self.date}
                )
            case "/meta-data/latest/api/token":
                return httpx.Response(200, text="metadata-token")
            case "/openstack/latest/securitykey":
                return httpx.Response(200, json={"credential": self.make_key()}, headers={"Date": self.date})
            case "/v1/credentials":
                key = self.make_key()
                names = {
                    "accessKeyId": key["access"],
                    "secretAccessKey": key["secret"],
                    "securityToken": key["securitytoken"],
                    "expiration": key["expires_at"],
                }
                return httpx.Response(200, json={"credentials": names}, headers={"Date": self.date})
            case "/v3/projects":
                name = request.url.params["name"]
                found = [project for project in self.projects if project["name"] == name]
                return self.check(request) or httpx.Response(200, json={"projects": found})
            case _:
                return self.check(request) or httpx.Response(200, json={"id": "i", "images": [], "job_id": "j" * 32})

    def give_token(self, request: httpx.Request) -> httpx.Response:
        self.given += 1
        token = f"token-{self.given}-never-to-be-seen"
        self.tokens.add(token)
        scope = json.loads(request.content)["auth"]["scope"]
        body: dict[str, Any] = {
            "issued_at": self.now.isoformat(),
            "expires_at": (self.now + self.life).isoformat(),
        }
        if "project" in scope:
            body["project"] = {"id": PROJECT, "name": "eu-de"}
        return httpx.Response(201, json={"token": body}, headers={"X-Subject-Token": token})

    def make_key(self) -> dict[str, str]:
        self.given += 1
        key = AccessKey(
            access_key_id=f"AKTEMPORARY{self.given}",
            secret_access_key=f"temporary-secret-{self.given}-never-to-be-seen",
            security_token=f"security-token-{self.given}-never-to-be-seen",
        )
        self.keys[key.access_key_id] = key
        return {
            "access": key.access_key_id,
            "secret": key.secret_access_key,
            "securitytoken": key.security_token or "",
            "expires_at": (self.now + self.life).isoformat().replace("+00:00", "Z"),
        }

    def check(self, request: httpx.Request) -> httpx.Response | None:
        """Return a refusal, or None if the request is authenticated."""
        if token := request.headers.get("x-auth-token"):
            return None if token in self.tokens else refused("The token must be updated.", "APIGW.0307")
        got = request.headers.get("authorization", "")
        key = self.keys.get(got.partition("Access=")[2].partition(",")[0])
        if key is None:
            return refused("ak not exist", Date=self.date)
        head = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        received = official.Received.parse(head.encode(), request.content)
        if received.headers.get("x-security-token") != key.security_token:
            return refused("security token wrong", Date=self.date)
        if got != received.expected(key).authorization:
            return refused("verify aksk signature fail", Date=self.date)
        signed_at = datetime.strptime(request.headers["x-sdk-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs((signed_at - self.now).total_seconds()) > 900:
            return refused("the time is too far off", Date=self.date)
        return None

    def slowly(self, path: str, answer: Answer | None = None) -> None:
        """Take a moment for each request to ``path``."""

        async def slow(request: httpx.Request) -> Answer:
            await asyncio.sleep(0.001)
            return answer or self.usual_answer(request)

        self.answers[path] = slow
