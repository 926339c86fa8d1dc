"""Requests to the cloud's identity service (IAM), and what its replies mean.

A successful reply is never quoted, because it contains secrets. A refusal is quoted without the secrets in it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from imagecopy.ims.auth.credentials import NOTHING, Hidden, ProjectRef
from imagecopy.ims.classify import Call, classify
from imagecopy.ims.errors import CredentialsInvalid, ImsError, Misconfigured, OutcomeUnknown, PermissionDenied, TryLater
from imagecopy.ims.wire import Wire, exchange, recorded, request_id

TOKENS_PATH: Final = "/v3/auth/tokens"
SECURITY_TOKENS_PATH: Final = "/v3.0/OS-CREDENTIAL/securitytokens"
ID_TOKENS_PATH: Final = "/v3.0/OS-AUTH/id-token/tokens"
PROJECTS_PATH: Final = "/v3/projects"


@dataclass(frozen=True, slots=True)
class Advice:
    """What to check when a login fails; added after the cloud's own words."""

    refused: str | None = None
    """... because it is not taken."""
    misconfigured: str | None = None
    """... because what was asked for does not exist."""
    forbidden: str | None = None
    """... because of a permission."""

    def to(self, error: ImsError) -> ImsError:
        """Return ``error`` with the advice that fits."""
        if isinstance(error, PermissionDenied) or error.http_status == 403:
            advice = self.forbidden or self.refused
        elif isinstance(error, CredentialsInvalid):
            advice = self.refused
        else:
            advice = self.misconfigured if isinstance(error, Misconfigured) else None
        return type(error).like(error, with_advice(error.message, advice)) if advice else error


NO_ADVICE: Final = Advice()


def with_advice(words: str, advice: str) -> str:
    """Return the cloud's words, followed by ours."""
    words = words.strip()
    return f"{words}{'' if words.endswith(('.', '!', '?')) else '.'} {advice[:1].upper()}{advice[1:]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A successful reply."""

    headers: Mapping[str, str]
    data: object

    def unusable(self, why: str) -> TryLater:
        """Return the error for a reply that is not what it should be."""
        return TryLater(f"login: {why}", request_id=self.headers.get("x-iam-trace-id"))


class Iam:
    """The cloud's Identity and Access Management."""

    def __init__(self, endpoint: str, wire: Wire) -> None:
        """Prepare.

        Raises:
            EndpointNotAllowed: the allowlist forbids ``endpoint``.
        """
        self._endpoint = wire.allowlist.endpoint(endpoint, "the provider's spec.endpoints.iam")
        self._wire = wire

    def __repr__(self) -> str:
        return self._endpoint

    async def ask(
        self,
        path: str,
        *,
        call: Call = Call.LOGIN,
        body: Mapping[str, object] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None,
        hidden: Hidden = NOTHING,
        advice: Advice = NO_ADVICE,
    ) -> Reply:
        """Send one request: a POST if it has a body, else a GET.

        Raises:
            CredentialsInvalid: the login is refused.
            Misconfigured: something that it names does not exist.
            SurelyNotDone: another reason; a login changes nothing, so none leaves anything in doubt.
        """
        method = "GET" if body is None else "POST"
        wire = self._wire
        with recorded(call, method, path, wire.on_call) as recording:
            try:
                # A client of its own for each login: there is one a day, and so nothing is left to close.
                async with wire.one_shot_client() as http:
                    request = http.build_request(
                        method, self._endpoint + path, json=body, params=params, headers=headers
                    )
                    response = await exchange(http, request, timeouts=wire.timeouts, auth=auth)
            except OutcomeUnknown as exc:
                raise TryLater.like(exc, f"login: {exc.message}") from exc
            recording.response = response
            check(call, response, hidden=hidden, advice=advice)
            return reply_of(response)


def check(call: Call, response: httpx.Response, *, hidden: Hidden, advice: Advice) -> None:
    """Do nothing if the reply is a success.

    Raises:
        SurelyNotDone: it is not.
    """
    if not response.is_success:
        body = hidden.body(response.content)
        raise advice.to(classify(call, response.status_code, response.headers, body))


def reply_of(response: httpx.Response) -> Reply:
    """Return the JSON of a successful reply.

    Raises:
        TryLater: it is no JSON.
    """
    try:
        data: object = json.loads(response.content)
    except (ValueError, RecursionError):
        raise TryLater(
            "login: the reply is no JSON", request_id=request_id(response), http_status=response.status_code
        ) from None
    return Reply(headers=response.headers, data=data)


def scope_of(project: ProjectRef, region: str | None) -> dict[str, object]:
    """Return the scope of a token: the project, else the region's own project, which has the region's name.

    Raises:
        Misconfigured: neither is known.
    """
    if project.id:
        return {"project": {"id": project.id}}
    return {"project": {"name": name_of(project, region)}}


def name_of(project: ProjectRef, region: str | None) -> str:
    """Return the project's name.

    Raises:
        Misconfigured: neither the project nor the region is known.
    """
    if name := project.name or region:
        return name
    raise Misconfigured("no project to log in to: give a project id, a project name or a region")


def project_advice(project: ProjectRef, region: str | None) -> str:
    """Return the field that names the project."""
    if project.id:
        return f"check the provider's projectID ({project.id})"
    if project.name:
        return f"check projectName ({project.name})"
    return f"the project is the one named like the region ({region}): check the provider's region, or set projectName"
