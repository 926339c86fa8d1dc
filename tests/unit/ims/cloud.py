"""A cloud of a few lines: answers the login, and whatever a test tells it to answer."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from imagecopy.ims import (
    Allowlist,
    CallRecord,
    ImsAuth,
    ImsClient,
    PasswordCredentials,
    PasswordTokenAuth,
    ProjectRef,
    Wire,
)

IAM = "https://iam.eu-de.otc.t-systems.com"
IMS = "https://ims.eu-de.otc.t-systems.com"
PROJECT = "ac234de25c6741d2b1273da49eea1b9e"
SOURCE = "465076de-dc36-4aec-80f5-ef9d8009428f"
JOB = "edc89b490d7d4392898e19b2deb34797"
PASSWORD = "correct-horse-battery"

Answer = httpx.Response | Exception
Handler = Callable[[httpx.Request], Answer | Awaitable[Answer]]


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def login_reply(token: str = "token-1", *, hours: float = 24, ims: str | None = IMS) -> httpx.Response:
    catalog = [{"type": "volume", "endpoints": [{"interface": "public", "region": "eu-de", "url": "https://evs"}]}]
    if ims is not None:
        endpoint = {"interface": "public", "region": "eu-de", "region_id": "eu-de", "url": ims}
        catalog.append({"type": "image", "endpoints": [endpoint]})
    body = {
        "token": {
            "issued_at": "2026-09-01T00:00:00.000000Z",
            "expires_at": f"2026-09-{1 + int(hours // 24):02}T{int(hours % 24):02}:00:00.000000Z",
            "project": {"id": PROJECT, "name": "eu-de"},
            "catalog": catalog,
        }
    }
    return httpx.Response(201, json=body, headers={"X-Subject-Token": token})


def img(code: str, message: str = "No.", status: int = 400) -> httpx.Response:
    return httpx.Response(status, json={"error": {"message": message, "code": code}})


def gateway(code: str, status: int, message: str = "No.") -> httpx.Response:
    return httpx.Response(status, json={"error_msg": message, "error_code": code, "request_id": "f" * 32})


def always(answer: Answer) -> Handler:
    return lambda _: answer


class Cloud:
    """Collects requests; answers logins with ``on_login`` and all else with ``on_call``."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.logins: list[httpx.Request] = []
        self.records: list[CallRecord] = []
        self.clock = Clock()
        self.on_login: Handler = lambda _: login_reply(f"token-{len(self.logins)}")
        self.on_call: Handler = lambda _: httpx.Response(200, json={})

    async def handle(self, request: httpx.Request) -> httpx.Response:
        is_login = request.url.path == "/v3/auth/tokens"
        copied = httpx.Request(request.method, request.url, headers=request.headers.raw, content=request.content)
        (self.logins if is_login else self.requests).append(copied)
        answer = (self.on_login if is_login else self.on_call)(request)
        if isinstance(answer, Awaitable):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def answer(self, *answers: Answer) -> None:
        """Answer calls with these, the last one for ever."""
        left = list(answers)
        self.on_call = lambda _: left.pop(0) if len(left) > 1 else left[0]

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def wire(self, **options: Any) -> Wire:
        usual = {"allowlist": Allowlist.default(), "transport": self.transport, "on_call": self.records.append}
        return Wire(**{**usual, **options})

    def auth(
        self,
        *,
        iam_endpoint: str = IAM,
        login: PasswordCredentials | None = None,
        region: str | None = None,
        **wire: Any,
    ) -> PasswordTokenAuth:
        return PasswordTokenAuth(
            iam_endpoint, login or credentials(), self.wire(**wire), region=region, clock=self.clock
        )

    def client(
        self,
        *,
        auth: ImsAuth | None = None,
        ims_endpoint: str | None = None,
        project_id: str | None = None,
        **wire: Any,
    ) -> ImsClient:
        return ImsClient(auth or self.auth(), self.wire(**wire), ims_endpoint=ims_endpoint, project_id=project_id)

    def body(self, index: int = -1) -> Any:
        return json.loads(self.requests[index].content)


def credentials(*, project_name: str | None = "eu-de", project_id: str | None = None) -> PasswordCredentials:
    return PasswordCredentials(
        username="operator",
        password=PASSWORD,
        domain_name="OTC-EU-DE-1",
        project=ProjectRef(id=project_id, name=project_name),
    )
