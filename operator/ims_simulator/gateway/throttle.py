"""The gateway's rate limit: counts the calls of each user and kind in a sliding window."""

from __future__ import annotations

from collections import deque

from ims_simulator.replies.errors import GatewayError
from ims_simulator.state.cloud import Cloud


class Throttle:
    """Counts calls per user and kind. Source of the reply: "API Gateway, Error Codes", 0308."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], deque[float]] = {}

    def check(self, cloud: Cloud, user: str, kind: str, now: float) -> None:
        """Count a call. Raises: GatewayError 429 for one too many."""
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
