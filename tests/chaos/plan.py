"""The plans of the rounds: a round's number and the seed always give the same plan.

The rounds of a seed visit all cells of the matrix (point x fault), one cell each, in an order that depends on the seed.
Other points are added at random, so that each round kills several times.
"""

from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Final

from chaos.faults import FAULTS, Fault
from chaos.points import BY_NAME, ORDER, POINTS, After, Need, Point, Stage

_SLOW_POINTS: Final = ("random", "lookup", "before-terminal", "post-lands")
"""Points that are combined with slow faults."""
_LOSING: Final = frozenset(
    {"after-intent", "intent-lands", "intent-lands-late", "post-lost", "post-lands-late", "frozen-after-intent"}
)
"""Points after which the settle window has to pass. A round has one of them at most."""
_LAST: Final = ORDER["random"]
_JOB_KNOWN: Final = ORDER["after-job-id"]
_SHORT_COPY_SECONDS: Final = 1.0
_LONG_COPY_SECONDS: Final = 9.0
_MOST_OBJECTS: Final = 50


@dataclass(frozen=True)
class Kill:
    """One kill at a point."""

    point: Point
    skip: int = 0
    """How many matching requests pass before the one that is held."""
    pause: float = 0.0
    """Seconds before the kill, for a point without a request."""
    late: float = 0.0
    """Seconds from the next operator's first watch until a late request is forwarded."""
    cold: bool = False
    """Whether the next operator is started as a command, which loads all modules."""
    both: bool = True
    """Whether both operators are killed, where two run."""


@dataclass(frozen=True)
class PlannedCopy:
    """One ImageCopy of a round."""

    name: str
    tags: dict[str, str]
    delete: bool
    """Whether its deletionPolicy is Delete."""
    halt: bool
    """Whether its unknownOutcomePolicy is Halt, until the round sets Retry."""


@dataclass(frozen=True)
class Round:
    """The plan of one round."""

    seed: int
    number: int
    fault: Fault
    job_fails: bool
    kills: tuple[Kill, ...]
    objects: tuple[PlannedCopy, ...]
    copy_seconds: float
    two_operators: bool
    """Whether two operators run at once."""
    deleted_early: bool
    """Whether the objects are deleted before their copies have ended."""

    def stage(self, stage: Stage) -> tuple[Kill, ...]:
        """Return the kills of one part of the round."""
        return tuple(kill for kill in self.kills if kill.point.stage is stage)

    @property
    def rng(self) -> Random:
        """A random generator for the round, seeded with its number."""
        return Random(f"{self.seed}/{self.number}/run")

    def __str__(self) -> str:
        kinds = [*(["two operators"] if self.two_operators else []), *(["deleted early"] if self.deleted_early else [])]
        points = [kill.point.name for kill in self.kills]
        return f"round {self.number}: {len(self.objects)} objects, {self.fault.name}: {', '.join([*points, *kinds])}"


@lru_cache(maxsize=8)
def cells(seed: int) -> tuple[tuple[Point, Fault], ...]:
    """Return all cells of the matrix in the order of a seed."""
    every = [(point, fault) for point in POINTS for fault in FAULTS if not fault.slow or point.name in _SLOW_POINTS]
    Random(f"{seed}/cells").shuffle(every)
    return tuple(every)


def plan(seed: int, number: int, most_objects: int = _MOST_OBJECTS) -> Round:
    """Return the plan of a round. Rounds are counted from 0."""
    rng = Random(f"{seed}/{number}")
    every = cells(seed)
    point, fault = every[number % len(every)]
    return compose(seed, number, fault, [point, *_others(rng, point, most_objects)], most_objects=most_objects)


def compose(
    seed: int,
    number: int,
    fault: Fault,
    points: list[Point],
    *,
    most_objects: int = _MOST_OBJECTS,
    objects: int | None = None,
) -> Round:
    """Return a round with this fault and these points. Everything else follows from seed and number."""
    rng = Random(f"{seed}/{number}/compose")
    count = objects or min(_count(rng), most_objects)
    # A random kill comes after the first point, which might otherwise never be reached.
    places = ORDER | {"random": rng.randint(min(ORDER[points[0].name], _LAST), _LAST)}
    points = sorted(_complete(points, fault), key=lambda point: places[point.name])
    needs = frozenset().union(*(point.needs for point in points))
    if Need.IN_FLIGHT in needs:
        points = [point for point in points if point.stage is Stage.DELETION or ORDER[point.name] <= _JOB_KNOWN]
    long = Need.LONG_COPY in needs or rng.random() < (0.6 if Need.UNKNOWN_OUTCOME in fault.fulfils else 0.3)
    two_operators = rng.random() < 0.12
    deleted_early = Need.IN_FLIGHT in needs or rng.random() < 0.12
    tags = Need.TAGS in needs or rng.random() < 0.3
    delete = 1.0 if Need.DELETE_POLICY in needs else 0.4
    halt = 0.0 if deleted_early else 0.12
    return Round(
        seed=seed,
        number=number,
        fault=fault,
        job_fails=Need.FAILED_JOB in needs,
        kills=tuple(_kill(rng, point) for point in points),
        objects=tuple(
            PlannedCopy(
                name=f"r{number}-{index}",
                tags={"round": str(number), "team": "chaos"} if tags else {},
                delete=rng.random() < delete,
                halt=rng.random() < halt,
            )
            for index in range(count)
        ),
        copy_seconds=_LONG_COPY_SECONDS if long and count <= 10 else _SHORT_COPY_SECONDS,
        two_operators=two_operators,
        deleted_early=deleted_early,
    )


def _count(rng: Random) -> int:
    chance = rng.random()
    if chance < 0.45:
        return 1
    if chance < 0.85:
        return rng.randint(2, 6)
    return rng.randint(7, 20) if chance < 0.96 else _MOST_OBJECTS


def _others(rng: Random, first: Point, most_objects: int) -> list[Point]:
    """Return further points for the round of a cell."""
    most = rng.choice((1, 2, 2, 3, 3, 4)) if most_objects > 1 else rng.choice((0, 1, 2, 3))
    lost = first.name in _LOSING
    others: list[Point] = []
    for point in rng.sample(POINTS, len(POINTS)):
        if len(others) == most:
            break
        excluded = point is first or Need.FAILED_JOB in point.needs or point.after is After.FROZEN
        if excluded or (lost and point.name in _LOSING):
            continue
        lost = lost or point.name in _LOSING
        others.append(point)
    return [*others, BY_NAME["random"]] if first.name != "random" and rng.random() < 0.5 else others


def _complete(points: list[Point], fault: Fault) -> list[Point]:
    """Add the points without which others can't be reached."""
    unknown = any(Need.UNKNOWN_OUTCOME in point.needs for point in points)
    fulfilled = Need.UNKNOWN_OUTCOME in fault.fulfils or any(point.name in _LOSING for point in points)
    if unknown and not fulfilled and BY_NAME["post-acted-no-reply"] not in points:
        return [*points, BY_NAME["post-acted-no-reply"]]
    return list(dict.fromkeys(points))


def _kill(rng: Random, point: Point) -> Kill:
    return Kill(
        point,
        skip=rng.choice((0, 0, 0, 1)) if point.name in ("poll", "poll-while-running", "lookup") else 0,
        pause=rng.uniform(0, 6) if point.name == "random" else rng.uniform(0, 2),
        late=rng.uniform(0, 1.5),
        cold=rng.random() < 0.1,
        both=rng.random() < 0.4,
    )
