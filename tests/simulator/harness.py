"""A client for a simulator in the same process, over real HTTP, and a clock that the test moves."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request

START = 1_750_000_000.25
COPY_SECONDS = 600
PATCH_TYPE = "application/openstack-images-v2.1-json-patch"


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Answer:
    """A reply; `body` parses it as JSON."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return jsonlib.loads(self.text)

    @property
    def code(self) -> tuple[int, str | int]:
        """Status and error code, in whichever of the shapes."""
        body = self.body
        return self.status, body["error_code"] if "error_code" in body else body["error"]["code"]


class Sim:
    """A client of the simulator, with a token of the first login."""

    def __init__(self, client: TestClient[Request, Application], clock: FakeClock) -> None:
        self.client = client
        self.clock = clock
        self.config: Any = {}
        self.token = ""

    async def start(self) -> None:
        self.config = (await self.control("GET", "/config")).body
        self.token = await self.login()

    async def call(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        data: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Answer:
        sent = {"X-Auth-Token": self.token if token is None else token, **(headers or {})}
        payload = jsonlib.dumps(json).encode() if json is not None else data
        if payload is not None:
            sent = {"Content-Type": "application/json", **sent}
        async with self.client.request(
            method, path, data=payload, headers={k: v for k, v in sent.items() if v}, params=params
        ) as response:
            return Answer(response.status, response.headers, await response.text())

    async def control(self, method: str, path: str, json: Any = None, **params: str) -> Answer:
        return await self.call(method, f"/_simulator{path}", json, params=params, token="")

    async def knobs(self, **changes: object) -> None:
        answer = await self.control("PATCH", "/knobs", changes)
        assert answer.status == 200, answer.text

    async def fault(self, **spec: object) -> str:
        answer = await self.control("POST", "/faults", spec)
        assert answer.status == 201, answer.text
        return str(answer.body["id"])

    async def authenticate(self, *, scope: Any = None, login: int = 0, query: str = "", **user: object) -> Answer:
        known = self.config["logins"][login]
        identity = {"name": known["user"], "password": known["password"], "domain": {"name": known["domain"]}, **user}
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": identity}}}
        auth["scope"] = scope if scope is not None else {"project": {"id": known["project_id"]}}
        return await self.call("POST", f"/v3/auth/tokens{query}", {"auth": auth}, token="")

    async def login(self, *, scope: Any = None, login: int = 0) -> str:
        answer = await self.authenticate(scope=scope, login=login)
        assert answer.status == 201, answer.text
        return answer.headers["X-Subject-Token"]

    @property
    def project_id(self) -> str:
        return str(self.config["project_id"])

    def source(self, kind: str = "plain") -> str:
        return next(str(image["id"]) for image in self.config["source_images"] if image["kind"] == kind)

    def key(self, name: str = "usable") -> str:
        return next(str(key["id"]) for key in self.config["kms_keys"] if key["name"] == name)

    async def copy(self, kind: str = "plain", /, *, api: str = "v1", **fields: object) -> Answer:
        body = {"name": "the-copy", **fields}
        return await self.call("POST", f"/{api}/cloudimages/{self.source(kind)}/copy", body)

    async def accepted(self, kind: str = "plain", /, **fields: Any) -> str:
        answer = await self.copy(kind, **fields)
        assert answer.status == 200, answer.text
        return str(answer.body["job_id"])

    async def job(self, job_id: str) -> Answer:
        return await self.call("GET", f"/v1/{self.project_id}/jobs/{job_id}")

    async def progress(self, job_id: str) -> Answer:
        return await self.call("GET", f"/v1/cloudimages/job/{job_id}")

    async def copied(self, kind: str = "plain", /, **fields: Any) -> str:
        """Id of a finished copy."""
        job_id = await self.accepted(kind, **fields)
        self.clock.move(COPY_SECONDS)
        return str((await self.job(job_id)).body["entities"]["image_id"])

    async def images(self, **filters: str) -> list[Any]:
        answer = await self.call("GET", "/v2/cloudimages", params=filters)
        assert answer.status == 200, answer.text
        return list(answer.body["images"])

    async def image(self, image_id: str) -> Any:
        answer = await self.call("GET", f"/v2/images/{image_id}")
        assert answer.status == 200, answer.text
        return answer.body

    async def patch(self, image_id: str, *operations: object) -> Answer:
        return await self.call("PATCH", f"/v2/cloudimages/{image_id}", list(operations))

    async def tag(self, image_id: str, action: str, **tags: str) -> Answer:
        body = {"action": action, "tags": [{"key": key, "value": value} for key, value in tags.items()]}
        return await self.call("POST", f"/v2/{self.project_id}/images/{image_id}/tags/action", body)

    async def delete(self, image_id: str) -> Answer:
        return await self.call("DELETE", f"/v2/images/{image_id}")

    async def calls(self, **filters: str) -> list[Any]:
        return list((await self.control("GET", "/calls", **filters)).body["calls"])
