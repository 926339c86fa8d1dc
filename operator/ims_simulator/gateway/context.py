"""One request as its handler sees it. Handlers do not know the web server and never wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from multidict import MultiMapping
from pydantic import JsonValue

from ims_simulator.gateway.authentication import Caller
from ims_simulator.gateway.signature import RawRequest
from ims_simulator.parsing import JsonObject, parse_json
from ims_simulator.replies.errors import ImsError, KeystoneError
from ims_simulator.state.call_log import Call
from ims_simulator.state.cloud import Cloud


@dataclass
class Context:
    """A request, the cloud that it is sent to, and its caller."""

    cloud: Cloud
    now: float
    method: str
    path: str
    params: Mapping[str, str]
    query: MultiMapping[str]
    headers: Mapping[str, str]
    request: RawRequest
    """The request as it arrived, byte for byte; signatures are computed from it."""
    raw: bytes
    base_url: str
    call: Call
    authenticated: Caller | None = field(default=None)

    @property
    def caller(self) -> Caller:
        """The authenticated caller of an IMS call."""
        if self.authenticated is None:
            raise RuntimeError("this call is not authenticated")
        return self.authenticated

    @property
    def content_type(self) -> str:
        """Media type of the body, without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def new_text(self, word: str, length: int) -> str:
        """Make a token or a secret of `length` characters; the same call and word give the same text."""
        return self.cloud.ids.text(self.call.sequence, word, length)

    def json(self, *types: str) -> JsonValue:
        """The body as JSON. Its content type must be application/json or one of `types`.

        Raises: ImsError IMG.0007 (empty), IMG.0001 (malformed); KeystoneError 415.
        """
        if not self.raw.strip():
            raise ImsError("IMG.0007")
        allowed = ("application/json", *types)
        if self.cloud.knobs.content_type == "require" and self.content_type not in allowed:
            raise KeystoneError(415, f"Content-Type must be {' or '.join(allowed)}.")
        try:
            return parse_json(self.raw)
        except ValueError:
            raise ImsError("IMG.0001") from None

    def json_object(self) -> JsonObject:
        """The body as a JSON object. Raises: the errors of `json`."""
        value = self.json()
        if not isinstance(value, dict):
            raise ImsError("IMG.0001")
        return value
