"""The call log: every request that clients sent to the simulated cloud, for tests that check what a client really did.

A call is in the log from its arrival. Its status is null until it is answered, so the log also has the calls of clients
that were killed and of connections that were cut. A call that may change something is written to the state file before
it is handled.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, JsonValue, ValidationError

from ims_simulator.parsing import parse_json
from ims_simulator.state.journal import Journal, line_of

BODY_SHOWN = 4096
SECRET_KEYS = frozenset({"password", "secret", "securitytoken", "security_token"})
TOKEN_KEYS = frozenset({"token", "id_token"})
"""Keys of objects whose `id` is a token, and so a secret."""

AuthMethod = Literal["password", "assume_role", "mapped", "access_key", "temporary_key"]
"""How a caller authenticated: with a token, by the method that issued it, or with a signature by a kind of key."""


class Call(BaseModel):
    """One request; `status` is null until it is answered, and 0 if the connection was cut."""

    sequence: int
    time: float
    method: str
    path: str
    query: str
    kind: str
    status: int | None = None
    request_id: str
    body: JsonValue = None
    user: str | None = None
    way: AuthMethod | None = None
    access_key: str | None = None
    agency: str | None = None
    reason: str | None = None
    """Why the caller was refused, for replies that do not say it."""
    job_id: str | None = None
    image_id: str | None = None
    error_code: str | None = None
    fault: str | None = None


class CallLog:
    """The newest `kept` calls, oldest first."""

    def __init__(self, journal: Journal, kept: int) -> None:
        self._journal = journal
        self._calls: deque[Call] = deque(maxlen=kept)
        self._loaded: dict[int, Call] = {}
        self.last_sequence = 0
        self.last_time = 0.0
        """Time of the last call in the state file."""

    def begin(self, call: Call) -> None:
        """Add a request that has arrived."""
        self.last_sequence = call.sequence
        self._calls.append(call)
        if call.method != "GET":
            self._write(call)

    def finish(self, call: Call, status: int) -> None:
        """Record the status of a call, just before it is answered."""
        call.status = status
        self._write(call)

    def _write(self, call: Call) -> None:
        if self._journal.open:
            self._journal.append(line_of("call", call.model_dump_json()))

    def find(self, kind: str | None, since: int) -> list[Call]:
        """The calls after sequence number `since`; with `kind`, only those of this kind."""
        found = [
            call
            for call in itertools.takewhile(lambda call: call.sequence > since, reversed(self._calls))
            if kind in (None, call.kind)
        ]
        return found[::-1]

    def clear(self) -> int:
        """Remove all calls and return their number; sequence numbers continue."""
        count = len(self._calls)
        self._calls.clear()
        if self._journal.open:
            self._journal.append(line_of("calls_cleared", str(self.last_sequence)))
        return count

    def load(self, table: str, value: JsonValue) -> bool:
        """Restore one line of the state file; False if it does not belong to the call log."""
        if table == "calls_cleared" and isinstance(value, int):
            self._loaded.clear()
            self.last_sequence = max(self.last_sequence, value)
            return True
        if table != "call":
            return False
        try:
            call = Call.model_validate(value)
        except ValidationError:
            return False
        self._loaded[call.sequence] = call
        self.last_sequence = max(self.last_sequence, call.sequence)
        self.last_time = max(self.last_time, call.time)
        return True

    def snapshot(self) -> Iterator[str]:
        """The log as lines of the state file. Called once, after the last `load`."""
        self._calls.extend(self._loaded.values())
        self._loaded.clear()
        yield line_of("calls_cleared", str(self.last_sequence))
        for call in self._calls:
            yield line_of("call", call.model_dump_json())


def shown_body(raw: bytes) -> JsonValue:
    """A request body for the log: JSON with its secrets masked, anything else as text."""
    if not raw:
        return None
    try:
        return _redacted(parse_json(raw))
    except ValueError:
        return raw[:BODY_SHOWN].decode("utf-8", "replace")


def _redacted(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {
            key: "***" if key.lower() in SECRET_KEYS and not isinstance(item, dict) else _redacted(_hidden(key, item))
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    return value


def _hidden(key: str, value: JsonValue) -> JsonValue:
    if key in TOKEN_KEYS and isinstance(value, dict) and "id" in value:
        return {**value, "id": "***"}
    return value
