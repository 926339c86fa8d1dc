"""What an ImageCopy does in the cloud: the copy call, tags, deletions, and their outcomes."""

import pytest

from imagecopy import ims
from imagecopy.cloud.cloud import Cloud
from imagecopy.flow.decide import decide
from imagecopy.flow.deletion import DeletionRequested
from imagecopy.flow.observation import (
    Cause,
    PostAccepted,
    PostRejected,
    PostUnknown,
    TagsRefused,
    TagsSet,
    Trouble,
)
from imagecopy.flow.steps import PostCopy, SetTags
from unit.cloud.builders import FakeClient, Lender
from unit.flow.builders import (
    JOB,
    SOURCE,
    TARGET,
    at,
    done,
    new,
    preflight,
    spec,
)


def _order() -> PostCopy:
    act = decide(new(spec(target={"name": "n"})), preflight(), at(0)).action
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


async def test_a_deletion_may_find_that_the_image_is_gone(cloud: Cloud, client: FakeClient, lender: Lender) -> None:
    for client.deleted in (None, ims.NotFound("no such image")):
        assert await cloud.delete_image(done(), TARGET) == DeletionRequested(TARGET)
    client.deleted = ims.Refused("protected", code="IMG.0089")
    assert await cloud.delete_image(done(), TARGET) == Trouble(Cause.REFUSED, "protected", "IMG.0089")
    lender.trouble = Trouble(Cause.PROVIDER_MISSING, "not there")
    assert await cloud.delete_image(done(), TARGET) is lender.trouble
