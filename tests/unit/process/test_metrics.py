"""The metrics: their names are API, and docs/operations.md has all of them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from imagecopy import metrics
from imagecopy.api.conditions import Reason
from imagecopy.copies.completion import Completion
from imagecopy.copies.phase_counts import PhaseCounts
from imagecopy.copies.queue import UNKNOWN_PROJECT, Slots
from imagecopy.watch.liveness import Liveness

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"
PLACE = ("2026-01-01T00:00:00Z", "a/b")


def copy(uid: str, phase: str | None) -> Mapping[str, Any]:
    return {"metadata": {"uid": uid}, "status": {"phase": phase} if phase else {}}


class Process:
    """What a State reads, with a registry of its own."""

    def __init__(self) -> None:
        self.vitals, self.census, self.slots = Liveness(), PhaseCounts(), Slots()
        self.registry = CollectorRegistry()
        self.registry.register(metrics.State(vitals=self.vitals, census=self.census, slots=self.slots))

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"imagecopy_{name}", labels)


@pytest.fixture
def process() -> Process:
    return Process()


def test_the_page_has_every_metric_and_no_other(process: Process) -> None:
    families = [
        (f"{family.name}_total" if family.type == "counter" else family.name, family.type)
        for registry in (REGISTRY, process.registry)
        for family in registry.collect()
        if family.name.startswith("imagecopy_")
    ]
    documented = re.findall(
        r"^\| `(imagecopy_[a-z_]+)`.*?\| (counter|gauge|histogram) \|", PAGE.read_text(), re.MULTILINE
    )
    assert sorted(families) == sorted(documented)


def test_the_page_names_the_labels(process: Process) -> None:
    process.slots.take("u", "p", 5, PLACE)
    metrics.provider_checked("ImageProvider", "ns", "cloud", ready=True)
    metrics.count_kubernetes_call("get", "200")
    metrics.count_end(Completion(Reason.SUCCEEDED, 600, None))
    metrics.tell_build("0")
    rows = dict(re.findall(r"^\| `(imagecopy_[a-z_]+)` \|[^|]*\|([^|]*)\|", PAGE.read_text(), re.MULTILINE))
    for family in (*REGISTRY.collect(), *process.registry.collect()):
        for sample in family.samples[:1]:
            if family.name.startswith("imagecopy_"):
                name = f"{family.name}_total" if family.type == "counter" else family.name
                told = set(re.findall(r"`(\w+)`", rows[name]))
                assert set(sample.labels) - {"le"} == told, name


def test_copies_are_counted_by_phase(process: Process) -> None:
    process.census.note(copy("1", "Copying"))
    process.census.note(copy("2", None))
    process.census.note(copy("3", "Copying"))
    process.census.note(copy("3", "Succeeded"))
    process.census.note(copy("4", "a later version's"))
    process.census.note(copy("5", "Failed"))
    process.census.forget("5")
    process.census.forget("nobody")
    assert process.value("copies", phase="Copying") == 1
    assert process.value("copies", phase="Succeeded") == 1
    assert process.value("copies", phase="Pending") == 2
    assert process.value("copies", phase="Failed") == 0


def test_copies_that_vanished_unseen_are_forgotten_by_a_list_but_not_those_that_came_since(process: Process) -> None:
    for uid in ("here", "gone"):
        process.census.note(copy(uid, "Succeeded"))
    known = process.census.uids()
    process.census.note(copy("new", "Succeeded"))
    process.census.retain(known, ["here"])
    assert process.census.uids() == {"here", "new"}
    assert process.value("copies", phase="Succeeded") == 2


def test_slots_are_told_by_project(process: Process) -> None:
    for uid in "abc":
        process.slots.take(uid, "p1", 2, PLACE)
    process.slots.hold("d", "p2")
    assert process.value("slots_used", project="p1") == 2
    assert process.value("slots_limit", project="p1") == 2
    assert process.value("slots_waiting", project="p1") == 1
    assert process.value("slots_used", project="p2") == 1
    assert process.value("slots_limit", project="p2") is None


def test_slots_of_an_unknown_project_count_for_all_and_are_no_project(process: Process) -> None:
    process.slots.hold("a", UNKNOWN_PROJECT)
    process.slots.take("b", "p1", 2, PLACE)
    assert process.value("slots_used", project="p1") == 2
    assert process.value("slots_used", project="") is None


def test_a_provider_that_is_gone_has_no_series() -> None:
    labels = {"kind": "ImageProvider", "namespace": "team-a", "name": "gone"}
    metrics.provider_checked(**labels, ready=False)
    assert REGISTRY.get_sample_value("imagecopy_provider_ready", labels) == 0
    metrics.provider_checked(**labels, ready=True)
    assert REGISTRY.get_sample_value("imagecopy_provider_ready", labels) == 1
    metrics.provider_checked(**labels, ready=None)
    assert REGISTRY.get_sample_value("imagecopy_provider_ready", labels) is None
    metrics.provider_checked(**labels, ready=None)


def test_a_state_is_told_no_longer_than_it_lasts(process: Process) -> None:
    registry = CollectorRegistry()
    state = metrics.State(vitals=process.vitals, census=process.census, slots=process.slots)
    for _ in range(2):
        with metrics.telling(state, registry):
            assert registry.get_sample_value("imagecopy_watch_age_seconds") == 0
    assert registry.get_sample_value("imagecopy_watch_age_seconds") is None
