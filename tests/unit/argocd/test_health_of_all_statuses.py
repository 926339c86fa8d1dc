"""kstatus, kubectl wait and Argo CD read every status that `flow` can produce in the same way, and without errors."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant

from gitops.agreement import disagreements
from gitops.argocd import KINDS, Health, check, discover
from gitops.kstatus import wait_is_over
from gitops.providers import REASONS, providers
from gitops.stages import body, image_copies
from imagecopy.api.conditions import ConditionType, Reason
from imagecopy.api.imagecopy import Phase
from imagecopy.flow.decide import decide
from imagecopy.flow.deletion import decide_deletion
from imagecopy.flow.view import View, begin_retry, needs
from unit.flow.builders import Row, asked, at, edited, new
from unit.flow.machine.test_decide_machine import Machine
from unit.flow.tables.deletion import ROWS as DELETION_ROWS
from unit.flow.tables.test_decide_table import ANSWERS, ROWS


def _told() -> list[tuple[str, View]]:
    """Return what each row of the tables stores."""
    told = []
    for row in ROWS:
        status = decide(begin_retry(row.view, at(row.seconds)), row.seen, at(row.seconds)).status
        told.append((row.id, replace(row.view, status=status)))
    return told


TOLD = _told()
_AGREED: set[tuple[int, str]] = set()


@pytest.mark.parametrize("view", [pytest.param(view, id=name) for name, view in TOLD])
def test_status_is_read_alike_by_all_tools(view: View) -> None:
    assert disagreements(body(view)) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_whatever_is_seen_next_is_read_alike_by_all_tools(row: Row) -> None:
    """From each state, by each look that may follow, whether or not a retry is asked for."""
    now = at(row.seconds)
    for start in (row.view, asked(row.view, "2026-09-01T13:00:00Z"), edited(row.view, row.view.spec)):
        view = begin_retry(start, now)
        possible = ANSWERS[needs(view, now)]
        for seen in (other.seen for other in ROWS if isinstance(other.seen, possible)):
            told = replace(view, status=decide(view, seen, now).status)
            key = (told.generation, told.status.model_dump_json())
            if key not in _AGREED:  # many looks lead to the same
                assert disagreements(body(told)) == [], f"seen {seen}, told {told.status}"
                _AGREED.add(key)


@pytest.mark.parametrize("row", DELETION_ROWS, ids=lambda row: row.id)
def test_status_of_a_deletion_is_in_progress(row: Any) -> None:
    view = replace(row.view, status=decide_deletion(row.view, row.seen, at(700)).status)
    leaving = body(view, deletionTimestamp="2026-09-01T12:11:40Z")
    assert disagreements(leaving) == []
    assert check(leaving).status is Health.PROGRESSING


def test_tables_hold_each_phase_reason_and_health() -> None:
    statuses = [view.status for _, view in TOLD]
    reasons = {c.reason for status in statuses for c in status.conditions if c.type is ConditionType.READY}
    in_deletion = {Reason.DELETING, Reason.DELETION_BLOCKED}
    assert {status.phase for status in statuses} == set(Phase) - {Phase.DELETING}
    # A second image and a missing one are told by a condition of their own, or found by a sweep.
    assert set(Reason) - reasons - in_deletion <= {Reason.SECOND_IMAGE, Reason.IMAGE_MISSING}
    assert {check(body(view)).status for _, view in TOLD} == set(Health)


@pytest.mark.parametrize("stage", sorted(image_copies()))
def test_each_stage_is_read_alike_by_all_tools(stage: str) -> None:
    assert disagreements(image_copies()[stage]) == []


@pytest.mark.parametrize("stage", ["succeeded", "copy_failed"])
def test_condition_about_an_older_spec_does_not_count(stage: str) -> None:
    """As kubectl wait has it. The operator writes no such status; whoever restores or edits one may."""
    obj = copy.deepcopy(image_copies()[stage])
    obj["metadata"]["generation"] = obj["status"]["observedGeneration"] = 2
    assert not wait_is_over(obj, "Ready")
    assert not wait_is_over(obj, "Stalled")
    assert check(obj).status is Health.PROGRESSING


class Watched(Machine):
    """The state machine with its faulty world, looked at as the tools look."""

    @invariant()
    def all_tools_agree(self) -> None:
        stored = self.world.stored
        view = new(stored.spec, generation=stored.generation, status=stored.status)
        leaving = {"deletionTimestamp": "2026-09-01T12:11:40Z"} if self.world.deleting else {}
        assert disagreements(body(view, **leaving)) == []


TestWatched = Watched.TestCase
TestWatched.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)


_ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "status", "reason", "message", "observedGeneration"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
_CONDITION = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["Ready", "Stalled", "Reconciling"]) | _ANY,
        "status": st.sampled_from(["True", "False"]) | _ANY,
        "reason": st.sampled_from(["Copying", "Suspended", *REASONS]) | _ANY,
        "message": _ANY,
        "observedGeneration": _ANY,
    },
)
_OBJECT = st.fixed_dictionaries(
    {},
    optional={
        "metadata": _ANY | st.fixed_dictionaries({}, optional={"generation": _ANY, "deletionTimestamp": st.text()}),
        "spec": _ANY | st.fixed_dictionaries({"suspend": _ANY}),
        "status": _ANY
        | st.fixed_dictionaries(
            {}, optional={"observedGeneration": _ANY, "progress": _ANY, "conditions": st.lists(_CONDITION) | _ANY}
        ),
    },
)


@pytest.mark.parametrize("kind", KINDS)
@given(obj=_OBJECT)
@settings(max_examples=200, deadline=None)
def test_health_check_never_fails(kind: str, obj: dict[str, Any]) -> None:
    """A script that fails shows as Unknown, which ends a sync."""
    check(obj, kind)
    discover(obj | {"kind": "ImageCopy"})


@pytest.mark.parametrize("kind", ["ImageProvider", "ClusterImageProvider"])
def test_provider_that_only_takes_time_never_ends_a_sync(kind: str) -> None:
    degraded = {name for name, obj in providers(kind).items() if check(obj).status is Health.DEGRADED}
    assert degraded == {"invalid_configuration", "credentials_invalid", "permission_denied"}
