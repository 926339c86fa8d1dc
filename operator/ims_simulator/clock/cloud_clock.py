"""The cloud's own time: the real time, or one that is ahead of it, faster, slower or stopped.

Jobs, tokens, rate windows, delays of rows and the Date of replies follow this clock, so a test of a ten-minute copy
need not take ten minutes. The clock never goes back. When it is set back to the real time while it is ahead, it stops
until the real time has caught up. Delays of faults are real seconds, because the client that waits is real.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from ims_simulator.clock.timestamps import iso_millis
from ims_simulator.parsing import JsonObject, StrictModel

Clock = Callable[[], float]
"""Returns seconds since the epoch; tests replace it."""

LATEST = datetime(9000, 1, 1, tzinfo=UTC).timestamp()
"""The latest time that can be set. Dates end with the year 9999."""


class ClockError(ValueError):
    """The clock can't be set to this time; the text gives the reason."""


class ClockSetting(BaseModel):
    """The cloud's time was `time` when the real time was `real`, and has run at `speed` since then."""

    real: float
    time: float
    speed: float

    def at(self, real: float) -> float:
        """The cloud's time at a real time."""
        return self.time + (real - self.real) * self.speed


class ClockChange(StrictModel):
    """Body of POST /_simulator/clock; an absent field changes nothing."""

    advance_seconds: float | None = Field(None, ge=0, description="move the clock forward by this much, at once")
    now: AwareDatetime | None = Field(None, description="move the clock forward to this time, at once")
    frozen: bool | None = Field(None, description="stop the clock, or let it run at the speed of the real time")
    speed: float | None = Field(None, ge=0, le=100_000, description="seconds of the cloud per real second")
    real: Literal[True] | None = Field(None, description="follow the real time again, once that has caught up")

    @model_validator(mode="after")
    def _is_consistent(self) -> ClockChange:
        if self.real and self.model_fields_set != {"real"}:
            raise ValueError("real can't be combined with another field")
        if self.advance_seconds is not None and self.now is not None:
            raise ValueError("give either advance_seconds or now, not both")
        if self.frozen is not None and self.speed is not None:
            raise ValueError("give either frozen or speed, not both: frozen means speed 0")
        return self


class CloudClock:
    """Returns the cloud's time; its setting can be kept in a state file."""

    def __init__(self, base: Clock, changed: Callable[[], None] = lambda: None) -> None:
        """`changed` is called after each change of the setting."""
        self._base = base
        self._changed = changed
        self._setting: ClockSetting | None = None
        self._latest = -math.inf

    def __call__(self) -> float:
        """Seconds since the epoch, never less than in an earlier call."""
        real = self._base()
        self._latest = max(self._latest, real if self._setting is None else self._setting.at(real))
        return self._latest

    def apply(self, change: ClockChange) -> None:
        """Set the clock. Raises: ClockError."""
        now, speed = self(), 1.0 if self._setting is None else self._setting.speed
        then = now + (change.advance_seconds or 0.0) if change.now is None else change.now.timestamp()
        if then < now:
            raise ClockError(f"now must not be before {iso_millis(now)}, the cloud's time: the clock can't go back")
        if then > LATEST:
            raise ClockError(f"the clock can't be set beyond {iso_millis(LATEST)}")
        if change.frozen is not None:
            speed = 0.0 if change.frozen else 1.0
        elif change.speed is not None:
            speed = change.speed
        self._set(None if change.real else ClockSetting(real=self._base(), time=then, speed=speed))

    def freeze_at(self, time: float) -> None:
        """Stop the clock at `time`, or at the latest time it has returned if that is later."""
        self._set(ClockSetting(real=self._base(), time=max(time, self._latest), speed=0.0))

    def _set(self, setting: ClockSetting | None) -> None:
        self._setting = setting
        self._changed()

    def load(self, value: object) -> None:
        """Restore the setting from the state file. Raises: ValueError."""
        self._setting = None if value is None else ClockSetting.model_validate(value)

    def not_before(self, time: float) -> None:
        """Make sure that the clock never returns a time before `time`."""
        self._latest = max(self._latest, time)

    def setting_json(self) -> str:
        """The setting as JSON for the state file; null while the clock follows the real time."""
        return "null" if self._setting is None else self._setting.model_dump_json()

    def shown(self) -> JsonObject:
        """The clock as GET /_simulator/clock shows it."""
        now, real = self(), self._base()
        speed = 1.0 if self._setting is None else self._setting.speed
        return {
            "now": iso_millis(now),
            "epoch_seconds": now,
            "frozen": speed == 0,
            "speed": speed,
            "ahead_seconds": None if speed == 0 else round(now - real, 3),
            "real": self._setting is None,
        }
