"""Recordings of HTTP traffic as text that people can compare.

Tokens, passwords and signatures are replaced, because they do not belong in a repository. Request ids are replaced as
well, because one more call would change all of them. Headers of every request stand once at the head of the log. A
reply that equals the previous one to the same request is only mentioned.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx

WIDTH = 110

_DERIVED = frozenset({"host", "content-length", "connection"})
"""Request headers whose content is in the log already."""
_SHOWN = ("x-request-id", "x-iam-trace-id", "x-subject-token", "retry-after")
"""Reply headers that a client of the cloud may use."""
_REPLACED = {
    "x-auth-token": "<token>",
    "x-subject-token": "<token>",
    "x-security-token": "<token>",
    "authorization": "<signature>",
    "x-request-id": "<request id>",
    "x-iam-trace-id": "<request id>",
}
_SECRET_KEYS = frozenset({"password"})


class Recording:
    """The recording of one scenario."""

    def __init__(self, title: str, seconds: Callable[[], float]) -> None:
        self._title = title
        self._seconds = seconds
        self._common: dict[str, str] = {}
        self._blocks: list[str] = []
        self._replies: dict[tuple[str, str], tuple[str, list[str]]] = {}
        self.calls = 0

    def note(self, text: str) -> None:
        """Add an event that is not a call."""
        self._blocks.append(f"{self._at()}  -- {text}")

    def call(self, request: httpx.Request, body: bytes, response: httpx.Response | None, reply: bytes) -> None:
        """Add a request and its response, or None if the connection was cut."""
        self.calls += 1
        lines = [f"{self._at()}  {request.method} {request.url}", *self._request_headers(request.headers)]
        lines += _body(body)
        if response is None:
            lines.append("< no reply, the connection was cut")
        else:
            lines.append(f"< {response.status_code}")
            lines += [f"< {name}: {value}" for name, value in _headers(response.headers, _SHOWN)]
            kind = response.headers.get("content-type", "")
            if reply and kind != "application/json":
                lines.append(f"< content-type: {kind}")
            lines += self._reply(request, _body(reply, response.headers.get("x-request-id")))
        self._blocks.append("\n".join(lines))

    def _reply(self, request: httpx.Request, lines: list[str]) -> list[str]:
        key = (request.method, str(request.url))
        at, before = self._replies.get(key, ("", []))
        if len(lines) > 1 and lines == before:
            return [f"  the same as at {at}"]
        self._replies[key] = (self._at(), lines)
        return lines

    def text(self) -> str:
        """Return the whole log."""
        head = [self._title, "", "Headers of every request, unless stated otherwise:"]
        head += [f"> {name}: {value}" for name, value in self._common.items()]
        return "\n".join(head) + "\n\n" + "\n\n".join(self._blocks) + "\n"

    def _at(self) -> str:
        return f"[{self._seconds():.1f} s]"

    def _request_headers(self, headers: httpx.Headers) -> Iterator[str]:
        names = [name for name in headers if name not in _DERIVED]
        if not self._common:
            self._common = dict(_headers(headers, [name for name in names if not name.startswith(("content-", "x-"))]))
        for name, value in _headers(headers, names):
            if self._common.get(name) != value:
                yield f"> {name}: {value}"
        yield from (f"> {name} is not sent" for name in self._common if name not in headers)


def _headers(headers: Mapping[str, str], names: list[str] | tuple[str, ...]) -> Iterator[tuple[str, str]]:
    return ((name, _REPLACED.get(name, headers[name])) for name in names if name in headers)


def _body(raw: bytes, request_id: str | None = None) -> list[str]:
    if not raw:
        return []
    if request_id:
        raw = raw.replace(request_id.encode(), b"<request id>")
    try:
        return [f"  {line}" for line in fold(_hidden(json.loads(raw)))]
    except ValueError:
        return [f"  {line}" for line in raw.decode("utf-8", "replace").splitlines()]


def _hidden(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: f"<{key}>" if key in _SECRET_KEYS and isinstance(part, str) else _hidden(part)
            for key, part in value.items()
        }
    return [_hidden(part) for part in value] if isinstance(value, list) else value


def fold(value: object, indent: str = "") -> list[str]:
    """Return JSON in few lines, with as many members in each line as fit."""
    whole = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(whole) <= WIDTH or not isinstance(value, dict | list):
        return [indent + whole]
    members: list[tuple[str, object]] = (
        [(f"{json.dumps(key, ensure_ascii=False)}: ", part) for key, part in value.items()]
        if isinstance(value, dict)
        else [("", part) for part in value]
    )
    lines: list[str] = []
    inside, packing = indent + "  ", False
    for number, (key, part) in enumerate(members):
        comma = "," if number < len(members) - 1 else ""
        first, *rest = fold(part, inside)
        first = key + first.removeprefix(inside)
        if packing and not rest and len(lines[-1]) + len(first) + 2 <= WIDTH:
            lines[-1] += f" {first}{comma}"
        else:
            lines += [inside + first, *rest]
            lines[-1] += comma
        packing = not rest
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return [indent + opening, *lines, indent + closing]


class RecordingTransport(httpx.AsyncBaseTransport):
    """Sends requests for the cloud's host names to the simulator, and records each exchange."""

    def __init__(self, record: Recording, host: str, port: int) -> None:
        self._record = record
        self._host, self._port = host, port
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        url = request.url.copy_with(scheme="http", host=self._host, port=self._port)
        sent = httpx.Request(
            request.method, url, headers=request.headers.raw, content=body, extensions=request.extensions
        )
        try:
            response = await self._inner.handle_async_request(sent)
            reply = await response.aread()
        except httpx.TransportError:
            self._record.call(request, body, None, b"")
            raise
        self._record.call(request, body, response, reply)
        return httpx.Response(response.status_code, headers=response.headers.raw, content=reply)

    async def aclose(self) -> None:
        """Do nothing: each client closes its transport, but all clients share this one."""

    async def close(self) -> None:
        await self._inner.aclose()


def path_of(name: str) -> Path:
    """Return the file of a scenario's log."""
    return Path(__file__).with_name(f"{name}.txt")
