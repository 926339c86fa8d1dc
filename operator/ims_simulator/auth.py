"""Who is calling, and may they: the gateway's side of authentication.

Sources: "OTC API usage, Authentication"; "API request signing guide, Error Codes". Request signatures (access key
and secret key) get their place in `authenticate`; so far only tokens are checked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from ims_simulator.errors import GatewayError, ImsError
from ims_simulator.seed import Login
from ims_simulator.state import Cloud


@dataclass(frozen=True)
class Caller:
    """An authenticated user in a project."""

    user: str
    project_id: str
    can_change: bool


def authenticate(cloud: Cloud, headers: Mapping[str, str], now: float) -> Caller:
    """The caller of a request. Raises: GatewayError, ImsError."""
    value = headers.get("X-Auth-Token", "")
    token = cloud.tokens.get(value)
    if token is None:
        raise GatewayError(
            401,
            "0301",
            "Incorrect IAM authentication information: "
            + ("decrypt token fail" if value else "x-auth-token not found"),
        )
    if now >= token.expires_at:
        raise GatewayError(401, "0307")
    if token.project_id is None:
        if cloud.knobs.domain_token == "ims":  # noqa: S105
            raise ImsError("IMG.0030")
        raise GatewayError(401, "0301", "Incorrect IAM authentication information: token is not scoped to a project")
    login = login_of(cloud, token.user)
    return Caller(token.user, token.project_id, login is not None and login.can_change)


def login_of(cloud: Cloud, user: str) -> Login | None:
    """The account of a user name."""
    return next((login for login in cloud.accounts.logins if login.user == user), None)


def require_change(cloud: Cloud, caller: Caller) -> None:
    """Refuse users that may only read. Raises: ImsError IMG.0026 (403 or 400, editions differ)."""
    if not caller.can_change:
        raise ImsError("IMG.0026", status=cloud.knobs.permission_status)


def require_project(caller: Caller, project_id: str) -> None:
    """Refuse a project in the path that is not the token's. Raises: ImsError IMG.0030."""
    if project_id != caller.project_id:
        raise ImsError("IMG.0030")


class Throttle:
    """Counts calls per user and kind in a sliding window ("API Gateway, Error Codes": 0308)."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], deque[float]] = {}

    def check(self, cloud: Cloud, user: str, kind: str, now: float) -> None:
        """Count a call. Raises: GatewayError 429."""
        knobs = cloud.knobs
        if not knobs.rate_limit or knobs.rate_kind not in ("all", kind):
            return
        calls = self._calls.setdefault((user, kind), deque())
        while calls and calls[0] <= now - knobs.rate_window_seconds:
            calls.popleft()
        over = len(calls) >= knobs.rate_limit
        if not over or knobs.rate_counts_rejected:
            calls.append(now)
        if over:
            window = "1 minute" if knobs.rate_window_seconds == 60 else f"{knobs.rate_window_seconds:g} second"
            raise GatewayError(
                429,
                "0308",
                "The throttling threshold has been reached: policy user over ratelimit,"
                f"limit:{knobs.rate_limit},time:{window}",
                {"Retry-After": str(knobs.retry_after)} if knobs.retry_after else None,
            )
