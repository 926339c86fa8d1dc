"""The API server without our CRDs, and an outage of the API server, on a control plane of its own.

The operator watches all namespaces here, and the copies use the default ClusterImageProvider. With
IMAGECOPY_SLOW_TESTS=1 the outage takes two minutes.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from controlplane import ControlPlane, find_binaries
from e2e.environment import Environment, Ports, SharedEnvironment
from e2e.objects import Api, CopyState
from support.cluster import install_crds
from support.waiting import STOP, wait_for

_GONE_SECONDS: Final = 120.0 if os.environ.get("IMAGECOPY_SLOW_TESTS") else 15.0
_CATCH_UP_SECONDS: Final = 90.0

pytestmark = pytest.mark.timeout(_GONE_SECONDS + 2 * _CATCH_UP_SECONDS)


@pytest.fixture(scope="module")
def bare(evidence: Path) -> Iterator[SharedEnvironment]:
    """A control plane that has no CRDs at first."""
    with ControlPlane(find_binaries()) as plane, contextlib.closing(Api(plane)) as api:
        yield SharedEnvironment(api, evidence, Ports(10))


def test_missing_crds_are_named_with_what_to_do(bare: SharedEnvironment) -> None:
    operator = bare.operator("without-crds")
    try:
        assert operator.process.wait(30) == 1
    finally:
        operator.kill()
    said = operator.last_lines()
    for plural in ("imagecopies", "imageproviders", "clusterimageproviders"):
        assert f"{plural}.imagecopy.io" in said
    assert "kubectl apply --server-side -f crds/" in said
    assert "Traceback" not in said


@dataclass(frozen=True)
class Outage:
    """The states after the outage."""

    env: Environment
    ended: dict[str, CopyState]
    operator_ran_on: bool


@pytest.fixture(scope="module")
def outage(bare: SharedEnvironment) -> Iterator[Outage]:
    """An outage of the API server with copies in every state."""
    plane = bare.api.plane
    install_crds(plane)
    operator = bare.operator("all-namespaces")
    try:
        operator.wait_ready()
        with Environment(bare, "outage").open() as env:
            env.secret(env.cloud.login())
            env.cluster_provider("default")
            copies = {name: env.copy(name, providerRef=None) for name in ("early",)}
            for name, seconds in (("midway", _GONE_SECONDS + 10), ("ending", 8)):
                env.cloud.fault(match={"kind": "copy", "body": name}, job={"copy_seconds": seconds})
                copies[name] = env.copy(name, providerRef=None)
            copies["waiting"] = env.copy("waiting", "queued", providerRef=None)
            departing = env.copy("departing", providerRef=None, deletionPolicy="Delete")
            copies["early"].until_finished("Succeeded")
            departing.until_phase("Succeeded")
            for name in ("midway", "ending"):
                copies[name].until(lambda state: state.status.get("jobID"), "job id")
            copies["waiting"].until_reason("WaitingForSource")
            env.cloud.fault(match={"kind": "copy", "body": "accepted"}, when="after", delay_seconds=3)
            copies["accepted"] = env.copy("accepted", providerRef=None)
            wait_for(lambda: env.cloud.posts("accepted"), "the copy call under way")
            env.cloud.knobs(delete_delay_seconds=_GONE_SECONDS / 2)
            env.api.delete(departing.path)
            wait_for(lambda: env.cloud.calls("delete"), "the image of a deleted object being deleted")
            plane.stop_apiserver()
            env.cloud.change_image(env.cloud.source("queued"), status="active")
            STOP.wait(_GONE_SECONDS)  # the test is about an outage of this length
            plane.start_apiserver()
            ran_on = operator.process.running()
            copies["new"] = env.copy("new", providerRef=None)
            yield Outage(
                env,
                {name: copy.until_finished("Succeeded", _CATCH_UP_SECONDS) for name, copy in copies.items()},
                ran_on,
            )
    finally:
        operator.stop()


def test_operator_stays_up_while_the_api_server_is_gone(outage: Outage) -> None:
    assert outage.operator_ran_on


@pytest.mark.parametrize("name", ["early", "midway", "ending", "waiting", "accepted", "new"])
def test_outage_of_the_api_server_loses_and_doubles_no_copy(outage: Outage, name: str) -> None:
    assert len(outage.env.cloud.posts(name)) == 1
    [image] = outage.env.cloud.copies(name)
    assert outage.ended[name].status["imageID"] == image["id"]


def test_deletion_that_the_outage_met_is_carried_on(outage: Outage) -> None:
    outage.env.existing("departing").wait_gone()
    assert outage.env.cloud.copies("departing") == []


def test_job_id_that_could_not_be_stored_is_stored_after_the_outage(outage: Outage) -> None:
    [job] = [job for job in outage.env.cloud.jobs() if job["_simulator"]["image_name"] == "accepted"]
    assert outage.ended["accepted"].status["jobID"] == job["job_id"]
