"""Models of the cloud's replies, which are parsed leniently, and of what is sent.

A field that is missing, or of another type than documented, is None or empty, never an error. Times are aware
datetimes in UTC.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from imagecopy.ims.classify import clean
from imagecopy.ims.lenient import as_bool, as_dict, as_float, as_int, as_list, as_str, as_tags, as_time


class Malformed(ValueError):
    """A reply lacks a part without which it can't be used."""


class JobState(StrEnum):
    """The state of a job. UNKNOWN is an unknown word or none: keep polling."""

    INIT = "INIT"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def parse(cls, word: str | None) -> Self:
        """Read the cloud's word. The reference has upper case and FAIL, its prose says ``success`` and ``failed``."""
        return cls(_JOB_STATES.get((word or "").strip().lower(), "UNKNOWN"))


_JOB_STATES = {
    "init": "INIT",
    "running": "RUNNING",
    "success": "SUCCESS",
    "succeeded": "SUCCESS",
    "fail": "FAIL",
    "failed": "FAIL",
    "error": "FAIL",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The cloud's asynchronous task of a copy.

    Source: OTC API reference, "Querying an Asynchronous Job"; Huawei Cloud API reference, "Querying the Progress
    of an Asynchronous Job". ``image_id`` is there while the job still runs. ``fail_reason`` collects the cloud's
    words from wherever it put them; no edition documents the body of a failed job.
    """

    job_id: str | None = None
    state: JobState = JobState.UNKNOWN
    status: str | None = None
    """The cloud's word for the state."""
    job_type: str | None = None
    progress: float | None = None
    """0..1."""
    image_id: str | None = None
    error_code: str | None = None
    fail_reason: str | None = None
    begin_time: datetime | None = None
    end_time: datetime | None = None

    @classmethod
    def parse(cls, data: object) -> Self:
        """Read a reply of either job call.

        Raises:
            Malformed: it is no JSON object.
        """
        top = as_dict(data)
        if top is None:
            raise Malformed("the reply is no job")
        entities = as_dict(top.get("entities")) or {}
        status = as_str(top.get("status"))
        nested = list(_failed(entities))
        codes = [as_str(part.get(key)) for part in (top, *nested) for key in _CODE_KEYS]
        reasons = [as_str(part.get(key)) for part in (top, *nested) for key in _REASON_KEYS]
        return cls(
            job_id=as_str(top.get("job_id")),
            state=JobState.parse(status),
            status=status,
            job_type=as_str(top.get("job_type")),
            progress=_fraction(entities.get("process_percent")),
            image_id=as_str(entities.get("image_id")),
            error_code=next((clean(code, 64) for code in codes if code), None),
            fail_reason=clean("; ".join(dict.fromkeys(reason for reason in reasons if reason))) or None,
            begin_time=as_time(top.get("begin_time")),
            end_time=as_time(top.get("end_time")),
        )


_CODE_KEYS = ("error_code", "addition_error_code")
_REASON_KEYS = ("fail_reason", "error", "error_msg", "addition_error_msg")


def _failed(entities: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Yield the places below a job that may carry an error (huaweicloudsdkims, model ``job_entities``)."""
    yield entities
    for key in ("results", "sub_jobs_result"):
        for part in as_list(entities.get(key))[:20]:
            if (result := as_dict(part)) is not None:
                yield result
                yield as_dict(result.get("entities")) or {}


def _fraction(value: object) -> float | None:
    """Read ``process_percent``, which despite its name is documented as 0..1; more than 1 is taken as percent."""
    number = as_float(value)
    if number is None:
        return None
    return min(max(number if number <= 1 else number / 100, 0.0), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image, as lists and single queries show it. Source: OTC API reference, "Image Attributes"."""

    id: str
    name: str = ""
    status: str = ""
    """Lower case: queued, saving, active, killed, deleted; empty when the cloud does not say."""
    description: str = ""
    owner: str | None = None
    """A project id."""
    visibility: str | None = None
    image_type: str | None = None
    """gold, private, shared or market."""
    member_status: str | None = None
    """For a shared image: pending, accepted or rejected."""
    whole_image: bool = False
    is_iso: bool = False
    is_bms: bool = False
    size_bytes: int | None = None
    kms_key_id: str | None = None
    """None: not encrypted."""
    data_origin: str | None = None
    """``image,<region>,<image id>`` for an image made from an image."""
    original_image_id: str | None = None
    """The parent's id, from ``__originalimagename``, which despite its name holds an id."""
    enterprise_project_id: str | None = None
    protected: bool = False
    tags: Mapping[str, str]
    created_at: datetime | None = None

    @classmethod
    def parse(cls, data: object) -> Self:
        """Read one image of a reply.

        Raises:
            Malformed: it is no JSON object or has no id.
        """
        top = as_dict(data)
        image_id = as_str(top.get("id")) if top else None
        if top is None or image_id is None:
            raise Malformed("the reply has an image without an id")
        environment = (as_str(top.get("virtual_env_type")) or "").lower()
        disk_format = (as_str(top.get("disk_format")) or "").lower()
        return cls(
            id=image_id,
            name=as_str(top.get("name")) or "",
            status=(as_str(top.get("status")) or "").lower(),
            description=as_str(top.get("__description")) or as_str(top.get("description")) or "",
            owner=as_str(top.get("owner")),
            visibility=as_str(top.get("visibility")),
            image_type=as_str(top.get("__imagetype")),
            member_status=as_str(top.get("member_status")),
            whole_image=as_bool(top.get("__whole_image")) or as_str(top.get("__backup_id")) is not None,
            is_iso=environment == "isoimage" or disk_format == "iso",
            is_bms=environment == "ironic",
            size_bytes=as_int(top.get("__image_size")) or None,
            kms_key_id=as_str(top.get("__system__cmkid")),
            data_origin=as_str(top.get("__data_origin")),
            original_image_id=as_str(top.get("__originalimagename")),
            enterprise_project_id=as_str(top.get("enterprise_project_id")),
            protected=as_bool(top.get("protected")),
            tags=as_tags(top.get("tags")),
            created_at=as_time(top.get("created_at")),
        )

    def derived_from(self, source_image_id: str) -> bool:
        """Tell whether the cloud says that this image was made from ``source_image_id``.

        Either of two attributes may say so; which one a copy gets differs by edition.
        """
        source = source_image_id.lower()
        if not source:
            return False
        if (self.original_image_id or "").lower() == source:
            return True
        origin = [part.strip().lower() for part in (self.data_origin or "").split(",")]
        return len(origin) == 3 and origin[0] == "image" and origin[2] == source


@dataclass(frozen=True, slots=True)
class Quota:
    """The quota of private images in the project, and how many of it are used."""

    used: int
    limit: int

    @classmethod
    def parse(cls, data: object) -> Self:
        """Read the reply of the quota call.

        Raises:
            Malformed: it does not tell the quota of private images.
        """
        quotas = as_dict((as_dict(data) or {}).get("quotas")) or {}
        for entry in as_list(quotas.get("resources")):
            resource = as_dict(entry) or {}
            used, limit = as_int(resource.get("used")), as_int(resource.get("quota"))
            if resource.get("type") == "image" and used is not None and limit is not None:
                return cls(used, limit)
        raise Malformed("the reply has no quota of images")


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRequest:
    """What to copy an image to. None and empty are not sent: the cloud has no meaning for an empty ``cmk_id``.

    Without ``cmk_id`` the copy is not encrypted, even when the source is.
    """

    name: str
    description: str | None = None
    cmk_id: str | None = None
    enterprise_project_id: str | None = None

    def body(self) -> dict[str, str]:
        """Return the JSON body of the copy call (OTC API reference, "Replicating an Image Within a Region")."""
        fields = {
            "name": self.name,
            "description": self.description,
            "cmk_id": self.cmk_id,
            "enterprise_project_id": self.enterprise_project_id,
        }
        return {key: value for key, value in fields.items() if value}


@dataclass(frozen=True, slots=True)
class CopyAccepted:
    """The cloud accepted the copy call and returned a job id."""

    job_id: str
    request_id: str | None

    @classmethod
    def parse(cls, data: object, request_id: str | None) -> Self:
        """Read the reply of the copy call.

        Raises:
            Malformed: it names no job that could be asked for later.
        """
        job_id = as_str((as_dict(data) or {}).get("job_id"))
        if job_id is None or len(job_id) > 128 or not job_id.isprintable():
            raise Malformed("the reply has no job id")
        return cls(job_id, request_id)
