"""Every request that the simulated cloud got, for tests that ask what a client really did.

A call is known from its arrival, with status null until it is answered: a client that was killed, or a connection
that was cut, leaves its call behind all the same. Calls that may change something are in the state file before they
are carried out.
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
"""Objects whose `id` is a secret: the token itself."""

Way = Literal["password", "assume_role", "mapped", "access_key", "temporary_key"]
"""How a caller proved who it is: a token got by one of the first three methods, or a signature."""


class Call(BaseModel):
    """One request; `status` is null while it is not answered, and 0 when the connection was cut."""

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
    way: Way | None = None
    access_key: str | None = None
    agency: str | None = None
    reason: str | None = None
    """Why somebody was not believed, where the reply does not tell it."""
    job_id: str | None = None
    image_id: str | None = None
    error_code: str | None = None
    fault: str | None = None


class CallLog:
    """The calls, oldest first; the oldest are dropped beyond `kept`."""

    def __init__(self, journal: Journal, kept: int) -> None:
        self._journal = journal
        self._calls: deque[Call] = deque(maxlen=kept)
        self._loaded: dict[int, Call] = {}
        self.last_sequence = 0
        self.last_time = 0.0
        """When the last call of the state file came."""

    def begin(self, call: Call) -> None:
        """A request has arrived."""
        self.last_sequence = call.sequence
        self._calls.append(call)
        if call.method != "GET":
            self._write(call)

    def finish(self, call: Call, status: int) -> None:
        """A request is about to be answered."""
        call.status = status
        self._write(call)

    def _write(self, call: Call) -> None:
        if self._journal.open:
            self._journal.append(line_of("call", call.model_dump_json()))

    def find(self, kind: str | None, since: int) -> list[Call]:
        """Calls after sequence number `since`, of one kind if given."""
        found = [
            call
            for call in itertools.takewhile(lambda call: call.sequence > since, reversed(self._calls))
            if kind in (None, call.kind)
        ]
        return found[::-1]

    def clear(self) -> int:
        """Forget all calls; the count goes on. Returns how many there were."""
        count = len(self._calls)
        self._calls.clear()
        if self._journal.open:
            self._journal.append(line_of("calls_cleared", str(self.last_sequence)))
        return count

    def load(self, table: str, value: JsonValue) -> bool:
        """Take a line of the state file; False if it is none of ours."""
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
        """The log as lines of the state file; called once, after the last load."""
        self._calls.extend(self._loaded.values())
        self._loaded.clear()
        yield line_of("calls_cleared", str(self.last_sequence))
        for call in self._calls:
            yield line_of("call", call.model_dump_json())


def shown_body(raw: bytes) -> JsonValue:
    """A request body for the log: JSON as it is but for secrets, anything else as text."""
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
