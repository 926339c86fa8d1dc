"""The cloud's own time: real, ahead of the real one, faster, slower, or standing still.

Jobs, tokens, rate windows, delays of rows and the Date of replies follow it, so that a ten-minute copy takes no ten
minutes. It never goes back, as a cloud's does not: told to be the real time again while it is ahead, it stands
still until the real time has caught up. Delays of faults are real seconds, because the client who waits is real.
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
"""Seconds since the epoch; tests bring their own."""

LATEST = datetime(9000, 1, 1, tzinfo=UTC).timestamp()
"""No later time can be set: dates end with the year 9999."""


class ClockError(ValueError):
    """The clock can't be set so; the text says why."""


class ClockSetting(BaseModel):
    """How the cloud's time differs from the real one: at `real` it was `time`, and since then it goes at `speed`."""

    real: float
    time: float
    speed: float

    def at(self, real: float) -> float:
        """The cloud's time at a real one."""
        return self.time + (real - self.real) * self.speed


class ClockOrder(StrictModel):
    """Body of POST /_simulator/clock; what is absent stays as it is."""

    advance_seconds: float | None = Field(None, ge=0, description="go forward by so much at once")
    now: AwareDatetime | None = Field(None, description="go forward to this time at once")
    frozen: bool | None = Field(None, description="stand still, or go on at the speed of the real time")
    speed: float | None = Field(None, ge=0, le=100_000, description="seconds of the cloud per real second")
    real: Literal[True] | None = Field(None, description="be the real time again, as soon as it has caught up")

    @model_validator(mode="after")
    def _fits_together(self) -> ClockOrder:
        if self.real and self.model_fields_set != {"real"}:
            raise ValueError("real goes alone")
        if self.advance_seconds is not None and self.now is not None:
            raise ValueError("advance_seconds and now exclude each other")
        if self.frozen is not None and self.speed is not None:
            raise ValueError("frozen and speed exclude each other: frozen is speed 0")
        return self


class CloudClock:
    """Tells the cloud's time; a state file keeps how it is set."""

    def __init__(self, base: Clock, changed: Callable[[], None] = lambda: None) -> None:
        """`changed` is called after each change of the setting."""
        self._base = base
        self._changed = changed
        self._setting: ClockSetting | None = None
        self._told = -math.inf

    def __call__(self) -> float:
        """Seconds since the epoch; never less than what was told before."""
        real = self._base()
        self._told = max(self._told, real if self._setting is None else self._setting.at(real))
        return self._told

    def carry_out(self, order: ClockOrder) -> None:
        """Set the clock. Raises: ClockError."""
        now, speed = self(), 1.0 if self._setting is None else self._setting.speed
        then = now + (order.advance_seconds or 0.0) if order.now is None else order.now.timestamp()
        if then < now:
            raise ClockError(f"now must not be before {iso_millis(now)}: time does not go back")
        if then > LATEST:
            raise ClockError("time ends before the year 9000")
        if order.frozen is not None:
            speed = 0.0 if order.frozen else 1.0
        elif order.speed is not None:
            speed = order.speed
        self._set(None if order.real else ClockSetting(real=self._base(), time=then, speed=speed))

    def stand_at(self, time: float) -> None:
        """Stand still at `time`, or at the latest time that is known if that is later."""
        self._set(ClockSetting(real=self._base(), time=max(time, self._told), speed=0.0))

    def _set(self, setting: ClockSetting | None) -> None:
        self._setting = setting
        self._changed()

    def load(self, value: object) -> None:
        """Take the setting of the state file. Raises: ValueError."""
        self._setting = None if value is None else ClockSetting.model_validate(value)

    def not_before(self, time: float) -> None:
        """Never tell a time before this one."""
        self._told = max(self._told, time)

    def setting_json(self) -> str:
        """The setting for the state file; null while the cloud's time is the real one."""
        return "null" if self._setting is None else self._setting.model_dump_json()

    def shown(self) -> JsonObject:
        """The clock as GET /_simulator/clock tells it."""
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
