from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagecopy.api.imagecopy import RETRY_ANNOTATION, Phase
from imagecopy.kube.objects import Snapshot, Unreadable, merge_patch
from unit.copies.builders import apply_merge_patch, body
from unit.flow.builders import copying, done, failed, intended, new, spec

# No null: a status has none, and a merge patch could not set one.
LEAVES = st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from("abc"), LEAVES, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), LEAVES | inner, max_size=3),
    max_leaves=8,
)


@given(OBJECTS, OBJECTS)
def test_a_merge_patch_turns_the_one_into_the_other(before: dict[str, object], after: dict[str, object]) -> None:
    kept = deepcopy(before)
    assert apply_merge_patch(before, merge_patch(before, after)) == after
    assert before == kept


@given(OBJECTS)
def test_no_change_is_an_empty_patch(same: dict[str, object]) -> None:
    assert merge_patch(same, deepcopy(same)) == {}


def test_a_merge_patch_names_only_what_changes() -> None:
    before = {"phase": "Copying", "progress": "10%", "attempt": {"number": 1}, "tags": {"a": "1", "b": "2"}, "gone": 1}
    after = {"phase": "Copying", "progress": "20%", "attempt": {"number": 1, "jobID": "j"}, "tags": {"b": "2"}}
    patch = {"progress": "20%", "attempt": {"jobID": "j"}, "tags": {"a": None}, "gone": None}
    assert merge_patch(before, after) == patch


def test_a_merge_patch_replaces_a_list_as_a_whole() -> None:
    assert merge_patch({"conditions": [1, 2]}, {"conditions": [2]}) == {"conditions": [2]}


@pytest.mark.parametrize("before", [new(), intended(), copying(), done(), failed()])
@pytest.mark.parametrize("after", [new(), intended(), copying(), done(), failed()])
def test_any_status_is_patched_into_any_other(before: Any, after: Any) -> None:
    old, wanted = before.status.to_wire(), after.status.to_wire()
    assert apply_merge_patch(old, merge_patch(old, wanted)) == wanted


def test_an_object_is_read_with_its_defaults() -> None:
    snapshot = Snapshot.parse(body())
    assert (snapshot.namespace, snapshot.name, snapshot.resource_version) == ("team-a", "golden", "100")
    assert snapshot.spec == spec()
    assert snapshot.status.observed_generation == -1
    assert not snapshot.is_resting


def test_fields_of_a_newer_version_are_passed_over() -> None:
    newer = body(spec=spec().to_wire() | {"novel": 1}, status={"novel": {}, "phase": "Novel"})
    assert Snapshot.parse(newer).status.phase in (None, Phase.PENDING)


@pytest.mark.parametrize(
    ("annotations", "value"),
    [
        (None, None),
        ({}, None),
        ({RETRY_ANNOTATION: ""}, None),
        ({RETRY_ANNOTATION: "now"}, "now"),
        ({RETRY_ANNOTATION: "x" * 1000}, "x" * 256),
    ],
)
def test_the_retry_annotation_is_read_as_far_as_it_is_kept(annotations: Any, value: str | None) -> None:
    meta = body()["metadata"] | {"annotations": annotations}
    assert Snapshot.parse(body(metadata=meta)).retry_requested_at == value


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"spec": {}}, "source: Field required"),
        ({"spec": {"source": {"imageID": 5}}}, "source.imageID"),
        ({"status": {"attempt": {"number": 0}}}, "attempt.number"),
    ],
)
def test_an_object_that_does_not_fit_names_the_field(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(Unreadable, match=word):
        Snapshot.parse(body(**changes))


@pytest.mark.parametrize(
    ("one", "other", "newer"),
    [
        ("101", "100", True),
        ("100", "100", False),
        ("99", "100", False),
        ("1000", "999", True),
        ("abc", "100", True),
        ("100", "", True),
    ],
)
def test_resource_versions_are_compared_as_numbers(one: str, other: str, newer: bool) -> None:
    def at(version: str) -> Snapshot:
        return Snapshot.parse(body(metadata=body()["metadata"] | {"resourceVersion": version}))

    assert at(one).is_newer_than(at(other)) is newer
