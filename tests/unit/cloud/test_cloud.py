"""What a look and an act bring, in the state machine's words."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from imagecopy import ims
from imagecopy.api.imagecopy import ProviderRef
from imagecopy.cloud.cloud import Cloud
from imagecopy.flow.decide import decide
from imagecopy.flow.deletion import DeletionRequested
from imagecopy.flow.marker import Marker, token_of
from imagecopy.flow.observation import (
    Cause,
    ImageState,
    JobObserved,
    NothingObserved,
    PostAccepted,
    PostRejected,
    PostUnknown,
    PreflightObserved,
    TagsRefused,
    TagsSet,
    TargetObserved,
    TargetsObserved,
    Trouble,
)
from imagecopy.flow.steps import PostCopy, SetTags
from imagecopy.flow.view import Need
from imagecopy.providers.limiter import CallLimiter
from imagecopy.providers.objects import Unusable
from imagecopy.providers.registry import Access
from unit.flow.builders import (
    FOREIGN,
    JOB,
    OWNER,
    SOURCE,
    TARGET,
    UID,
    at,
    backing_off,
    copying,
    done,
    intended,
    new,
    preflight,
    spec,
)


class FakeClient(ims.ImsClient):
    """Answers with what a test put there; ``calls`` is what was asked."""

    def __init__(self) -> None:
        self.project = "project-1"
        self.calls: list[tuple[object, ...]] = []
        self.images: list[ims.Image] = []
        self.job: ims.Job | ims.ImsError = ims.Job(state=ims.JobState.RUNNING, progress=0.5)
        self.source: ims.Image | ims.ImsError = an_image(id=SOURCE, description="")
        self.copied: ims.CopyAccepted | ims.ImsError = ims.CopyAccepted(JOB, "r-1")
        self.tag_error: ims.ImsError | None = None
        self.quota: ims.Quota | ims.ImsError = ims.Quota(used=50, limit=50)
        self.deleted: ims.ImsError | None = None

    async def project_id(self) -> str:
        return self.project

    def _answer(self, answer: Any, *call: object) -> Any:
        self.calls.append(call)
        if isinstance(answer, ims.ImsError):
            raise answer
        return answer

    async def copy_image(self, source_image_id: str, request: ims.CopyRequest) -> Any:
        return self._answer(self.copied, "copy", source_image_id, request.body())

    async def get_job(self, job_id: str) -> Any:
        return self._answer(self.job, "job", job_id)

    async def get_image(self, image_id: str) -> Any:
        return self._answer(self.source, "image", image_id)

    async def list_images(self, **query: Any) -> Any:
        return self._answer(self.images, "images", query)

    async def add_tags(self, image_id: str, tags: Any) -> Any:
        return self._answer(self.tag_error, "add tags", image_id, tags)

    async def delete_tags(self, image_id: str, tags: Any) -> Any:
        return self._answer(None, "delete tags", image_id, tags)

    async def get_quota(self) -> Any:
        return self._answer(self.quota, "quota")

    async def delete_image(self, image_id: str) -> Any:
        return self._answer(self.deleted, "delete", image_id)


class Lender:
    """Lends the client, or says why not."""

    def __init__(self, client: FakeClient) -> None:
        self._client = client
        self.trouble: Trouble | None = None

    @asynccontextmanager
    async def access(self, namespace: str, ref: ProviderRef) -> AsyncIterator[Access]:
        if self.trouble:
            raise Unusable(self.trouble)
        yield Access(self._client, CallLimiter(time.monotonic, 1000.0), 5)


def an_image(**fields: Any) -> ims.Image:
    told = {
        "id": TARGET,
        "status": "active",
        "description": f"Golden {Marker(OWNER, token_of(UID, 1))}",
        "original_image_id": SOURCE,
        "tags": {},
    }
    return ims.Image(**(told | fields))


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def lender(client: FakeClient) -> Lender:
    return Lender(client)


@pytest.fixture
def cloud(lender: Lender) -> Cloud:
    return Cloud(lender)


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
    assert isinstance(decide(backing_off(), seen, at(110)).act, PostCopy)


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


def _order() -> PostCopy:
    act = decide(new(spec(target={"name": "n"})), preflight(), at(0)).act
    assert isinstance(act, PostCopy)
    return act


async def test_a_post_sends_what_was_ordered_and_nothing_empty(cloud: Cloud, client: FakeClient) -> None:
    order = _order()
    assert await cloud.post(new(), order) == PostAccepted(order.attempt, JOB, "r-1")
    assert client.calls == [("copy", SOURCE, {"name": "n", "description": order.description})]


LEAVES = [
    (ims.Unreachable, Cause.UNREACHABLE),
    (ims.EndpointNotAllowed, Cause.PROVIDER_INVALID),
    (ims.Misconfigured, Cause.PROVIDER_INVALID),
    (ims.CredentialsInvalid, Cause.CREDENTIALS),
    (ims.PermissionDenied, Cause.PERMISSION),
    (ims.Throttled, Cause.THROTTLED),
    (ims.NotFound, Cause.SOURCE_MISSING),
    (ims.NotReady, Cause.SOURCE_NOT_READY),
    (ims.TryLater, Cause.TRANSIENT),
    (ims.Refused, Cause.REFUSED),
    (ims.SurelyNotDone, Cause.TRANSIENT),
]


@pytest.mark.parametrize(("kind", "cause"), LEAVES, ids=lambda value: getattr(value, "__name__", str(value)))
async def test_a_post_that_surely_made_nothing_is_rejected(
    cloud: Cloud, client: FakeClient, kind: type[ims.ImsError], cause: Cause
) -> None:
    client.copied = kind("No.", code="IMG.1", request_id="r-9", retry_after=7)
    outcome = await cloud.post(new(), _order())
    assert outcome == PostRejected(_order().attempt, Trouble(cause, "No.", "IMG.1", "r-9", 7))


@pytest.mark.parametrize("kind", [ims.OutcomeUnknown, ims.ImsError])
async def test_a_post_that_may_have_made_something_is_unknown(
    cloud: Cloud, client: FakeClient, kind: type[ims.ImsError]
) -> None:
    client.copied = kind("no reply came")
    assert isinstance(await cloud.post(new(), _order()), PostUnknown)


async def test_a_post_without_a_usable_provider_is_rejected(cloud: Cloud, lender: Lender) -> None:
    lender.trouble = Trouble(Cause.PROVIDER_MISSING, "not there")
    assert await cloud.post(new(), _order()) == PostRejected(_order().attempt, lender.trouble)


async def test_tags_are_removed_before_others_are_set(cloud: Cloud, client: FakeClient) -> None:
    assert await cloud.set_tags(new(), SetTags(TARGET, {"a": "1"}, {"a": "2"})) == TagsSet(TARGET)
    assert [call[0] for call in client.calls] == ["delete tags", "add tags"]


async def test_no_call_is_made_for_no_tags(cloud: Cloud, client: FakeClient) -> None:
    await cloud.set_tags(new(), SetTags(TARGET, {}, {"a": "2"}))
    await cloud.set_tags(new(), SetTags(TARGET, {"a": "2"}, {}))
    assert [call[0] for call in client.calls] == ["add tags", "delete tags"]


async def test_tags_that_the_cloud_refuses_are_told_of_the_target(
    cloud: Cloud, client: FakeClient, lender: Lender
) -> None:
    order = SetTags(TARGET, {}, {"a": "2"})
    client.tag_error = ims.NotFound("no such image")
    assert await cloud.set_tags(new(), order) == TagsRefused(TARGET, Trouble(Cause.TRANSIENT, "no such image"))
    lender.trouble = Trouble(Cause.CREDENTIALS, "wrong password")
    assert await cloud.set_tags(new(), order) == TagsRefused(TARGET, lender.trouble)


@pytest.mark.parametrize(
    ("quota", "words"),
    [(ims.Quota(50, 50), "full (50 of 50 images used)"), (ims.OutcomeUnknown("HTTP 500"), "full")],
    ids=["told", "not told"],
)
async def test_a_quota_that_is_used_up_is_told_in_numbers(
    cloud: Cloud, client: FakeClient, quota: ims.Quota | ims.ImsError, words: str
) -> None:
    client.copied, client.quota = ims.QuotaExceeded("full", code="IMG.0015"), quota
    outcome = await cloud.post(new(), _order())
    assert outcome == PostRejected(_order().attempt, Trouble(Cause.QUOTA, words, "IMG.0015"))


async def test_an_image_that_is_named_for_adoption_is_looked_at_by_its_id(cloud: Cloud, client: FakeClient) -> None:
    client.images = [an_image(description="made by hand")]
    seen = await cloud.observe(new(spec(target={"adoptImageID": TARGET})), Need.TARGET)
    assert isinstance(seen, TargetObserved)
    assert (seen.target.id, seen.target.marker) == (TARGET, None)
    assert client.calls == [("images", {"image_id": TARGET})]


async def test_a_deletion_may_find_that_the_image_is_gone(cloud: Cloud, client: FakeClient, lender: Lender) -> None:
    for client.deleted in (None, ims.NotFound("no such image")):
        assert await cloud.delete_image(done(), TARGET) == DeletionRequested(TARGET)
    client.deleted = ims.Refused("protected", code="IMG.0089")
    assert await cloud.delete_image(done(), TARGET) == Trouble(Cause.REFUSED, "protected", "IMG.0089")
    lender.trouble = Trouble(Cause.PROVIDER_MISSING, "not there")
    assert await cloud.delete_image(done(), TARGET) is lender.trouble
