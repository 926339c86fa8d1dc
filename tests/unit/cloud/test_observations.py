"""What an ImageCopy observes in the cloud, in the state machine's words."""

from typing import Any

import pytest

from imagecopy import ims
from imagecopy.cloud.cloud import Cloud
from imagecopy.flow.decide import decide
from imagecopy.flow.marker import Marker, token_of
from imagecopy.flow.observation import (
    Cause,
    ImageState,
    JobObserved,
    NothingObserved,
    PreflightObserved,
    TargetObserved,
    TargetsObserved,
    Trouble,
)
from imagecopy.flow.steps import PostCopy
from imagecopy.flow.view import Need
from unit.cloud.builders import FakeClient, Lender, an_image
from unit.flow.builders import (
    FOREIGN,
    JOB,
    SOURCE,
    TARGET,
    UID,
    at,
    backing_off,
    copying,
    done,
    intended,
    new,
    spec,
)


async def test_nothing_is_looked_at_where_nothing_is_needed(cloud: Cloud, lender: Lender) -> None:
    lender.trouble = Trouble(Cause.PROVIDER_MISSING, "not there")
    assert await cloud.observe(new(), Need.NOTHING) == NothingObserved()


async def test_a_preflight_looks_for_targets_by_name_and_then_at_the_source(cloud: Cloud, client: FakeClient) -> None:
    seen = await cloud.observe(new(spec(target={"name": "Golden 1"})), Need.PREFLIGHT)
    assert isinstance(seen, PreflightObserved)
    assert seen.source is not None
    assert (seen.targets, seen.source.id, seen.source.state) == ((), SOURCE, ImageState.ACTIVE)
    assert client.calls == [("images", {"name": "Golden 1"}), ("image", SOURCE)]


@pytest.mark.parametrize("status", ["active", "saving", "queued"])
async def test_a_preflight_that_finds_its_target_leaves_the_source_alone(
    cloud: Cloud, client: FakeClient, status: str
) -> None:
    client.images, client.source = [an_image(status=status)], ims.NotFound("deleted since")
    seen = await cloud.observe(new(), Need.PREFLIGHT)
    assert isinstance(seen, PreflightObserved)
    assert [target.id for target in seen.targets] == [TARGET]


async def test_a_preflight_with_a_dead_target_looks_at_the_source(cloud: Cloud, client: FakeClient) -> None:
    client.images = [an_image(status="killed")]
    seen = await cloud.observe(new(), Need.PREFLIGHT)
    assert isinstance(seen, PreflightObserved)
    assert seen.source is not None


async def test_an_image_that_a_failed_attempt_left_unfinished_does_not_block_the_next(
    cloud: Cloud, client: FakeClient
) -> None:
    client.images = [an_image(status="saving")]
    seen = await cloud.observe(backing_off(), Need.PREFLIGHT)
    assert isinstance(decide(backing_off(), seen, at(110)).action, PostCopy)


@pytest.mark.parametrize(
    ("fields", "ours"),
    [
        ({}, True),
        ({"original_image_id": None}, True),
        ({"original_image_id": None, "data_origin": f"image,eu-de,{SOURCE}"}, True),
        ({"original_image_id": TARGET}, False),
        ({"original_image_id": None, "data_origin": f"image,eu-de,{TARGET}"}, False),
        ({"description": f"Golden {Marker(FOREIGN, token_of(UID, 1))}"}, False),
        ({"description": "Golden"}, False),
        ({"description": ""}, False),
    ],
    ids=["parent", "no lineage", "origin", "copy of a copy", "origin of a copy", "foreign", "unmarked", "blank"],
)
async def test_a_target_is_ours_by_its_marker_and_its_lineage(
    cloud: Cloud, client: FakeClient, fields: dict[str, Any], ours: bool
) -> None:
    client.images = [an_image(**fields)]
    seen = await cloud.observe(intended(), Need.TARGETS)
    assert isinstance(seen, TargetsObserved)
    assert bool(seen.targets) is ours


async def test_targets_come_oldest_first(cloud: Cloud, client: FakeClient) -> None:
    client.images = [an_image(id="newest"), an_image(id="oldest")]
    seen = await cloud.observe(intended(), Need.TARGETS)
    assert isinstance(seen, TargetsObserved)
    assert [target.id for target in seen.targets] == ["oldest", "newest"]


async def test_a_job_is_asked_by_its_id(cloud: Cloud, client: FakeClient) -> None:
    seen = await cloud.observe(copying(), Need.JOB)
    assert isinstance(seen, JobObserved)
    assert seen.progress == 0.5
    assert client.calls == [("job", JOB)]


@pytest.mark.parametrize(
    "job",
    [ims.JobNotFound("unknown"), ims.Job(state=ims.JobState.SUCCESS)],
    ids=["job unknown", "success without an image id"],
)
async def test_a_job_that_does_not_tell_is_looked_up_by_its_image(
    cloud: Cloud, client: FakeClient, job: ims.Job | ims.ImsError
) -> None:
    client.job, client.images = job, [an_image()]
    seen = await cloud.observe(copying(), Need.JOB)
    assert isinstance(seen, TargetsObserved)
    assert [target.id for target in seen.targets] == [TARGET]


async def test_a_target_that_is_not_listed_is_absent(cloud: Cloud, client: FakeClient) -> None:
    seen = await cloud.observe(done(), Need.TARGET)
    assert isinstance(seen, TargetObserved)
    assert (seen.target.id, seen.target.state) == (TARGET, ImageState.ABSENT)
    assert client.calls == [("images", {"image_id": TARGET})]


@pytest.mark.parametrize("need", [Need.PREFLIGHT, Need.JOB, Need.TARGET, Need.TARGETS])
async def test_a_provider_that_can_not_be_used_is_seen(cloud: Cloud, lender: Lender, need: Need) -> None:
    lender.trouble = Trouble(Cause.PROVIDER_MISSING, "not there")
    assert await cloud.observe(copying(), need) is lender.trouble


async def test_only_a_preflight_can_miss_the_source(cloud: Cloud, client: FakeClient) -> None:
    client.source = ims.NotFound("no such image", code="IMG.0027")
    seen = await cloud.observe(new(), Need.PREFLIGHT)
    assert isinstance(seen, Trouble)
    assert (seen.cause, seen.words) == (Cause.SOURCE_MISSING, "IMG.0027: no such image")
    client.job = ims.NotFound("no such thing")
    seen = await cloud.observe(copying(), Need.JOB)
    assert isinstance(seen, Trouble)
    assert seen.cause is Cause.TRANSIENT


async def test_an_image_that_is_named_for_adoption_is_looked_at_by_its_id(cloud: Cloud, client: FakeClient) -> None:
    client.images = [an_image(description="made by hand")]
    seen = await cloud.observe(new(spec(target={"adoptImageID": TARGET})), Need.TARGET)
    assert isinstance(seen, TargetObserved)
    assert (seen.target.id, seen.target.marker) == (TARGET, None)
    assert client.calls == [("images", {"image_id": TARGET})]
