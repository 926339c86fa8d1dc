"""The scenarios whose traffic is kept. The docstring of each is the title of its log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from golden.world import COPY_SECONDS, World, world
from imagecopy.api.imagecopy import Phase
from imagecopy.kube.errors import KubeError

Scenario = Callable[[World], Awaitable[None]]

SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__.replace("_", "-")] = function
    return function


async def played(name: str) -> str:
    """The log of a scenario, played anew."""
    function = SCENARIOS[name]
    async with world((function.__doc__ or "").strip()) as (stage, record):
        await function(stage)
        return record.text()


@scenario
async def plain_copy(stage: World) -> None:
    """A copy of ten minutes, and nothing goes wrong."""
    stage.apply()
    await stage.run()
    stage.end(Phase.SUCCEEDED, copies=1)


@scenario
async def encrypted_copy_with_everything(stage: World) -> None:
    """A copy with a key, a name, a description, an enterprise project and tags; a tag is changed afterwards."""
    target = {
        "name": "golden-2026-09",
        "description": "Debian 13, hardened: ä ü 镜",
        "kmsKeyID": stage.key("usable"),
        "enterpriseProjectID": stage.cloud.accounts.enterprise_project_id,
        "tags": {"team": "web", "os": "debian13"},
    }
    stage.apply(target=target)
    await stage.run()
    stage.note("the tags are edited")
    source = {"imageID": stage.source("plain")}
    edited = {"source": source, "target": {**target, "tags": {"team": "db"}}}
    stage.kube.change(spec=edited, metadata={"generation": 2})
    await stage.run()
    stage.end(Phase.SUCCEEDED, copies=1)


@scenario
async def adopted_copy(stage: World) -> None:
    """An object that is deleted and applied again, as Argo CD does: the copy that is there is taken for its own."""
    stage.apply()
    await stage.run(seconds=120)
    stage.note("the object is deleted with the policy Retain and applied again; the operator is a new one")
    stage.start_operator()
    stage.apply()
    await stage.run()
    stage.end(Phase.SUCCEEDED, copies=1)


@scenario
async def reply_lost(stage: World) -> None:
    """The cloud makes the copy, but the connection is cut before its reply; the marker tells what became of it."""
    stage.fault(match={"kind": "copy"}, when="after", cut=True)
    stage.apply()
    await stage.run()
    stage.end(Phase.SUCCEEDED, copies=1)


@scenario
async def gateway_timeout_and_late_row(stage: World) -> None:
    """504 from the gateway though the copy is being made, and it is missing from lists for 40 s."""
    stage.fault(match={"kind": "copy"}, when="after", reply={"status": 504})
    stage.knobs(row_delay_seconds=40)
    stage.apply()
    await stage.run()
    stage.end(Phase.SUCCEEDED, copies=1)


@scenario
async def nothing_was_sent(stage: World) -> None:
    """The connection is cut before the cloud acts: nothing shows up, and after the settle window a second attempt."""
    stage.fault(match={"kind": "copy"}, cut=True)
    stage.apply()
    await stage.run()
    stage.end(Phase.SUCCEEDED, copies=1)


@scenario
async def crash_before_the_job_id_is_stored(stage: World) -> None:
    """The operator dies between the reply of the copy call and the write of the job id."""
    stage.kube.faults = [None, KubeError("down")]
    stage.apply()
    await stage.reconcile()
    stage.note("the operator dies, another one starts")
    stage.start_operator()
    stage.wait(20)
    await stage.run()
    stage.end(Phase.SUCCEEDED, copies=1)


@scenario
async def job_fails_once(stage: World) -> None:
    """The first job fails after five minutes, the second attempt works."""
    stage.fault(job={"fail": True, "error_code": "IMG.0014", "fail_reason": "Internal error of the task."})
    stage.apply()
    await stage.run()
    stage.end(Phase.SUCCEEDED, copies=1)


@scenario
async def throttled(stage: World) -> None:
    """429 for the copy call, twice without Retry-After, and for a look at the job, with it."""
    stage.fault(match={"kind": "copy"}, count=2, reply={"status": 429})
    stage.fault(match={"kind": "job"}, skip=2, reply={"status": 429, "headers": {"Retry-After": "30"}})
    stage.apply()
    await stage.run()
    stage.end(Phase.SUCCEEDED, copies=1)


@scenario
async def too_many_jobs(stage: World) -> None:
    """IMG.0060, as others use up what the tenant may run at a time; it is free again after a minute."""
    stage.knobs(max_concurrent=0)
    stage.apply()
    await stage.run(seconds=60)
    stage.knobs(max_concurrent=5)
    await stage.run()
    stage.end(Phase.SUCCEEDED, copies=1)


@scenario
async def quota_reached(stage: World) -> None:
    """IMG.0015, as the project may have no more private images; ten minutes later it may."""
    stage.knobs(quota=1)
    stage.apply()
    await stage.run(seconds=600)
    stage.knobs(quota=50)
    await stage.run()
    stage.end(Phase.SUCCEEDED, copies=1)


@scenario
async def refused_for_good(stage: World) -> None:
    """A full-ECS image can't be copied: one refusal, no second call."""
    stage.apply("full-ecs")
    await stage.run()
    stage.end(Phase.FAILED, copies=0)


@scenario
async def deleted_with_its_image(stage: World) -> None:
    """deletionPolicy Delete: the object is deleted during the copy, the image goes when it is done."""
    stage.apply(deletionPolicy="Delete")
    await stage.run(seconds=COPY_SECONDS - 30)
    await stage.delete()
    stage.wait(3)
    stage.end(Phase.DELETING, copies=0)


@scenario
async def token_expires(stage: World) -> None:
    """The token is revoked during the copy: 401, one login, the same call again."""
    stage.apply()
    await stage.run(seconds=200)
    stage.fault(match={"kind": "job"}, reply={"status": 401, "code": "0307"})
    await stage.run()
    stage.end(Phase.SUCCEEDED, copies=1)


@scenario
async def job_forgotten(stage: World) -> None:
    """The cloud does not know the job any more: the image tells how the copy went."""
    stage.apply()
    await stage.run(seconds=200)
    for job in list(stage.cloud.jobs.values()):
        stage.cloud.jobs.put(job.model_copy(update={"forgotten": True}))
    await stage.run()
    stage.end(Phase.SUCCEEDED, copies=1)


@scenario
async def only_the_newer_job_query(stage: World) -> None:
    """A cloud without GET /v1/{project_id}/jobs/{job_id}: the other query is found out once and used from then on."""
    stage.knobs(show_job_endpoint=False)
    stage.apply()
    await stage.run()
    stage.end(Phase.SUCCEEDED, copies=1)
