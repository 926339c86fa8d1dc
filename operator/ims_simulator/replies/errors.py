"""Replies, and the exceptions that become replies.

    ApiError
    |-- ImsError       {"error": {"message", "code": "IMG.0144"}}       IMS extension API
    |-- GatewayError   {"error_msg", "error_code": "APIGW.0301", "request_id"}
    |-- KeystoneError  {"error": {"message", "code": 401, "title"}}     IAM; the code is an integer
    |-- IamError       {"error_msg", "error_code": "IAM.0001"}          IAM's newer calls
    `-- GlanceError    as KeystoneError, or HTML by knob                /v2/images

Shapes: "OTC IMS API reference, Error Codes"; "API request signing guide, Error Codes" (gateway); "OTC IAM API
reference, Obtaining a User Token" (Keystone form). The errors of /v2/images are not documented.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus

from pydantic import JsonValue

from ims_simulator.replies.codes import GATEWAY_MESSAGES, MESSAGES
from ims_simulator.settings.knobs import Knobs


@dataclass
class Reply:
    """A reply: with a JSON body, with a text and its content type, or without a body."""

    status: int = 200
    body: JsonValue = None
    text: str | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """A refusal by the cloud."""

    status: int = 500

    def reply(self, request_id: str, knobs: Knobs) -> Reply:
        """The reply that reports this error."""
        raise NotImplementedError


class ImsError(ApiError):
    """A refusal by IMS with an IMG.* code; the default HTTP status is 400."""

    def __init__(self, code: str, message: str | None = None, status: int = 400) -> None:
        self.code = code
        self.status = status
        self.message = message or MESSAGES.get(code, "The request was refused.")
        super().__init__(f"{code} {self.message}")

    def reply(self, request_id: str, knobs: Knobs) -> Reply:  # noqa: D102
        return Reply(self.status, ims_body(self.code, self.message))


class GatewayError(ApiError):
    """A refusal by the API gateway; `number` is the code without its prefix."""

    def __init__(
        self, status: int, number: str, message: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.number = number
        self.message = message or GATEWAY_MESSAGES[number]
        self.headers = headers or {}
        super().__init__(f"{number} {self.message}")

    def reply(self, request_id: str, knobs: Knobs) -> Reply:  # noqa: D102
        body = gateway_body(f"{knobs.gateway_prefix}.{self.number}", self.message, request_id)
        return Reply(self.status, body, headers=dict(self.headers))


class KeystoneError(ApiError):
    """A refusal by IAM."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)

    def reply(self, request_id: str, knobs: Knobs) -> Reply:  # noqa: D102
        return Reply(self.status, keystone_body(self.status, self.message))


class IamError(ApiError):
    """A refusal by IAM, in the form of its newer calls ("Obtaining a Token with an OpenID Connect ID Token")."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(f"{code} {message}")

    def reply(self, request_id: str, knobs: Knobs) -> Reply:  # noqa: D102
        return Reply(self.status, {"error_msg": self.message, "error_code": self.code})


class GlanceError(KeystoneError):
    """A refusal by the native image API. Its body is not documented, hence the knob glance_error."""

    def reply(self, request_id: str, knobs: Knobs) -> Reply:  # noqa: D102
        if knobs.glance_error == "html":
            return Reply(self.status, text=html_page(self.status, self.message), content_type="text/html")
        return Reply(self.status, keystone_body(self.status, self.message, as_text=knobs.glance_error == "json_string"))


def ims_body(code: str, message: str) -> JsonValue:
    """Error body of the IMS extension API."""
    return {"error": {"message": message, "code": code}}


def gateway_body(code: str, message: str, request_id: str) -> JsonValue:
    """Error body of the gateway."""
    return {"error_msg": message, "error_code": code, "request_id": request_id}


def keystone_body(status: int, message: str, *, as_text: bool = False) -> JsonValue:
    """Error body in the Keystone form."""
    return {"error": {"message": message, "code": str(status) if as_text else status, "title": title_of(status)}}


def html_page(status: int, message: str) -> str:
    """The error page of a load balancer or web server."""
    title = f"{status} {title_of(status)}"
    return f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1>\n{message}\n</body>\n</html>\n"


def title_of(status: int) -> str:
    """Reason phrase of a status; "Error" for an unknown one."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
