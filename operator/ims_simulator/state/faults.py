"""Faults to order: what goes wrong with the next calls, or with the next copies.

A fault of a call (`reply`, `delay_seconds`, `cut`) is chosen when a request arrives; a fault of a job (`job`) is
chosen when a copy is accepted, so a copy that is refused does not use it up.
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
    """Which requests a fault is for; what is absent matches all."""

    kind: Kind | list[Kind] | None = None
    method: str | None = None
    path: str | None = Field(None, description="regular expression, searched in the path")
    body: str | None = Field(None, description="regular expression, searched in the request body")

    @field_validator("path", "body")
    @classmethod
    def _is_regular_expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        return value

    def fits(self, kind: str, method: str, path: str, body: bytes) -> bool:
        """Whether a request is meant."""
        kinds = [self.kind] if isinstance(self.kind, str) else self.kind
        return (
            (kinds is None or kind in kinds)
            and (self.method is None or self.method.upper() == method)
            and (self.path is None or re.search(self.path, path) is not None)
            and (self.body is None or re.search(self.body, body.decode("utf-8", "replace")) is not None)
        )


class FaultReply(StrictModel):
    """The answer that is given instead of the real one."""

    status: int = Field(ge=200, le=599)
    shape: Literal["ims", "gateway", "keystone", "html", "empty", "json"] = "gateway"
    code: str | None = Field(None, description="IMG.xxxx (ims), or a gateway number such as 0308 (gateway)")
    message: str | None = None
    body: JsonValue = Field(None, description="the whole body, for shape json")
    headers: dict[str, str] = Field({})

    def render(self, request_id: str, knobs: Knobs) -> Reply:
        """The reply itself."""
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
    """What becomes of a copy that is accepted."""

    fail: bool = False
    error_code: str = SYSTEM_ERROR
    fail_reason: str = SYSTEM_ERROR_MESSAGE
    at: float = Field(0.5, ge=0, le=1, description="part of the copy time after which it fails or gets stuck")
    stuck: bool = Field(False, description="RUNNING for ever, the percentage stops at `at`")
    zigzag: bool = Field(False, description="the percentage goes back now and then")
    without_image_id: bool = Field(False, description="entities never tell image_id")
    row_delay_seconds: float | None = Field(None, ge=0, description="the image is missing from reads so long")
    forget: bool = Field(False, description="the job is unknown to both job queries")
    copy_seconds: float | None = Field(None, ge=0, description="this copy takes so long")

    @model_validator(mode="after")
    def _one_end(self) -> JobFault:
        if self.fail and self.stuck:
            raise ValueError("fail and stuck exclude each other")
        return self


class FaultSpec(StrictModel):
    """One fault: for which requests, how often, and what happens."""

    match: Match = Match()
    skip: int = Field(0, ge=0, description="let so many matching requests pass first")
    count: int | None = Field(1, ge=1, description="how many requests it strikes; null: all")
    when: Literal["before", "after"] = Field("before", description="whether the call is carried out first")
    delay_seconds: float = Field(0, ge=0, le=3600)
    cut: bool | Literal["reply"] = Field(
        False, description='cut the connection instead of answering; "reply": in the middle of the reply\'s body'
    )
    reply: FaultReply | None = None
    job: JobFault | None = None

    @model_validator(mode="after")
    def _does_one_thing(self) -> FaultSpec:
        if self.job is not None and self.match.kind not in (None, "copy", ["copy"]):
            raise ValueError("a fault with job strikes copies: leave match.kind out, or say copy")
        if self.job is not None and (self.cut or self.reply is not None or self.delay_seconds):
            raise ValueError("job goes into a fault of its own, without reply, cut or delay_seconds")
        if self.cut is True and self.reply is not None:
            raise ValueError('cut and reply exclude each other; cut: "reply" sends half of it')
        if self.cut == "reply" and self.reply is None and self.when == "before":
            raise ValueError('cut: "reply" needs a reply to cut: give one, or when: after')
        if self.job is None and not self.cut and self.reply is None and not self.delay_seconds:
            raise ValueError("a fault needs one of reply, cut, delay_seconds, job")
        return self


class Fault(BaseModel):
    """A fault in force and what it has done so far."""

    id: str
    spec: FaultSpec
    matched: int = 0
    struck: int = 0

    def strikes(self, kind: str, method: str, path: str, body: bytes) -> bool:
        """Whether this request is struck; counts it."""
        if self.spec.count is not None and self.struck >= self.spec.count:
            return False
        if not self.spec.match.fits(kind, method, path, body):
            return False
        self.matched += 1
        if self.matched <= self.spec.skip:
            return False
        self.struck += 1
        return True


class Faults:
    """Faults in force, in the order of their making; the first that strikes is used."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self._made = 0

    def add(self, spec: FaultSpec) -> Fault:
        """Put a fault in force."""
        self._made += 1
        fault = Fault(id=f"fault-{self._made}", spec=spec)
        self._faults[fault.id] = fault
        return fault

    def all(self) -> list[Fault]:
        """All faults, used up or not."""
        return list(self._faults.values())

    def remove(self, fault_id: str | None = None) -> int:
        """Remove one fault, or all. Returns how many."""
        if fault_id is not None:
            return int(self._faults.pop(fault_id, None) is not None)
        count = len(self._faults)
        self._faults.clear()
        return count

    def of_call(self, kind: str, method: str, path: str, body: bytes) -> Fault | None:
        """The fault that strikes a request that has just arrived."""
        return next((f for f in self._faults.values() if not f.spec.job and f.strikes(kind, method, path, body)), None)

    def of_job(self, path: str, body: bytes) -> tuple[Fault, JobFault] | None:
        """The fault that strikes a copy that has just been accepted."""
        for fault in self._faults.values():
            if fault.spec.job is not None and fault.strikes("copy", "POST", path, body):
                return fault, fault.spec.job
        return None
