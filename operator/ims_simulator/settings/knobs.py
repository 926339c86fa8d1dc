"""The knobs: behaviour that public documentation leaves open, and limits that a test may want to change.

A knob is set by `--knob NAME=VALUE`, by an environment variable (IMS_SIMULATOR_KNOB_<NAME>) or, while the simulator
runs, by `PATCH /_simulator/knobs`. A state file does not contain them.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args, get_origin

from pydantic import Field, ValidationInfo, field_validator

from ims_simulator.parsing import StrictModel

IMS_CODE = r"IMG\.\d{4}"
STATES = ("INIT", "RUNNING", "SUCCESS", "FAIL")

ImsCode = Annotated[str, Field(pattern=f"^{IMS_CODE}$")]


class Knobs(StrictModel):
    """All knobs with their defaults. The descriptions are the text of --help and of docs/simulator.md."""

    copy_seconds: float = Field(
        10.0, ge=0, description="duration of a copy; a job keeps the duration that it started with"
    )
    init_seconds: float = Field(
        1.0, ge=0, description="how long a job stays INIT; at most a tenth of the copy's duration"
    )
    max_concurrent: int = Field(
        5, ge=0, description="how many copies of a project may run at once; one more is refused with concurrent_code"
    )
    concurrent_code: ImsCode = Field("IMG.0060", description="code for a copy beyond max_concurrent")
    quota: int = Field(
        50, ge=0, description="how many private images a project may have; one more is refused with IMG.0015"
    )
    quota_counts: Literal["accept", "done"] = Field(
        "accept", description="when a copy counts against the quota: when it is accepted, or when it is done"
    )
    size_limit: Literal["refuse", "job", "off"] = Field(
        "refuse", description="a source over 128 GiB: refused at once, accepted with a job that fails, or no limit"
    )
    size_limit_code: ImsCode = Field("IMG.0059", description="code for a source over 128 GiB")
    size_attribute: Literal["__image_size", "min_disk"] = Field(
        "__image_size", description="attribute of the source that the limit of 128 GiB applies to"
    )
    late_refusals: str = Field(
        "", description="comma-separated codes, or all: errors that a copy reports by a failed job instead of a refusal"
    )
    unknown_image_status: Literal[400, 404] = Field(
        400, description="HTTP status for an image that does not exist (copy, PATCH, tags)"
    )
    unknown_image_code: ImsCode = Field(
        "IMG.0144", description="code for an image that does not exist (copy, PATCH, tags)"
    )
    unknown_job_status: Literal[400, 404] = Field(400, description="HTTP status for a job that does not exist")
    unknown_job_code: ImsCode = Field("IMG.0023", description="code for a job that does not exist")
    job_retention_seconds: float = Field(0, ge=0, description="how long after its end a job can be queried; 0: forever")
    show_job_endpoint: bool = Field(True, description="GET /v1/{project_id}/jobs/{job_id} exists")
    progress_endpoint: bool = Field(True, description="GET /v1/cloudimages/job/{job_id} exists")
    copy_v21: bool = Field(True, description="POST /v2.1/cloudimages/{image_id}/copy exists")
    show_job_percent: bool = Field(
        True, description="GET /v1/{project_id}/jobs/{job_id} shows process_percent and current_task"
    )
    init_entities: Literal["none", "empty", "absent", "full"] = Field(
        "empty", description="entities of an INIT job: null, {}, absent, or the same as while RUNNING"
    )
    status_case: Literal["upper", "lower"] = Field(
        "upper", description="spelling of job states: in capitals, or in lower case (success, failed) as in some prose"
    )
    status_words: str = Field(
        "",
        description="words for job states, such as RUNNING=PROCESSING,SUCCESS=FINISHED; applied before status_case",
    )
    job_times: Literal["iso", "legacy"] = Field(
        "iso",
        description="form of a job's times: 2024-11-06T06:14:27.168Z, or 06-Nov-2024 06:14:27:168 as in an old example",
    )
    image_id_while_running: bool = Field(
        True, description="a running job shows image_id; off: only a successful one does"
    )
    failure_told: Literal["top", "entities", "both"] = Field(
        "top", description="where a failed job shows its error code and reason: top level, entities, or both"
    )
    failed_job_image_id: bool = Field(True, description="a failed job shows image_id")
    half_made_image: Literal["gone", "killed"] = Field(
        "gone", description="what remains of the image of a failed job: nothing, or an image with status killed"
    )
    copying_image_status: Literal["both", "queued", "saving"] = Field(
        "both", description="status of an image while it is copied; both: queued while the job is INIT, then saving"
    )
    registered_while_copying: bool = Field(
        True,
        description="__isregistered is true during a copy; off: it is false, so lists hide the copy until it is done",
    )
    lineage: Literal["both", "data_origin", "original", "none"] = Field(
        "both",
        description="attributes of a copy that name its source: __data_origin, __originalimagename, both, or none",
    )
    active_at: bool = Field(True, description="a finished copy has active_at")
    row_delay_seconds: float = Field(0, ge=0, description="how long a new copy can't be read or listed")
    names_unique: bool = Field(False, description="a copy with a name that is in use is refused with IMG.0009")
    chinese_names: bool = Field(False, description="image names may contain Chinese characters")
    name_length_unit: Literal["characters", "bytes", "utf16"] = Field(
        "characters", description="unit of the length limits of names (128) and descriptions (1024)"
    )
    description_characters: Literal["any", "letters_and_digits"] = Field(
        "any",
        description="allowed in descriptions: all except CR, LF, < and >; or only letters and digits, else IMG.0054",
    )
    extra_copy_fields: Literal["ignore", "refuse"] = Field(
        "ignore", description="unknown fields in the body of a copy call"
    )
    cmk_id_field: bool = Field(True, description="the copy call has the field cmk_id; off: it is an unknown field")
    enterprise_project_field: bool = Field(
        True, description="the copy call has the field enterprise_project_id; off: it is an unknown field"
    )
    enterprise_project_code: ImsCode = Field(
        "IMG.0155", description="code for an enterprise project that does not exist"
    )
    empty_cmk_id: Literal["refuse", "ignore"] = Field(
        "refuse", description="an empty cmk_id is refused with IMG.0095, or treated as absent"
    )
    public_images: Literal["refuse", "copy"] = Field(
        "refuse", description="a public source is refused with IMG.0105, or copied"
    )
    iso_images: Literal["refuse", "copy"] = Field(
        "refuse", description="an ISO source is refused with IMG.0167, or copied"
    )
    shared_encrypted: Literal["refuse", "copy"] = Field(
        "refuse", description="a shared, encrypted source is refused with IMG.0197, or copied"
    )
    shared_to_encrypted: Literal["refuse", "copy"] = Field(
        "copy", description="an encrypted copy of a shared source is refused with IMG.0105, or made"
    )
    windows_images: Literal["refuse", "copy"] = Field(
        "copy", description="a Windows source is refused with IMG.0105, or copied"
    )
    source_deleted: Literal["unaffected", "fail"] = Field(
        "unaffected", description="what happens to running copies when their source is deleted"
    )
    permission_status: Literal[403, 400] = Field(403, description="HTTP status of IMG.0026 (missing permission)")
    glance_error: Literal["json", "json_string", "html"] = Field(
        "json", description="errors of /v2/images: JSON with an integer code, JSON with the code as a string, or HTML"
    )
    market_type: bool = Field(False, description="lists accept __imagetype=market; off: IMG.0024")
    unknown_filter: Literal["ignore", "empty", "refuse"] = Field(
        "ignore",
        description="a list filter that is not documented: has no effect, matches nothing, or is refused with IMG.0017",
    )
    list_pending_shared: bool = Field(
        False, description="lists contain shared images that the project has not accepted"
    )
    eps_required: bool = Field(False, description="lists require the filter enterprise_project_id, else IMG.0026")
    page_info: bool = Field(False, description="replies of GET /v2/cloudimages contain page_info.next_marker")
    delete_delay_seconds: float = Field(1.0, ge=0, description="how long a deleted image can still be read")
    delete_missing: Literal[404, 204] = Field(404, description="HTTP status of DELETE for an image that does not exist")
    protected_code: Literal["IMG.0091", "IMG.0028"] = Field(
        "IMG.0091", description="code of DELETE for a protected image"
    )
    delete_fails: bool = Field(False, description="DELETE answers 204, but the image stays")
    token_seconds: float = Field(86400, gt=0, description="lifetime of a token")
    lock_after: int = Field(5, ge=1, description="number of wrong passwords in a row that locks a login")
    lock_seconds: float = Field(900, ge=0, description="how long a login stays locked")
    unknown_project_status: Literal[401, 404] = Field(
        401, description="HTTP status when a token is requested for a project that does not exist"
    )
    domain_token: Literal["gateway", "ims"] = Field(
        "gateway", description="how IMS refuses a domain-scoped token: 401 of the gateway, or 400 IMG.0030"
    )
    key_lock_after: int = Field(
        5, ge=1, description="number of wrong signatures in a row that does not yet lock an access key; one more does"
    )
    key_lock_seconds: float = Field(300, ge=0, description="how long an access key stays locked")
    signature_skew_seconds: float = Field(900, ge=0, description="how far X-Sdk-Date may be from the cloud's time")
    signed_plus: Literal["literal", "space"] = Field(
        "literal", description="meaning of + in the query of a signed request"
    )
    signed_without_project: Literal["main", "refuse"] = Field(
        "main", description="a signed call without X-Project-Id uses the region's main project, or is refused"
    )
    signed_wrong_project: Literal["gateway", "ims"] = Field(
        "gateway", description="how X-Project-Id of another account is refused: 401 of the gateway, or 400 IMG.0030"
    )
    echo_canonical_request: bool = Field(
        True, description="the refusal of a wrong signature contains the canonical request"
    )
    expired_key_code: Literal["0307", "0301"] = Field("0307", description="gateway code for an expired temporary key")
    temporary_key_seconds: float = Field(
        0,
        ge=0,
        description="lifetime of temporary keys; 0: as requested; 6 hours from the metadata service and Pod Identity",
    )
    agency_key: Literal["both", "agency_name", "xrole_name"] = Field(
        "both", description="the field of assume_role that names the agency; the documentation has both"
    )
    unknown_provider_status: Literal[401, 404] = Field(
        401, description="HTTP status when an ID token is sent for an identity provider that does not exist"
    )
    metadata_token_status: Literal[200, 404, 405, 503] = Field(
        200, description="HTTP status of the metadata service's token call; other than 200: the service has no tokens"
    )
    metadata_token_required: bool = Field(False, description="the metadata service requires its token")
    node_agency: bool = Field(True, description="the node has an agency; off: the metadata service has no keys")
    pod_identity_token: str = Field(
        "", description="token that a Pod must present; empty: the token that follows from the seed"
    )
    content_type: Literal["require", "ignore"] = Field(
        "require", description="a body whose Content-Type is not application/json is refused with 415, or read anyway"
    )
    request_id_header: Literal["all", "errors", "gateway"] = Field(
        "all", description="which replies of IMS have X-Request-Id: all, refusals, or those of the gateway only"
    )
    gateway_prefix: Literal["APIGW", "APIG"] = Field("APIGW", description="prefix of gateway codes")
    rate_limit: int = Field(
        0, ge=0, description="calls of one kind that a user may make per window; more are answered 429; 0: no limit"
    )
    rate_window_seconds: float = Field(60, gt=0, description="length of the rate window")
    rate_kind: str = Field("all", description="kind of call that the limit applies to, such as copy; or all")
    rate_counts_rejected: bool = Field(True, description="calls that were answered 429 count against the limit, too")
    retry_after: int = Field(
        0, ge=0, description="seconds in the header Retry-After of these 429 replies; 0: no such header"
    )
    calls_kept: int = Field(
        200_000, ge=1, description="number of calls kept for GET /_simulator/calls; has an effect only at start"
    )

    @field_validator("late_refusals")
    @classmethod
    def _codes(cls, value: str) -> str:
        for code in filter(None, value.split(",")):
            if code != "all" and not re.fullmatch(IMS_CODE, code):
                raise ValueError(f"{code!r} is neither a code such as IMG.0015 nor the word all")
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
        """Accept "404" from a command line where the choice is the number 404."""
        assert info.field_name is not None  # noqa: S101
        annotation = cls.model_fields[info.field_name].annotation
        if get_origin(annotation) is Literal and isinstance(value, str | int):
            return {str(choice): choice for choice in get_args(annotation)}.get(str(value), value)
        return value

    def refuses_late(self, code: str) -> bool:
        """Whether a refusal with this code is reported by a failed job instead."""
        return bool(self.late_refusals) and not {"all", code}.isdisjoint(self.late_refusals.split(","))

    def status_word(self, state: str) -> str:
        """The word that replies use for a state of a job."""
        pairs = (pair.partition("=") for pair in self.status_words.split(",") if self.status_words)
        word = next((word for known, _, word in pairs if known == state), state)
        if self.status_case == "lower":
            return "failed" if word == "FAIL" else word.lower()
        return word


def shown(value: object) -> str:
    """A value as it is written on a command line."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def help_lines() -> list[tuple[str, str]]:
    """NAME=DEFAULT and a description of every knob, for --help."""
    lines = []
    for name, field in Knobs.model_fields.items():
        meaning = field.description or ""
        if get_origin(field.annotation) is Literal:
            meaning += f" [{'|'.join(map(str, get_args(field.annotation)))}]"
        elif field.annotation is bool:
            meaning += " [on|off]"
        lines.append((f"{name}={shown(field.default)}", meaning))
    return lines
