"""A copy stays with its project: what is called in the cloud while the provider leads to another one."""

import pytest

from imagecopy.cloud.cloud import Cloud, ImageList, Project
from imagecopy.copies.inventory import Inventory
from imagecopy.flow.deletion import DeletionRequested
from imagecopy.flow.observation import Cause, PostRejected, PreflightObserved, TagsRefused, TargetsObserved, Trouble
from imagecopy.flow.steps import PostCopy, SetTags
from imagecopy.flow.view import Need, View
from unit.cloud.builders import FakeClient, Lender
from unit.copies.builders import Stage
from unit.flow.builders import ELSEWHERE, PROJECT, TAGS, TARGET, attempt_of, new, source, succeeded_job
from unit.flow.tables.project import COPYING, DONE, INTENDED, UNKNOWN


@pytest.fixture
def client() -> FakeClient:
    client = FakeClient()
    client.project = ELSEWHERE
    return client


@pytest.fixture
def cloud(client: FakeClient) -> Cloud:
    return Cloud(Lender(client))


@pytest.mark.parametrize(
    ("view", "need"),
    [(UNKNOWN, Need.TARGETS), (INTENDED, Need.TARGETS), (COPYING, Need.JOB), (DONE, Need.TARGET)],
    ids=["lost", "crashed", "running", "done"],
)
async def test_nothing_is_looked_for_in_another_project(
    cloud: Cloud, client: FakeClient, view: View, need: Need
) -> None:
    seen = await cloud.observe(view, need)
    assert isinstance(seen, Trouble)
    assert seen.cause is Cause.OTHER_PROJECT
    assert client.calls == []


async def test_an_attempt_is_not_sent_when_the_provider_is_switched_after_its_intent(
    cloud: Cloud, client: FakeClient
) -> None:
    order = PostCopy(attempt_of(INTENDED), "source", "golden", "", None, None)
    outcome = await cloud.post(INTENDED, order)
    assert isinstance(outcome, PostRejected)
    assert outcome.trouble.cause is Cause.OTHER_PROJECT
    assert client.calls == []


async def test_no_image_is_deleted_and_no_tag_set_in_another_project(cloud: Cloud, client: FakeClient) -> None:
    told = await cloud.delete_image(DONE, TARGET)
    assert isinstance(told, Trouble)
    assert told.cause is Cause.OTHER_PROJECT
    refused = await cloud.set_tags(DONE, SetTags(TARGET, {}, TAGS))
    assert isinstance(refused, TagsRefused)
    assert refused.trouble.cause is Cause.OTHER_PROJECT
    assert client.calls == []


async def test_a_copy_that_has_to_stay_elsewhere_takes_no_slot(cloud: Cloud) -> None:
    told = await cloud.project(UNKNOWN)
    assert isinstance(told, Trouble)
    assert told.cause is Cause.OTHER_PROJECT


async def test_a_new_copy_is_made_where_the_provider_leads(cloud: Cloud) -> None:
    assert await cloud.project(new()) == Project(ELSEWHERE, 5)


async def test_a_look_says_in_which_project_it_was_made(cloud: Cloud, client: FakeClient) -> None:
    client.project = PROJECT
    client.images = []
    assert await cloud.observe(UNKNOWN, Need.TARGETS) == TargetsObserved((), PROJECT)
    assert getattr(await cloud.observe(COPYING, Need.JOB), "project", None) == PROJECT
    assert getattr(await cloud.observe(new(), Need.PREFLIGHT), "project", None) == PROJECT
    assert await cloud.delete_image(DONE, TARGET) == DeletionRequested(TARGET)


async def test_a_list_for_a_sweep_says_whose_images_these_are(cloud: Cloud, client: FakeClient) -> None:
    client.images = []
    assert await cloud.images(DONE) == ImageList(ELSEWHERE, ())


async def test_a_sweep_leaves_copies_of_another_project_alone(stage: Stage, inventory: Inventory) -> None:
    await stage.reconcile()
    await stage.reconcile(600, succeeded_job())
    assert stage.kube.object is not None
    stage.kube.change(status={**stage.kube.object["status"], "projectID": "another"})
    stage.log.clear()
    stage.cloud.lists = ()
    for _ in range(3):
        await inventory.take()
    assert stage.log == ["list"] * 3


async def test_a_sweep_leaves_out_namespaces_that_may_not_use_the_provider(stage: Stage, inventory: Inventory) -> None:
    await stage.reconcile()
    await stage.reconcile(600, succeeded_job())
    stage.log.clear()
    stage.cloud.not_allowed = {"team-a"}
    await inventory.take()
    assert stage.log == []


async def test_the_slot_of_a_copy_is_that_of_its_own_project(stage: Stage) -> None:
    await stage.reconcile(0, PreflightObserved((), source(), "project-1"))
    stage.cloud.at_project = Trouble(Cause.OTHER_PROJECT, "elsewhere")
    another = stage.process("pod/2")
    stage.operator = another
    await stage.reconcile(5, Trouble(Cause.OTHER_PROJECT, "elsewhere"))
    assert another.slots.used("project-1") == 1
    assert another.slots.used("project-2") == 0
