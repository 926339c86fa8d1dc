"""Classifies replies: turns an unsuccessful reply of the cloud into an error, with the cloud's own words.

The class follows from the cloud's code where we know it, else from the HTTP status. Two rules stand above the
table, because a copy must never be posted twice:

- A status of 500 or more is OutcomeUnknown, whatever the body says. This includes 503 with APIGW.0613 ("IAM
  unavailable"), although a gateway that could not check the token hardly forwarded the call: no edition of the
  documentation promises it, the same status comes from load balancers behind the gateway, and being wrong costs a
  second copy while being careful costs one look at the list of images.
- A 400 whose code speaks of the cloud's inner trouble (IMG.0014 "OpenStack task error", IMG.0018 "job submit
  error", IMG.0061 "unknown system error", IMG.0154 and IMG.0156 about the enterprise project service) does not
  say how far the call got, so it is OutcomeUnknown, too.

Sources: OTC and Huawei Cloud API reference, "Error Codes"; API Gateway, "Error Codes" (prefix ``APIGW.`` on the
shared gateway, ``APIG.`` on others, same numbers).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from urllib.parse import urlsplit

from imagecopy.ims.errors import (
    CredentialsInvalid,
    ImsError,
    JobNotFound,
    Misconfigured,
    NotFound,
    NotReady,
    OutcomeUnknown,
    PermissionDenied,
    QuotaExceeded,
    Refused,
    SurelyNotDone,
    Throttled,
    TryLater,
    Unreachable,
)

MESSAGE_CHARACTERS = 1000
_MAX_RETRY_AFTER_SECONDS = 86400.0
_MAX_DEPTH = 6
_MAX_TEXT_BYTES = 8192  # of HTML or text; more would only cost time, the message is bounded anyway


class Call(StrEnum):
    """The calls of the cloud that the operator makes; their values are the names in logs and metrics."""

    LOGIN = "login"
    FIND_PROJECT = "find_project"
    COPY_IMAGE = "copy_image"
    GET_JOB = "get_job"
    GET_IMAGE = "get_image"
    LIST_IMAGES = "list_images"
    GET_QUOTA = "get_quota"
    ADD_TAGS = "add_tags"
    DELETE_TAGS = "delete_tags"
    DELETE_IMAGE = "delete_image"


IMG_CODES: Mapping[str, type[ImsError]] = {
    "0001": Refused,  # malformed JSON
    "0002": Refused,  # name too long
    "0003": Refused,  # name has a bad format
    "0004": Refused,  # description too long
    "0007": Refused,  # empty body
    "0009": Refused,  # name exists
    "0013": Refused,  # name missing
    "0014": OutcomeUnknown,  # OpenStack task error
    "0015": QuotaExceeded,
    "0017": Refused,  # bad URL
    "0018": OutcomeUnknown,  # job submit error
    "0023": OutcomeUnknown,  # exception during task query; JobNotFound when we asked for a job
    "0024": Refused,  # image type invalid
    "0026": PermissionDenied,  # 403 in OTC, 400 in other editions
    "0027": NotFound,
    "0028": Refused,  # protected
    "0030": Misconfigured,  # project id and token don't match
    "0031": NotFound,
    "0035": Refused,  # attribute conflict
    "0046": NotReady,  # not active
    "0047": Refused,  # only for the owner
    "0054": Refused,  # description has bad characters
    "0059": Refused,  # too large
    "0060": Throttled,  # too many tasks; a 400, not a 429
    "0061": OutcomeUnknown,  # unknown system error
    "0062": Refused,  # name incorrect
    "0066": NotFound,
    "0067": Misconfigured,  # project id wrong
    "0083": Refused,  # public image
    "0086": NotFound,
    "0087": Misconfigured,  # token wrong (a wrong token is a 401; this one is of another project)
    "0089": Refused,  # public image can't be shared
    "0090": NotReady,  # being created
    "0091": Refused,  # protected
    "0092": Refused,  # only the owner may delete
    "0094": Refused,  # public image can't be deleted
    "0095": Refused,  # KMS key missing
    "0096": Refused,  # same KMS key as the image's own
    "0097": Refused,  # KMS key not enabled
    "0099": Refused,  # no access to the KMS key
    "0100": Refused,  # no open beta test permission for KMS
    "0101": Refused,  # the source's KMS key missing
    "0102": Refused,  # the source's KMS key not enabled
    "0103": Refused,  # no access to the source's KMS key
    "0105": Refused,  # not supported
    "0106": Refused,  # another tenant's
    "0115": Refused,  # tag invalid
    "0116": Refused,  # too many tags
    "0118": Refused,  # BMS image and KMS
    "0121": NotFound,
    "0130": Refused,  # full-ECS image
    "0144": NotFound,
    "0148": NotReady,  # being exported
    "0154": OutcomeUnknown,  # enterprise project service unreachable
    "0155": Refused,  # enterprise project id wrong
    "0156": OutcomeUnknown,  # the image could not be put into the enterprise project
    "0167": Refused,  # ISO image
    "0187": Throttled,  # KMS traffic limit
    "0196": Refused,  # shared image not accepted
    "0197": Refused,  # shared image encrypted
    "0238": PermissionDenied,  # real-name authentication
    "0239": PermissionDenied,  # balance
    "0241": PermissionDenied,  # payment
    "0242": PermissionDenied,  # budget
}
"""Class by the number of an ``IMG.`` code. A code that is not listed has the class of the status."""

GATEWAY_CODES: Mapping[str, type[ImsError]] = {
    "0101": Misconfigured,  # no such API: not this edition's, or not an IMS endpoint
    "0301": CredentialsInvalid,
    "0302": PermissionDenied,
    "0303": CredentialsInvalid,
    "0304": PermissionDenied,
    "0305": CredentialsInvalid,
    "0306": PermissionDenied,
    "0307": CredentialsInvalid,  # token must be updated
    "0308": Throttled,
    "0310": PermissionDenied,
    "0401": PermissionDenied,
    "0402": PermissionDenied,
    "0801": PermissionDenied,
    "0802": PermissionDenied,
}
"""Class by the number of an ``APIGW.`` or ``APIG.`` code, for statuses below 500."""

STATUSES: Mapping[int, type[ImsError]] = {
    307: Misconfigured,  # by RFC 9110 the server has not acted; we never follow
    308: Misconfigured,
    401: CredentialsInvalid,
    402: PermissionDenied,
    403: PermissionDenied,
    404: NotFound,
    407: Unreachable,  # a proxy on the way wants a login
    408: OutcomeUnknown,  # by a proxy in front of a slow server as well as by the server
    409: TryLater,
    423: TryLater,
    425: TryLater,
    429: Throttled,
    499: OutcomeUnknown,  # a proxy's word for a lost client; the server may have gone on
}
"""Class by status, for replies without a known code. Any other 4xx is Refused, everything else OutcomeUnknown."""

_LOGIN_STATUSES: Mapping[int, type[ImsError]] = {
    400: Misconfigured,
    403: CredentialsInvalid,  # account locked, password to be changed
    404: Misconfigured,
    405: Misconfigured,
}

_CODE = re.compile(r"^(IMG|APIGW|APIG)\.(\d{4})$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")
_TOKEN = re.compile(
    r"(?i)((?:x-(?:auth|subject|security)-token|\b(?:security_?token|secret(?:_?access_?key)?|password)(?=\\?[\"']))"
    r"[\s\"'\\]*[:=][\s\"'\\]*)[^\s|,;\"'\\]+"
)
_ECHO = re.compile(r"(?i)\b(?:canonical[\s_-]?request|string[\s_-]?to[\s_-]?sign)\b")
_TAG = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^<>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Words:
    """Code, message and request id, as found in a reply's body."""

    code: str | None
    message: str | None
    request_id: str | None = None


def class_of_code(code: str | None) -> type[ImsError] | None:
    """Return the class of a code such as ``IMG.0130`` or ``APIGW.0308``; None if the code is not in our tables."""
    match = _CODE.match(code or "")
    if match is None:
        return None
    return (IMG_CODES if match[1] == "IMG" else GATEWAY_CODES).get(match[2])


def is_api_missing(error: ImsError) -> bool:
    """Tell whether ``error`` means that the endpoint has no such URL, rather than no such image or job."""
    if error.code is None:
        return error.http_status in (404, 405)
    return error.code in ("APIGW.0101", "APIG.0101")


def classify(call: Call, status: int, headers: Mapping[str, str], body: bytes) -> ImsError:
    """Return the error that an unsuccessful reply stands for. Never raises.

    ``headers`` are looked up in lower case.
    """
    words = words_of(body)
    found = _class(call, status, words.code)
    error = found(
        _redirect(status, headers) or words.message or f"the cloud answered with status {status} and no words",
        code=words.code,
        request_id=request_id_of(headers) or words.request_id,
        http_status=status,
        retry_after=retry_after(headers),
    )
    if isinstance(error, JobNotFound):
        error.may_pass = words.code == "IMG.0023"
    return error


def _redirect(status: int, headers: Mapping[str, str]) -> str | None:
    """Return the message for a redirect, without its path and query, which may repeat what was sent."""
    if not 300 <= status < 400 or not headers.get("location"):
        return None
    try:
        to = urlsplit(headers["location"])
        where = f"{to.scheme}://{to.netloc.rpartition('@')[2]}" if to.netloc else "another path"
    except ValueError:
        where = "elsewhere"
    return clean(
        f"the server sends us on to {where} (status {status}), and redirects are never followed: "
        "correct the provider's spec.endpoints",
        400,
    )


def _class(call: Call, status: int, code: str | None) -> type[ImsError]:
    if not 300 <= status < 500:
        found: type[ImsError] = OutcomeUnknown
    elif call is Call.LOGIN and status in _LOGIN_STATUSES:
        found = _LOGIN_STATUSES[status]
    elif call is Call.FIND_PROJECT and status in (400, 404, 405):
        found = Misconfigured
    else:
        by_status = STATUSES.get(status, Refused if status >= 400 else OutcomeUnknown)
        found = class_of_code(code) or by_status
    if call in (Call.LOGIN, Call.FIND_PROJECT) and not issubclass(found, SurelyNotDone):
        return TryLater  # a login changes nothing, so the call it was for surely was not done
    if call is Call.GET_JOB and (found is NotFound or (code == "IMG.0023" and status < 500)):
        return JobNotFound
    return found


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the cloud's id of the request; IAM has a header of its own."""
    for name in ("x-request-id", "x-iam-trace-id", "x-openstack-request-id"):
        if value := clean(headers.get(name, ""), 128):
            return value
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of a Retry-After header (a number or a date), at most a day; None without a usable one."""
    value = headers.get("retry-after", "").strip()
    try:
        if value.isascii() and value.isdigit():
            seconds = float(value)
        else:
            now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
            seconds = (parsedate_to_datetime(value) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_SECONDS)


def words_of(body: bytes) -> Words:
    """Find code, message and request id in a reply's body, whatever its shape. Never raises.

    Four shapes are known: IMS ``{"error": {"message", "code": "IMG.0024"}}``, the gateway's flat ``error_code``
    and ``error_msg``, Keystone's and Glance's ``{"error": {"code": 404, "message"}}``, and text or HTML. A code
    that only repeats the HTTP status is none.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return Words(None, clean(_TAG.sub(" ", _text(body))) or None)
    for level in _dicts(data):
        for code_key, message_key in (
            ("error_code", "error_msg"),
            ("errorCode", "errorMsg"),
            ("code", "message"),
        ):
            code, message = level.get(code_key), level.get(message_key)
            if isinstance(message, str) and isinstance(code, str | int | None):
                found = clean(str(code), 64) if code is not None and not _is_status(code) else None
                return Words(found or None, clean(message) or None, _request_id(data))
    text = clean(data) if isinstance(data, str) else clean(_text(body))
    return Words(None, text or None, _request_id(data))


def _text(body: bytes) -> str:
    return body[:_MAX_TEXT_BYTES].decode("utf-8", "replace")


def _is_status(code: str | int) -> bool:
    text = str(code)
    return len(text) <= 3 and text.isascii() and text.isdigit()


def _request_id(data: object) -> str | None:
    for level in _dicts(data):
        value = level.get("request_id")
        if isinstance(value, str) and value:
            return clean(value, 128)
    return None


def _dicts(data: object, depth: int = 0) -> Iterator[dict[str, object]]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(data, dict):
        yield data
        data = list(data.values())
    if isinstance(data, list):
        for value in data[:20]:
            yield from _dicts(value, depth + 1)


def clean(text: str, limit: int = MESSAGE_CHARACTERS) -> str:
    """Return ``text`` on one line: fit for a log, a status and an Event, bounded, without an echoed token.

    A gateway that refuses a signature may repeat the request as it saw it, with a temporary key's token: that is cut.
    Source: Huawei Cloud, API Request Signing Guide, "Error Codes".
    """
    text = text[: limit * 4].encode("utf-8", "replace").decode("utf-8")
    if echo := _ECHO.search(text):
        text = text[: echo.start()].rstrip(" ,;:.(\"'") + " (the rest repeats the request)"
    text = _TOKEN.sub(r"\1***", _CONTROL.sub(" ", text).strip())
    return text if len(text) <= limit else text[: limit - 1] + "…"
