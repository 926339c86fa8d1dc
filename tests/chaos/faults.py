"""The columns of the matrix: what else goes wrong in a round.

Three kinds: what the simulator does with calls and jobs of the cloud (from the start of the round, or from a kill on),
what the gateway does with calls of the API server, and outages that begin with a kill.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from random import Random
from typing import Final, TypeVar

from chaos.gateway import Moment, Reply, Request, Spoiler
from chaos.points import Need, status_write

_T = TypeVar("_T")

Order = dict[str, object]
"""A fault as the simulator takes it, without its count."""

ROW_DELAY_SECONDS: Final = 6.0
"""How late a copy shows up in reads; the operator's settle window is longer."""
_READ_TIMEOUT_SECONDS: Final = 33.0
"""Longer than the operator waits for a reply of the cloud (30 s)."""


class Outage(Enum):
    """What goes away together with the operator, or at any moment."""

    API_DOWN = auto()
    API_RESTART = auto()
    CLOUD_DOWN = auto()
    WATCHES = auto()


@dataclass(frozen=True)
class Fault:
    """One column."""

    name: str
    short: str
    """Its heading."""
    calls: tuple[Order, ...] = ()
    """What strikes copy calls from the start of the round on: one of them."""
    job: Order | None = None
    """What strikes accepted copies."""
    later: tuple[Order, ...] = ()
    """What strikes some calls from a kill on: one of them."""
    api: tuple[Spoiler, ...] = ()
    """What spoils calls of the API server from a kill on: one of them."""
    outage: Outage | None = None
    gives: frozenset[Need] = frozenset()
    """What it brings about; see :class:`chaos.points.Need`."""
    slow: bool = False
    """Takes half a minute, so that it is not combined with every point."""

    def at_start(self, rng: Random) -> Sequence[Order]:
        """Return what is ordered of the simulator when a round begins."""
        return [*([self.job] if self.job else []), *_one_of(rng, self.calls)]

    def at_kill(self, rng: Random) -> Sequence[Order]:
        """Return what is ordered of the simulator together with a kill."""
        return _one_of(rng, self.later)

    def spoilers(self, rng: Random) -> list[Spoiler]:
        """Return what spoils calls of the API server together with a kill."""
        return [replace(spoiler, count=rng.randint(1, spoiler.count)) for spoiler in _one_of(rng, self.api)]


def _one_of(rng: Random, choices: Sequence[_T]) -> list[_T]:
    return [rng.choice(choices)] if choices else []


_COPY: Final[Order] = {"match": {"kind": "copy"}}
_LOOKS: Final[Order] = {"match": {"kind": ["job", "list", "image"]}}
_ALL: Final[Order] = {"match": {"kind": ["job", "list", "image", "tags", "delete", "copy"]}}
_CUT: Final[Order] = {"cut": True}
_LATE_ROW: Final[Order] = {"job": {"row_delay_seconds": ROW_DELAY_SECONDS}}
_ACTED: Final[Order] = {"when": "after"}
_THROTTLED: Final[Order] = {
    "reply": {"status": 429, "code": "0308", "headers": {"Retry-After": "1"}},
}
_TOO_MANY_JOBS: Final[Order] = {
    "reply": {"status": 400, "shape": "ims", "code": "IMG.0060", "message": "too many jobs"},
}


def _answer(status: int, shape: str = "gateway") -> Order:
    return {"reply": {"status": status, "shape": shape}}


_UNKNOWN = frozenset({Need.UNKNOWN_OUTCOME})
_LOST: Final = (_COPY | _ACTED | _CUT,)
_ACCEPTED_5XX: Final = (
    _COPY | _ACTED | _answer(504, "html"),
    _COPY | _ACTED | _answer(502),
    _COPY | _ACTED | _answer(503),
    _COPY | _ACTED | _answer(500),
    _COPY | _ACTED | _answer(200, "empty"),
)
_BEFORE, _AFTER = Moment.BEFORE, Moment.AFTER


def _written(moment: Moment, status: int | None) -> Spoiler:
    return Spoiler(status_write, moment, 3, status)


def _discovery(request: Request, _: Reply | None) -> bool:
    """Match the question which groups of resources there are; an API server that just started may leave ours out."""
    return request.method == "GET" and request.path == "/apis"


FAULTS: Final = (
    Fault("none", "none"),
    Fault("reply-lost", "lost", calls=_LOST, gives=_UNKNOWN),
    Fault("reply-lost-row-late", "lost+late", calls=_LOST, job=_LATE_ROW, gives=_UNKNOWN),
    Fault("5xx-after-accept", "5xx-acc", calls=_ACCEPTED_5XX, gives=_UNKNOWN),
    Fault("5xx-nothing-made", "5xx-not", calls=(_COPY | _answer(500), _COPY | _answer(503)), gives=_UNKNOWN),
    Fault("throttled", "429", calls=(_COPY | _THROTTLED,), later=(_ALL | _THROTTLED,)),
    Fault("too-many-jobs", "0060", calls=(_COPY | _TOO_MANY_JOBS,)),
    Fault("slow-reply", "slow", calls=(_COPY | _ACTED | {"delay_seconds": 3.0},)),
    Fault("read-timeout", "timeout", calls=(_COPY | _ACTED | {"delay_seconds": _READ_TIMEOUT_SECONDS},), slow=True),
    Fault(
        "job-fails",
        "jobfail",
        job={"job": {"fail": True, "error_code": "IMG.0061"}},
        gives=frozenset({Need.FAILED_JOB}),
    ),
    Fault("row-late", "rowlate", job=_LATE_ROW),
    Fault("job-forgotten", "forgot", job={"job": {"forget": True}}),
    Fault("looks-fail", "looks", later=(_LOOKS | _answer(503), _LOOKS | _CUT, _LOOKS | _answer(200, "empty"))),
    Fault("cloud-down", "cloud0", outage=Outage.CLOUD_DOWN),
    Fault("api-reply-lost", "api-lost", api=(_written(_AFTER, None), _written(_AFTER, 504))),
    Fault("api-refuses", "api-5xx", api=tuple(_written(_BEFORE, status) for status in (500, 503, 429, None))),
    Fault("api-conflict", "api-409", api=(_written(_BEFORE, 409), _written(_AFTER, 409))),
    Fault("api-forgets", "api-crd", api=(Spoiler(_discovery, _BEFORE, 1, 200, {"groups": []}),)),
    Fault("watch-cut", "watch", outage=Outage.WATCHES),
    Fault("api-down", "api-down", outage=Outage.API_DOWN),
    Fault("api-restart", "restart", outage=Outage.API_RESTART),
)

BY_NAME: Final = {fault.name: fault for fault in FAULTS}
