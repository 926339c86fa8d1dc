"""The metrics: their names are API, and docs/operations.md has all of them."""

import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from imagecopy import metrics
from imagecopy.api.conditions import Reason
from imagecopy.copies.completion import Completion
from imagecopy.copies.queue import UNKNOWN_PROJECT, Claim
from imagecopy.copies.record import Record
from imagecopy.kube.objects import Snapshot
from imagecopy.watch.liveness import Liveness
from unit.copies.builders import Stage, body

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"
PLACE = ("2026-01-01T00:00:00Z", "a/b", "uid")


def copy(uid: str, phase: str | None) -> Snapshot:
    """An ImageCopy that is finished, of this phase."""
    ended = {"type": "Ready", "status": "True", "reason": "Succeeded", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = {"observedGeneration": 1, "phase": phase, "conditions": [ended]} if phase else {}
    return Snapshot.parse(body(metadata={**body()["metadata"], "uid": uid}, status=status))


class Process:
    """What a State reads, with a registry of its own."""

    def __init__(self) -> None:
        self.liveness = Liveness()
        self.copies = Stage().operator
        self.slots = self.copies.slots
        self.registry = CollectorRegistry()
        self.registry.register(self.state())

    def state(self) -> metrics.State:
        return metrics.State(liveness=self.liveness, phases=self.copies.registry.phases, slots=self.slots)

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
    process.slots.take(Claim(), Record.of(copy("1", None)), "p", 5, PLACE)
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


async def test_copies_are_counted_by_phase(process: Process) -> None:
    registry = process.copies.registry
    for uid, phase in (("1", None), ("2", "Succeeded"), ("3", "Succeeded"), ("4", "Failed"), ("5", "Failed")):
        registry.seen(copy(uid, phase))
        registry.seen(copy(uid, phase))
    registry.gone("5")
    registry.gone("nobody")
    assert process.value("copies", phase="Pending") == 1
    assert process.value("copies", phase="Succeeded") == 2
    assert process.value("copies", phase="Failed") == 1
    assert process.value("copies", phase="Copying") == 0


async def test_slots_are_counted_by_project(process: Process) -> None:
    record = Record.of(copy("1", None))
    for _ in range(3):
        process.slots.take(Claim(), record, "p1", 2, PLACE)
    process.slots.hold(Claim(), "p2")
    assert process.value("slots_used", project="p1") == 2
    assert process.value("slots_limit", project="p1") == 2
    assert process.value("slots_waiting", project="p1") == 1
    assert process.value("slots_used", project="p2") == 1
    assert process.value("slots_limit", project="p2") is None


async def test_slots_of_an_unknown_project_count_for_all_and_are_no_project(process: Process) -> None:
    process.slots.hold(Claim(), UNKNOWN_PROJECT)
    process.slots.take(Claim(), Record.of(copy("1", None)), "p1", 2, PLACE)
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
    state = process.state()
    for _ in range(2):
        with metrics.telling(state, registry):
            assert registry.get_sample_value("imagecopy_watch_age_seconds") == 0
    assert registry.get_sample_value("imagecopy_watch_age_seconds") is None
