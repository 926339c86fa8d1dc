"""``decide_deletion`` as a table: the rows are in deletion.py."""

from dataclasses import replace
from typing import get_args

import pytest

from imagecopy.api.conditions import ConditionStatus, ConditionType
from imagecopy.flow.deletion import DeleteImage, DeletionStep, Observation, decide_deletion, deletion_needs
from imagecopy.flow.observation import JobState, Trouble
from imagecopy.flow.view import Need
from unit.flow.builders import at, value_at
from unit.flow.machine.model import check_stored
from unit.flow.tables.deletion import JOB_STATES, RETAINS, ROWS, DeletionRow

_NOW = at(700)


def _decided(row: DeletionRow) -> DeletionStep:
    return decide_deletion(row.view, row.seen, _NOW)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_decided(row: DeletionRow) -> None:
    step = _decided(row)
    status = step.status
    check_stored(status)
    assert status.phase is row.phase
    conditions = {c.type: c for c in status.conditions}
    if row.reason is not None:
        ready, reconciling = conditions[ConditionType.READY], conditions[ConditionType.RECONCILING]
        assert (ready.status, ready.reason) == (ConditionStatus.FALSE, row.reason)
        assert (reconciling.status, reconciling.reason) == (ConditionStatus.TRUE, row.reason)
        assert row.says in ready.message
        assert ConditionType.STALLED not in conditions
    else:
        assert status.conditions == row.view.status.conditions
    assert isinstance(step.action, DeleteImage) is row.deletes
    if row.again is None:
        assert step.requeue_after is None
    else:
        assert step.requeue_after is not None
        assert row.again[0] <= step.requeue_after <= row.again[1]
    assert tuple(event.reason for event in step.events) == row.events
    wire = status.to_wire()
    assert {path: value_at(wire, path) for path in row.fields} == row.fields


@pytest.mark.parametrize("row", [row for row in ROWS if row.need], ids=lambda row: row.id)
def test_what_is_looked_at_before(row: DeletionRow) -> None:
    assert deletion_needs(row.view) is row.need


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_deciding_again_changes_nothing(row: DeletionRow) -> None:
    first = _decided(row)
    view = replace(row.view, status=first.status)
    if first.requeue_after is None or first.action or row.need is None or deletion_needs(view) is not row.need:
        return
    again = decide_deletion(view, row.seen, _NOW)
    assert (again.status, again.events) == (first.status, ())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_switch_to_retain_frees_at_any_time(row: DeletionRow) -> None:
    assert deletion_needs(replace(row.view, spec=RETAINS)) is Need.NOTHING
    assert deletion_needs(replace(row.view, spec=RETAINS, status=_decided(row).status)) is Need.NOTHING


def test_only_what_carries_our_marker_is_deleted() -> None:
    for row in ROWS:
        step = _decided(row)
        if step.action is None:
            continue
        seen = getattr(row.seen, "targets", None) or (getattr(row.seen, "target", None),)
        named = [target for target in seen if target is not None and target.id == step.action.image_id]
        assert named
        assert {target.marker.owner for target in named if target.marker} == {row.view.owner}


def test_each_thing_seen_and_each_need_has_a_row() -> None:
    assert set(get_args(Observation)) - {type(row.seen) for row in ROWS} == set()
    assert {row.need for row in ROWS if row.need} == set(Need) - {Need.PREFLIGHT}
    assert set(JobState) == JOB_STATES


def test_trouble_never_lets_go() -> None:
    assert [row.id for row in ROWS if isinstance(row.seen, Trouble) and _decided(row).requeue_after is None] == []
