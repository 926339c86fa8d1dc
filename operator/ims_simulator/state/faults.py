"""Faults that tests inject: failures of the next calls, or of the next copies.

A fault for a call (`reply`, `delay_seconds`, `cut`) is chosen when a request arrives. A fault for a job (`job`) is
chosen when a copy is accepted, so a refused copy does not use it up.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, Field, JsonValue, field_validator, model_validator

from ims_simulator.parsing import StrictModel
from ims_simulator.replies.codes import GATEWAY_CODE_OF_STATUS, GATEWAY_MESSAGES, SYSTEM_ERROR, SYSTEM_ERROR_MESSAGE
from ims_simulator.replies.errors import Reply, gateway_body, html_page, ims_body, keystone_body, title_of
from ims_simulator.settings.knobs import Knobs

Kind = Literal[
    "token",
    "temporary_key",
    "projects",
    "metadata",
    "pod_identity",
    "copy",
    "job",
    "list",
    "image",
    "tags",
    "quota",
    "delete",
    "patch",
    "other",
]


class Match(StrictModel):
    """The requests that a fault applies to; an absent field matches every request."""

    kind: Kind | list[Kind] | None = None
    method: str | None = None
    path: str | None = Field(None, description="regular expression to search for in the path")
    body: str | None = Field(None, description="regular expression to search for in the request body")

    @field_validator("path", "body")
    @classmethod
    def _is_regular_expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value

    def matches(self, kind: str, method: str, path: str, body: bytes) -> bool:
        """Whether the fault applies to a request."""
        kinds = [self.kind] if isinstance(self.kind, str) else self.kind
        return (
            (kinds is None or kind in kinds)
            and (self.method is None or self.method.upper() == method)
            and (self.path is None or re.search(self.path, path) is not None)
            and (self.body is None or re.search(self.body, body.decode("utf-8", "replace")) is not None)
        )


class FaultReply(StrictModel):
    """The reply that is sent instead of the real one."""

    status: int = Field(ge=200, le=599)
    shape: Literal["ims", "gateway", "keystone", "html", "empty", "json"] = "gateway"
    code: str | None = Field(None, description="IMG.xxxx (ims), or a gateway number such as 0308 (gateway)")
    message: str | None = None
    body: JsonValue = Field(None, description="the whole body, for shape json")
    headers: dict[str, str] = Field({})

    def render(self, request_id: str, knobs: Knobs) -> Reply:
        """Build the reply."""
        message = self.message or title_of(self.status)
        reply = Reply(self.status, headers=dict(self.headers))
        if self.shape == "ims":
            reply.body = ims_body(self.code or SYSTEM_ERROR, message)
        elif self.shape == "gateway":
            code = self.code or GATEWAY_CODE_OF_STATUS.get(self.status, "0601")
            text = self.message or GATEWAY_MESSAGES.get(code.rpartition(".")[2], message)
            full = code if "." in code else f"{knobs.gateway_prefix}.{code}"
            reply.body = gateway_body(full, text, request_id)
        elif self.shape == "keystone":
            reply.body = keystone_body(self.status, message)
        elif self.shape == "html":
            reply.text, reply.content_type = html_page(self.status, message), "text/html"
        elif self.shape == "json":
            reply.body = self.body
        return reply


class JobFault(StrictModel):
    """What happens to a copy that is accepted."""

    fail: bool = False
    error_code: str = SYSTEM_ERROR
    fail_reason: str = SYSTEM_ERROR_MESSAGE
    at: float = Field(0.5, ge=0, le=1, description="fraction of the copy's duration after which it fails or hangs")
    stuck: bool = Field(False, description="the job stays RUNNING and its percentage stops at `at`")
    zigzag: bool = Field(False, description="the percentage sometimes goes back")
    without_image_id: bool = Field(False, description="entities never have image_id")
    row_delay_seconds: float | None = Field(None, ge=0, description="how long the image can't be read or listed")
    forget: bool = Field(False, description="both job queries answer that the job does not exist")
    copy_seconds: float | None = Field(None, ge=0, description="duration of this copy")

    @model_validator(mode="after")
    def _one_end(self) -> JobFault:
        if self.fail and self.stuck:
            raise ValueError("give either fail or stuck, not both")
        return self


class FaultSpec(StrictModel):
    """One fault: the requests it applies to, how often, and what happens."""

    match: Match = Match()
    skip: int = Field(0, ge=0, description="number of matching requests that pass first")
    count: int | None = Field(1, ge=1, description="number of requests that the fault applies to; null: all")
    when: Literal["before", "after"] = Field(
        "before", description="before: the cloud does nothing; after: it handles the call, then the fault applies"
    )
    delay_seconds: float = Field(0, ge=0, le=3600)
    cut: bool | Literal["reply"] = Field(
        False, description='true: cut the connection instead of answering; "reply": in the middle of the reply\'s body'
    )
    reply: FaultReply | None = None
    job: JobFault | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> FaultSpec:
        if self.job is not None and self.match.kind not in (None, "copy", ["copy"]):
            raise ValueError("a fault with job applies to copies only: remove match.kind or set it to copy")
        if self.job is not None and (self.cut or self.reply is not None or self.delay_seconds):
            raise ValueError("job can't be combined with reply, cut or delay_seconds: use a fault of its own")
        if self.cut is True and self.reply is not None:
            raise ValueError('cut: true sends no reply: remove reply, or set cut to "reply" to send half of it')
        if self.cut == "reply" and self.reply is None and self.when == "before":
            raise ValueError('cut: "reply" needs a reply to cut: set reply, or set when to after')
        if self.job is None and not self.cut and self.reply is None and not self.delay_seconds:
            raise ValueError("a fault needs at least one of reply, cut, delay_seconds, job")
        return self


class Fault(BaseModel):
    """An active fault, with counts of the requests that it matched and struck."""

    id: str
    spec: FaultSpec
    matched: int = 0
    struck: int = 0

    def applies(self, kind: str, method: str, path: str, body: bytes) -> bool:
        """Whether the fault applies to this request; counts the request."""
        if self.spec.count is not None and self.struck >= self.spec.count:
            return False
        if not self.spec.match.matches(kind, method, path, body):
            return False
        self.matched += 1
        if self.matched <= self.spec.skip:
            return False
        self.struck += 1
        return True


class Faults:
    """All faults in the order in which they were added; the first one that applies is used."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._made = 0

    def add(self, spec: FaultSpec) -> Fault:
        """Add a fault."""
        self._made += 1
        fault = Fault(id=f"fault-{self._made}", spec=spec)
        self._faults[fault.id] = fault
        return fault

    def all(self) -> list[Fault]:
        """All faults, used up or not."""
        return list(self._faults.values())

    def remove(self, fault_id: str | None = None) -> int:
        """Remove one fault, or all, and return how many."""
        if fault_id is not None:
            return int(self._faults.pop(fault_id, None) is not None)
        count = len(self._faults)
        self._faults.clear()
        return count

    def for_call(self, kind: str, method: str, path: str, body: bytes) -> Fault | None:
        """The fault that applies to a request that has just arrived."""
        return next((f for f in self._faults.values() if not f.spec.job and f.applies(kind, method, path, body)), None)

    def for_copy(self, path: str, body: bytes) -> tuple[Fault, JobFault] | None:
        """The fault that applies to a copy that has just been accepted."""
        for fault in self._faults.values():
            if fault.spec.job is not None and fault.applies("copy", "POST", path, body):
                return fault, fault.spec.job
        return None
