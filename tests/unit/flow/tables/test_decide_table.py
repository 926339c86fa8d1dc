"""``decide`` as a table: the rows are in the modules beside it, by the stage of the copy."""

from collections.abc import Iterable
from dataclasses import replace
from enum import Enum
from typing import get_args

import pytest

from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.api.imagecopy import AttemptOutcome, Phase
from imagecopy.flow.decide import decide
from imagecopy.flow.observation import (
    Cause,
    ImageState,
    JobObserved,
    JobState,
    NothingObserved,
    Observation,
    Postponed,
    PreflightObserved,
    SlotsBusy,
    TargetObserved,
    TargetsObserved,
    Trouble,
)
from imagecopy.flow.steps import Step
from imagecopy.flow.view import Need, begin_retry, needs
from unit.flow.builders import Row, at, value_at
from unit.flow.tables import deletion, end, job, post, project, settle, start

ROWS: tuple[Row, ...] = (
    *start.ROWS,
    *post.ROWS,
    *settle.ROWS,
    *job.ROWS,
    *end.ROWS,
    *project.ROWS,
)

ANSWERS: dict[Need, tuple[type, ...]] = {
    Need.NOTHING: (NothingObserved,),
    Need.PREFLIGHT: (PreflightObserved, SlotsBusy, Trouble),
    Need.JOB: (JobObserved, Postponed, TargetsObserved, Trouble),
    Need.TARGETS: (TargetsObserved, Trouble),
    Need.TARGET: (TargetObserved, Trouble),
}
"""What a look can bring."""


def _decided(row: Row) -> Step:
    return decide(begin_retry(row.view, at(row.seconds)), row.seen, at(row.seconds))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_decided(row: Row) -> None:
    step = _decided(row)
    status = step.status
    told = {c.type: (c.status, c.reason) for c in status.conditions}
    assert status.phase == row.phase
    assert told.get(ConditionType.READY) == row.ready
    working = row.phase in (Phase.PENDING, Phase.COPYING) if row.reconciling is None else row.reconciling
    assert (ConditionType.RECONCILING in told, ConditionType.STALLED in told) == (working, row.phase is Phase.FAILED)
    assert {kind: told.get(kind) for kind in row.also} == row.also
    assert type(step.action) is (row.act or type(None))
    if row.again is None:
        assert step.requeue_after is None
    else:
        assert step.requeue_after is not None
        assert row.again[0] <= step.requeue_after <= row.again[1]
    assert tuple(event.reason for event in step.events) == row.events
    wire = status.to_wire()
    assert {path: value_at(wire, path) for path in row.fields} == row.fields


@pytest.mark.parametrize("row", [row for row in ROWS if row.need], ids=lambda row: row.id)
def test_what_is_looked_at_before(row: Row) -> None:
    need = needs(begin_retry(row.view, at(row.seconds)), at(row.seconds))
    assert need is row.need
    assert isinstance(row.seen, ANSWERS[need]), "a look at this can't bring that"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_deciding_again_changes_nothing(row: Row) -> None:
    """A look alone must not be worth a write: the same seen a moment later leaves the status as it is."""
    first = _decided(row)
    if first.action is not None or row.need is None or isinstance(row.seen, NothingObserved | Trouble):
        return
    view = replace(row.view, status=first.status)
    if needs(begin_retry(view, at(row.seconds)), at(row.seconds)) is not row.need:
        return
    assert decide(begin_retry(view, at(row.seconds)), row.seen, at(row.seconds)).status == first.status


def _troubles(seen: Observation) -> Iterable[Trouble]:
    if isinstance(seen, Trouble):
        yield seen
    elif isinstance(found := getattr(seen, "trouble", None), Trouble):
        yield found


def _shown() -> set[tuple[type, str]]:
    """The members of enums that some row expects or is about, by class and name: words of two enums may be equal."""
    shown: list[object] = []
    for row in ROWS:
        shown += [row.phase, row.need, getattr(row.seen, "state", None), *row.fields.values()]
        shown += [reason for _, reason in (*row.also.values(), *([row.ready] if row.ready else []))]
        shown += [trouble.cause for trouble in _troubles(row.seen)]
        shown += [target.state for target in (getattr(row.seen, "target", None),) if target is not None]
    for told in deletion.ROWS:
        shown += [told.phase, told.reason]
    return {(type(thing), thing.name) for thing in shown if isinstance(thing, Enum)}


CLOSED_SETS: tuple[type[Enum], ...] = (Phase, Reason, Cause, AttemptOutcome, Need, JobState, ImageState)


@pytest.mark.parametrize("closed", CLOSED_SETS, ids=lambda closed: closed.__name__)
def test_each_member_has_a_row(closed: type[Enum]) -> None:
    shown = _shown()
    assert [member for member in closed if (closed, member.name) not in shown] == []


def test_each_thing_seen_has_a_row() -> None:
    assert set(get_args(Observation)) - {type(row.seen) for row in ROWS} == set()


def test_each_condition_has_a_row_where_it_is_there() -> None:
    told = {condition.type for row in ROWS for condition in _decided(row).status.conditions}
    assert told == set(ConditionType)
    assert {kind for row in ROWS for kind in row.also} == set(ConditionType) - {
        ConditionType.READY,
        ConditionType.RECONCILING,
        ConditionType.STALLED,
    }
