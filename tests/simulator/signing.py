"""Sends requests to a simulator exactly as the official SDK has signed them."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

from yarl import URL

from simulator import sdk
from simulator.harness import Answer, Sim

LOCKED = "AK access failed to reach the limit,forbidden"


def date_of(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")


async def send(
    sim: Sim,
    login: Any,
    method: str = "GET",
    path: str = "/v1/cloudimages/quota",
    *,
    query: list[tuple[str, str]] | None = None,
    body: bytes = b"",
    date: str | None = None,
    changed: dict[str, str] | None = None,
) -> Answer:
    """Sign a request with the official SDK and send it; `changed` headers are set after signing."""
    url = str(sim.client.make_url("")).rstrip("/")
    headers = {"X-Sdk-Date": date or date_of(sim.clock())}
    if body:
        headers["Content-Type"] = "application/json"
    target, headers = sdk.signed(login, url, method, path, query=query, headers=headers, body=body)
    headers = {**headers, **(changed or {})}
    sent = URL(url + target, encoded=True)
    async with sim.client.session.request(
        method, sent, data=io.BytesIO(body) if body else None, headers=headers
    ) as response:
        return Answer(response.status, response.headers, await response.text())


def key_of(sim: Sim, login: int = 0) -> Any:
    known = sim.config["logins"][login]
    return sdk.credentials(known["access_key"], known["secret_key"], sim.project_id)
