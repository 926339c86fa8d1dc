"""The simulator's knobs: what public documentation leaves open, and the limits a test may want to move.

A knob is set by `--knob NAME=VALUE`, by the environment (IMS_SIMULATOR_KNOB_<NAME>) or, while running, by
`PATCH /_simulator/knobs`. Knobs belong to the process, not to the cloud: a state file does not keep them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Literal, get_args, get_origin

from pydantic import Field, JsonValue, ValidationError, ValidationInfo, field_validator

from ims_simulator.parsing import StrictModel, problems_of

ENVIRONMENT_PREFIX = "IMS_SIMULATOR_KNOB_"
IMS_CODE = r"IMG\.\d{4}"
STATES = ("INIT", "RUNNING", "SUCCESS", "FAIL")

ImsCode = Annotated[str, Field(pattern=f"^{IMS_CODE}$")]


class Knobs(StrictModel):
    """Every knob with its default; the descriptions are the help text."""

    copy_seconds: float = Field(10.0, ge=0, description="how long a copy takes; jobs keep what they started with")
    init_seconds: float = Field(1.0, ge=0, description="how long a job stays INIT, at most a tenth of the copy")
    max_concurrent: int = Field(5, ge=0, description="copies of a project at a time; one more is IMG.0060")
    concurrent_code: ImsCode = Field("IMG.0060", description="code for one copy too many at a time")
    quota: int = Field(50, ge=0, description="private images of a project; one more is IMG.0015")
    quota_counts: Literal["accept", "done"] = Field("accept", description="when a copy counts against the quota")
    size_limit: Literal["refuse", "job", "off"] = Field(
        "refuse", description="a source over 128 GiB: refused at once, its job fails, or no limit"
    )
    size_limit_code: ImsCode = Field("IMG.0059", description="code for a source over 128 GiB")
    size_attribute: Literal["__image_size", "min_disk"] = Field(
        "__image_size", description="attribute that the limit of 128 GiB is for"
    )
    late_refusals: str = Field(
        "", description="codes, with commas between, that come as a failed job instead of a refusal; or all"
    )
    unknown_image_status: Literal[400, 404] = Field(400, description="status for a source that does not exist")
    unknown_image_code: ImsCode = Field("IMG.0144", description="code for a source that does not exist")
    unknown_job_status: Literal[400, 404] = Field(400, description="status for a job that does not exist")
    unknown_job_code: ImsCode = Field("IMG.0023", description="code for a job that does not exist")
    job_retention_seconds: float = Field(0, ge=0, description="forget a job so long after its end; 0: never")
    show_job_endpoint: bool = Field(True, description="GET /v1/{project_id}/jobs/{job_id} exists")
    progress_endpoint: bool = Field(True, description="GET /v1/cloudimages/job/{job_id} exists")
    copy_v21: bool = Field(True, description="POST /v2.1/cloudimages/{image_id}/copy exists")
    show_job_percent: bool = Field(True, description="ShowJob tells process_percent and current_task")
    init_entities: Literal["none", "empty", "absent", "full"] = Field(
        "empty", description="entities of an INIT job: null, {}, no such key, or as when RUNNING"
    )
    status_case: Literal["upper", "lower"] = Field("upper", description="lower: success/failed, as older prose")
    status_words: str = Field(
        "", description="other words for states of a job: RUNNING=PROCESSING,SUCCESS=FINISHED; before status_case"
    )
    job_times: Literal["iso", "legacy"] = Field(
        "iso", description="2024-11-06T06:14:27.168Z, or 06-Nov-2024 06:14:27:168 as in an old example"
    )
    image_id_while_running: bool = Field(True, description="a running job tells image_id; off: only when done")
    failure_told: Literal["top", "entities", "both"] = Field(
        "top", description="where a failed job tells error_code and reason"
    )
    failed_job_image_id: bool = Field(True, description="a failed job still tells its image_id")
    half_made_image: Literal["gone", "killed"] = Field("gone", description="what a failed job leaves behind")
    copying_image_status: Literal["both", "queued", "saving"] = Field(
        "both", description="status of a copy until done; both: queued while INIT, then saving"
    )
    registered_while_copying: bool = Field(
        True, description="off: __isregistered is false until done, so lists hide the copy"
    )
    lineage: Literal["both", "data_origin", "original", "none"] = Field(
        "both", description="which of __data_origin and __originalimagename a copy has"
    )
    active_at: bool = Field(True, description="finished copies have active_at")
    row_delay_seconds: float = Field(0, ge=0, description="how long a new copy is missing from reads")
    names_unique: bool = Field(False, description="a name in use is refused with IMG.0009")
    chinese_names: bool = Field(False, description="Chinese characters are allowed in image names")
    name_length_unit: Literal["characters", "bytes", "utf16"] = Field(
        "characters", description="what the 128 of a name and the 1024 of a description count"
    )
    description_characters: Literal["any", "letters_and_digits"] = Field(
        "any", description="any but CR, LF, < and >; or letters and digits alone, as one page says: IMG.0054"
    )
    extra_copy_fields: Literal["ignore", "refuse"] = Field("ignore", description="unknown fields of a copy body")
    cmk_id_field: bool = Field(True, description="the copy call knows cmk_id; off: it is an unknown field")
    enterprise_project_field: bool = Field(
        True, description="the copy call knows enterprise_project_id; off: it is an unknown field"
    )
    enterprise_project_code: ImsCode = Field("IMG.0155", description="code for an enterprise project that is wrong")
    empty_cmk_id: Literal["refuse", "ignore"] = Field("refuse", description='cmk_id "": IMG.0095, or as absent')
    public_images: Literal["refuse", "copy"] = Field("refuse", description="a public source: IMG.0105, or copied")
    iso_images: Literal["refuse", "copy"] = Field("refuse", description="an ISO source: IMG.0167, or copied")
    shared_encrypted: Literal["refuse", "copy"] = Field(
        "refuse", description="a shared encrypted source: IMG.0197, or copied with a key of one's own"
    )
    shared_to_encrypted: Literal["refuse", "copy"] = Field(
        "copy", description="a shared source copied with a key: IMG.0105, or an encrypted copy"
    )
    windows_images: Literal["refuse", "copy"] = Field("copy", description="a Windows source: IMG.0105, or copied")
    source_deleted: Literal["unaffected", "fail"] = Field(
        "unaffected", description="what deleting the source does to copies under way"
    )
    permission_status: Literal[403, 400] = Field(403, description="status of IMG.0026 (missing permission)")
    glance_error: Literal["json", "json_string", "html"] = Field(
        "json", description="errors of /v2/images: integer code, the same as a string, or HTML"
    )
    market_type: bool = Field(False, description="lists know __imagetype=market; off: IMG.0024")
    unknown_filter: Literal["ignore", "empty", "refuse"] = Field(
        "ignore", description="an undocumented filter of a list: no effect, nothing matches, or 400 IMG.0017"
    )
    list_pending_shared: bool = Field(False, description="lists show shared images that are not accepted")
    eps_required: bool = Field(False, description="lists need enterprise_project_id, else 403 IMG.0026")
    page_info: bool = Field(False, description="lists of /v2/cloudimages carry page_info.next_marker")
    delete_delay_seconds: float = Field(1.0, ge=0, description="how long a deleted image can still be read")
    delete_missing: Literal[404, 204] = Field(404, description="status of DELETE for an image that is not there")
    protected_code: Literal["IMG.0091", "IMG.0028"] = Field("IMG.0091", description="DELETE of a protected image")
    delete_fails: bool = Field(False, description="DELETE answers 204 and the image stays")
    token_seconds: float = Field(86400, gt=0, description="lifetime of a token")
    lock_after: int = Field(5, ge=1, description="wrong passwords in a row that lock a login")
    lock_seconds: float = Field(900, ge=0, description="how long a login stays locked")
    unknown_project_status: Literal[401, 404] = Field(401, description="token for a project that is not there")
    domain_token: Literal["gateway", "ims"] = Field(
        "gateway", description="IMS refuses a domain token: 401 of the gateway, or 400 IMG.0030"
    )
    key_lock_after: int = Field(5, ge=1, description="wrong signatures in a row that a key survives")
    key_lock_seconds: float = Field(300, ge=0, description="how long an access key stays locked")
    signature_skew_seconds: float = Field(900, ge=0, description="how far X-Sdk-Date may be off")
    signed_plus: Literal["literal", "space"] = Field("literal", description="what + in a signed query stands for")
    signed_without_project: Literal["main", "refuse"] = Field(
        "main", description="a signed call without X-Project-Id: for the region's own project, or refused"
    )
    signed_wrong_project: Literal["gateway", "ims"] = Field(
        "gateway", description="X-Project-Id of somebody else: 401 of the gateway, or 400 IMG.0030"
    )
    echo_canonical_request: bool = Field(True, description="a wrong signature is answered with what was to be signed")
    expired_key_code: Literal["0307", "0301"] = Field("0307", description="gateway code of an expired temporary key")
    temporary_key_seconds: float = Field(
        0, ge=0, description="lifetime of temporary keys; 0: as asked for, and 6 hours from metadata and pod identity"
    )
    agency_key: Literal["both", "agency_name", "xrole_name"] = Field(
        "both", description="how assume_role may name the agency; documentation is of two minds"
    )
    unknown_provider_status: Literal[401, 404] = Field(401, description="ID token for a provider that is not there")
    metadata_token_status: Literal[200, 404, 405, 503] = Field(
        200, description="status of the metadata service's token call; not 200: it has none"
    )
    metadata_token_required: bool = Field(False, description="the metadata service wants its token")
    node_agency: bool = Field(True, description="the node has an agency, so the metadata service has keys")
    pod_identity_token: str = Field("", description="token that a Pod must show; empty: the seeded one")
    content_type: Literal["require", "ignore"] = Field(
        "require", description="a body whose Content-Type is not application/json: 415, or read all the same"
    )
    request_id_header: Literal["all", "errors", "gateway"] = Field(
        "all", description="which replies of IMS have X-Request-Id: all, refusals, or those of the gateway alone"
    )
    gateway_prefix: Literal["APIGW", "APIG"] = Field("APIGW", description="prefix of gateway codes")
    rate_limit: int = Field(0, ge=0, description="calls of a user per window, then 429; 0: no limit")
    rate_window_seconds: float = Field(60, gt=0, description="length of the rate window")
    rate_kind: str = Field("all", description="kind of call that is limited, such as copy; or all")
    rate_counts_rejected: bool = Field(True, description="calls answered 429 count against the window, too")
    retry_after: int = Field(0, ge=0, description="Retry-After of our own 429; 0: no such header")
    calls_kept: int = Field(200_000, ge=1, description="calls kept for GET /_simulator/calls (set at start)")

    @field_validator("late_refusals")
    @classmethod
    def _codes(cls, value: str) -> str:
        for code in filter(None, value.split(",")):
            if code != "all" and not re.fullmatch(IMS_CODE, code):
                raise ValueError(f"{code!r} is not a code such as IMG.0015, nor all")
        return value

    @field_validator("status_words")
    @classmethod
    def _words(cls, value: str) -> str:
        for state, _, word in (pair.partition("=") for pair in value.split(",") if pair):
            if state not in STATES or not word:
                raise ValueError(f"give pairs such as RUNNING=PROCESSING; the states are {', '.join(STATES)}")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _choice_by_its_text(cls, value: object, info: ValidationInfo) -> object:
        """Let "404" from a command line mean the number that the knob offers."""
        assert info.field_name is not None  # noqa: S101
        annotation = cls.model_fields[info.field_name].annotation
        if get_origin(annotation) is Literal and isinstance(value, str | int):
            return {str(choice): choice for choice in get_args(annotation)}.get(str(value), value)
        return value

    def late(self, code: str) -> bool:
        """Whether a refusal with this code comes as a failed job."""
        return bool(self.late_refusals) and not {"all", code}.isdisjoint(self.late_refusals.split(","))

    def word(self, state: str) -> str:
        """How a job's state is spelled."""
        pairs = (pair.partition("=") for pair in self.status_words.split(",") if self.status_words)
        word = next((word for known, _, word in pairs if known == state), state)
        if self.status_case == "lower":
            return "failed" if word == "FAIL" else word.lower()
        return word


class KnobError(ValueError):
    """A knob is unknown or its value does not fit; the text says what is allowed."""


def apply(base: Knobs, changes: Mapping[str, JsonValue]) -> Knobs:
    """`base` with some knobs changed.

    Raises: KnobError.
    """
    unknown = sorted(set(changes) - set(Knobs.model_fields))
    if unknown:
        names = ", ".join(Knobs.model_fields)
        raise KnobError(f"unknown knob {', '.join(unknown)}; the knobs are: {names}")
    try:
        return Knobs.model_validate({**base.model_dump(), **changes})
    except ValidationError as error:
        raise KnobError("; ".join(f"knob {name}: {problem}" for name, problem in problems_of(error))) from None


def from_assignments(base: Knobs, assignments: list[str]) -> Knobs:
    """`base` changed by texts of the form NAME=VALUE. Raises: KnobError."""
    changes: dict[str, JsonValue] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise KnobError(f"{assignment!r} is not of the form NAME=VALUE")
        changes[name.strip().replace("-", "_")] = value.strip()
    return apply(base, changes)


def from_environment(base: Knobs, environment: Mapping[str, str] = os.environ) -> Knobs:
    """`base` changed by the IMS_SIMULATOR_KNOB_* variables. Raises: KnobError."""
    changes: dict[str, JsonValue] = {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX)
    }
    return apply(base, changes)


def shown(value: object) -> str:
    """A value as it is written on a command line."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def help_lines() -> list[tuple[str, str]]:
    """(name=default, meaning with the choices) of every knob, in the order of the class."""
    lines = []
    for name, field in Knobs.model_fields.items():
        meaning = field.description or ""
        if get_origin(field.annotation) is Literal:
            meaning += f" [{'|'.join(map(str, get_args(field.annotation)))}]"
        elif field.annotation is bool:
            meaning += " [on|off]"
        lines.append((f"{name}={shown(field.default)}", meaning))
    return lines
