"""The columns of the matrix: what else goes wrong in a round.

There are three kinds: faults of the simulator (from the start of the round, or from a kill on), false replies to calls
of the API server, and outages that begin with a kill.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from random import Random
from typing import Final, TypeVar

from chaos.points import Need, status_write
from chaos.proxy import FalseReply, Moment, Reply, Request

_T = TypeVar("_T")

SimulatorFault = dict[str, object]
"""Body of POST /_simulator/faults, without its count."""

ROW_DELAY_SECONDS: Final = 6.0
"""Delay before a copy appears in reads. The operator's settle window is longer."""
_READ_TIMEOUT_SECONDS: Final = 33.0
"""Longer than the operator waits for a reply of the cloud (30 s)."""


class Outage(Enum):
    """What fails together with the operator."""

    API_DOWN = auto()
    API_RESTART = auto()
    CLOUD_DOWN = auto()
    WATCHES = auto()


@dataclass(frozen=True)
class Fault:
    """One column."""

    name: str
    short: str
    """Heading of the column."""
    calls: tuple[SimulatorFault, ...] = ()
    """Faults of copy calls; one of them is injected at the start of the round."""
    job: SimulatorFault | None = None
    """Fault of accepted copies, injected at the start of the round."""
    later: tuple[SimulatorFault, ...] = ()
    """Faults of other calls; one of them is injected at a kill."""
    api: tuple[FalseReply, ...] = ()
    """False replies to calls of the API server; one of them is used from a kill on."""
    outage: Outage | None = None
    fulfils: frozenset[Need] = frozenset()
    """Needs of points that this fault fulfils, see :class:`chaos.points.Need`."""
    slow: bool = False
    """Whether it takes half a minute. Such a fault is combined with few points."""

    def at_start(self, rng: Random) -> Sequence[SimulatorFault]:
        """Return the faults of the simulator at the start of a round."""
        return [*([self.job] if self.job else []), *_one_of(rng, self.calls)]

    def at_kill(self, rng: Random) -> Sequence[SimulatorFault]:
        """Return the faults of the simulator from a kill on."""
        return _one_of(rng, self.later)

    def false_replies(self, rng: Random) -> list[FalseReply]:
        """Return the false replies to calls of the API server from a kill on."""
        return [replace(false, count=rng.randint(1, false.count)) for false in _one_of(rng, self.api)]


def _one_of(rng: Random, choices: Sequence[_T]) -> list[_T]:
    return [rng.choice(choices)] if choices else []


_COPY: Final[SimulatorFault] = {"match": {"kind": "copy"}}
_READS: Final[SimulatorFault] = {"match": {"kind": ["job", "list", "image"]}}
_ALL: Final[SimulatorFault] = {"match": {"kind": ["job", "list", "image", "tags", "delete", "copy"]}}
_CUT: Final[SimulatorFault] = {"cut": True}
_LATE_ROW: Final[SimulatorFault] = {"job": {"row_delay_seconds": ROW_DELAY_SECONDS}}
_ACTED: Final[SimulatorFault] = {"when": "after"}
_THROTTLED: Final[SimulatorFault] = {
    "reply": {"status": 429, "code": "0308", "headers": {"Retry-After": "1"}},
}
_TOO_MANY_JOBS: Final[SimulatorFault] = {
    "reply": {"status": 400, "shape": "ims", "code": "IMG.0060", "message": "too many jobs"},
}


def _answer(status: int, shape: str = "gateway") -> SimulatorFault:
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


def _written(moment: Moment, status: int | None) -> FalseReply:
    return FalseReply(status_write, moment, 3, status)


def _discovery(request: Request, _: Reply | None) -> bool:
    """Match the request for the API groups. An API server that just started may leave ours out of its reply."""
    return request.method == "GET" and request.path == "/apis"


FAULTS: Final = (
    Fault("none", "none"),
    Fault("reply-lost", "lost", calls=_LOST, fulfils=_UNKNOWN),
    Fault("reply-lost-row-late", "lost+late", calls=_LOST, job=_LATE_ROW, fulfils=_UNKNOWN),
    Fault("5xx-after-accept", "5xx-acc", calls=_ACCEPTED_5XX, fulfils=_UNKNOWN),
    Fault("5xx-nothing-made", "5xx-not", calls=(_COPY | _answer(500), _COPY | _answer(503)), fulfils=_UNKNOWN),
    Fault("throttled", "429", calls=(_COPY | _THROTTLED,), later=(_ALL | _THROTTLED,)),
    Fault("too-many-jobs", "0060", calls=(_COPY | _TOO_MANY_JOBS,)),
    Fault("slow-reply", "slow", calls=(_COPY | _ACTED | {"delay_seconds": 3.0},)),
    Fault("read-timeout", "timeout", calls=(_COPY | _ACTED | {"delay_seconds": _READ_TIMEOUT_SECONDS},), slow=True),
    Fault(
        "job-fails",
        "jobfail",
        job={"job": {"fail": True, "error_code": "IMG.0061"}},
        fulfils=frozenset({Need.FAILED_JOB}),
    ),
    Fault("row-late", "rowlate", job=_LATE_ROW),
    Fault("job-forgotten", "forgot", job={"job": {"forget": True}}),
    Fault("looks-fail", "looks", later=(_READS | _answer(503), _READS | _CUT, _READS | _answer(200, "empty"))),
    Fault("cloud-down", "cloud0", outage=Outage.CLOUD_DOWN),
    Fault("api-reply-lost", "api-lost", api=(_written(_AFTER, None), _written(_AFTER, 504))),
    Fault("api-refuses", "api-5xx", api=tuple(_written(_BEFORE, status) for status in (500, 503, 429, None))),
    Fault("api-conflict", "api-409", api=(_written(_BEFORE, 409), _written(_AFTER, 409))),
    Fault("api-forgets", "api-crd", api=(FalseReply(_discovery, _BEFORE, 1, 200, {"groups": []}),)),
    Fault("watch-cut", "watch", outage=Outage.WATCHES),
    Fault("api-down", "api-down", outage=Outage.API_DOWN),
    Fault("api-restart", "restart", outage=Outage.API_RESTART),
)

BY_NAME: Final = {fault.name: fault for fault in FAULTS}
