"""The scenarios whose traffic is kept. The docstring of a scenario is the title of its log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from golden.environment import COPY_SECONDS, Environment, environment
from imagecopy.api.imagecopy import Phase
from imagecopy.kube.errors import KubeError

Scenario = Callable[[Environment], Awaitable[None]]

SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    SCENARIOS[function.__name__.replace("_", "-")] = function
    return function


async def record_scenario(name: str) -> str:
    """Run a scenario; return its log."""
    function = SCENARIOS[name]
    async with environment((function.__doc__ or "").strip()) as (env, record):
        await function(env)
        return record.text()


@scenario
async def plain_copy(env: Environment) -> None:
    """A copy of ten minutes, and nothing goes wrong."""
    env.apply()
    await env.run()
    env.end(Phase.SUCCEEDED, copies=1)


@scenario
async def encrypted_copy_with_everything(env: Environment) -> None:
    """A copy with a key, a name, a description, an enterprise project and tags; a tag is changed afterwards."""
    target = {
        "name": "golden-2026-09",
        "description": "Debian 13, hardened: ä ü 镜",
        "kmsKeyID": env.key("usable"),
        "enterpriseProjectID": env.cloud.accounts.enterprise_project_id,
        "tags": {"team": "web", "os": "debian13"},
    }
    env.apply(target=target)
    await env.run()
    env.note("the tags are edited")
    source = {"imageID": env.source("plain")}
    edited = {"source": source, "target": {**target, "tags": {"team": "db"}}}
    env.kube.change(spec=edited, metadata={"generation": 2})
    await env.run()
    env.end(Phase.SUCCEEDED, copies=1)


@scenario
async def adopted_copy(env: Environment) -> None:
    """An object is deleted and applied again, as Argo CD may do: the new object adopts the copy that exists."""
    env.apply()
    await env.run(seconds=120)
    env.note("the object is deleted with the policy Retain and applied again; the operator is a new one")
    env.start_operator()
    env.apply()
    await env.run()
    env.end(Phase.SUCCEEDED, copies=1)


@scenario
async def reply_lost(env: Environment) -> None:
    """The cloud makes the copy, but the connection is cut before its reply. The copy is found by its marker."""
    env.fault(match={"kind": "copy"}, when="after", cut=True)
    env.apply()
    await env.run()
    env.end(Phase.SUCCEEDED, copies=1)


@scenario
async def gateway_timeout_and_late_row(env: Environment) -> None:
    """504 from the gateway although the copy is being made; for 40 s the copy is missing from lists."""
    env.fault(match={"kind": "copy"}, when="after", reply={"status": 504})
    env.knobs(row_delay_seconds=40)
    env.apply()
    await env.run()
    env.end(Phase.SUCCEEDED, copies=1)


@scenario
async def nothing_was_sent(env: Environment) -> None:
    """The connection is cut before the cloud acts: no copy appears, and a second attempt follows the settle window."""
    env.fault(match={"kind": "copy"}, cut=True)
    env.apply()
    await env.run()
    env.end(Phase.SUCCEEDED, copies=1)


@scenario
async def crash_before_the_job_id_is_stored(env: Environment) -> None:
    """The operator crashes between the reply of the copy call and the write of the job id."""
    env.kube.faults = [None, KubeError("down")]
    env.apply()
    await env.reconcile()
    env.note("the operator crashes, another one starts")
    env.start_operator()
    env.wait(20)
    await env.run()
    env.end(Phase.SUCCEEDED, copies=1)


@scenario
async def job_fails_once(env: Environment) -> None:
    """The first job fails after five minutes, the second attempt works."""
    env.fault(job={"fail": True, "error_code": "IMG.0014", "fail_reason": "Internal error of the task."})
    env.apply()
    await env.run()
    env.end(Phase.SUCCEEDED, copies=1)


@scenario
async def throttled(env: Environment) -> None:
    """429 for the copy call, twice without Retry-After, and 429 with Retry-After for a poll of the job."""
    env.fault(match={"kind": "copy"}, count=2, reply={"status": 429})
    env.fault(match={"kind": "job"}, skip=2, reply={"status": 429, "headers": {"Retry-After": "30"}})
    env.apply()
    await env.run()
    env.end(Phase.SUCCEEDED, copies=1)


@scenario
async def too_many_jobs(env: Environment) -> None:
    """IMG.0060, because others run as many jobs as the tenant may; after a minute they have finished."""
    env.knobs(max_concurrent=0)
    env.apply()
    await env.run(seconds=60)
    env.knobs(max_concurrent=5)
    await env.run()
    env.end(Phase.SUCCEEDED, copies=1)


@scenario
async def quota_reached(env: Environment) -> None:
    """IMG.0015, because the project's quota of private images is used up; ten minutes later it is raised."""
    env.knobs(quota=1)
    env.apply()
    await env.run(seconds=600)
    env.knobs(quota=50)
    await env.run()
    env.end(Phase.SUCCEEDED, copies=1)


@scenario
async def refused_permanently(env: Environment) -> None:
    """A full-ECS image can't be copied: one refusal, no second call."""
    env.apply("full-ecs")
    await env.run()
    env.end(Phase.FAILED, copies=0)


@scenario
async def deleted_with_its_image(env: Environment) -> None:
    """deletionPolicy Delete: the object is deleted during the copy, and the image when the copy is done."""
    env.apply(deletionPolicy="Delete")
    await env.run(seconds=COPY_SECONDS - 30)
    await env.delete()
    env.wait(3)
    env.end(Phase.DELETING, copies=0)


@scenario
async def token_expires(env: Environment) -> None:
    """The token is revoked during the copy: 401, one login, the same call again."""
    env.apply()
    await env.run(seconds=200)
    env.fault(match={"kind": "job"}, reply={"status": 401, "code": "0307"})
    await env.run()
    env.end(Phase.SUCCEEDED, copies=1)


@scenario
async def job_forgotten(env: Environment) -> None:
    """The cloud does not know the job any more: the image shows how the copy went."""
    env.apply()
    await env.run(seconds=200)
    for job in list(env.cloud.jobs.values()):
        env.cloud.jobs.put(job.model_copy(update={"forgotten": True}))
    await env.run()
    env.end(Phase.SUCCEEDED, copies=1)


@scenario
async def only_the_newer_job_query(env: Environment) -> None:
    """A cloud without GET /v1/{project_id}/jobs/{job_id}: the operator notices once, then uses the other query."""
    env.knobs(show_job_endpoint=False)
    env.apply()
    await env.run()
    env.end(Phase.SUCCEEDED, copies=1)
