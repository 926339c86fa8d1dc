"""The way in by an access key: its project, its one wrong try at a time, and wrong clocks."""

import asyncio
from dataclasses import replace

import httpx
import pytest

from imagecopy.ims import (
    CredentialsInvalid,
    ImsError,
    Misconfigured,
    PermissionDenied,
    ProjectRef,
    SurelyNotDone,
    Throttled,
    Timeouts,
    TryLater,
    Unreachable,
)
from imagecopy.ims.auth.access_key import fresh_key
from unit.ims.auth.login_cloud import BY_KEY, PROJECTS, Answer, LoginCloud, refused
from unit.ims.cloud import IMS, PROJECT

BY_ID = replace(BY_KEY, project=ProjectRef(id=PROJECT, name="another"))
IMAGE = "/v2/images/i"


async def test_with_the_projects_id_nothing_is_looked_up(login_cloud: LoginCloud) -> None:
    async with login_cloud.client(BY_ID) as client:
        await client.get_image("i")
    assert login_cloud.paths() == [IMAGE]
    assert login_cloud.requests[0].headers["x-project-id"] == PROJECT
    assert "x-auth-token" not in login_cloud.requests[0].headers


@pytest.mark.parametrize(
    ("project", "region", "name"),
    [(ProjectRef(name="eu-de_a"), "eu-de", "eu-de_a"), (ProjectRef(), "eu-nl", "eu-nl")],
)
async def test_the_project_is_looked_up_by_its_name_or_the_regions(
    login_cloud: LoginCloud, project: ProjectRef, region: str, name: str
) -> None:
    login_cloud.projects.append({"id": "b" * 32, "name": name})
    session = await login_cloud.auth(replace(BY_KEY, project=project), region=region).session()
    assert (session.project_id, session.project_name, session.ims_endpoint) == ("b" * 32, name, None)
    asked = login_cloud.requests[0]
    assert (asked.method, asked.url.path, dict(asked.url.params)) == ("GET", PROJECTS, {"name": name})
    assert "x-project-id" not in asked.headers


async def test_the_project_is_looked_up_once_for_all(login_cloud: LoginCloud) -> None:
    login_cloud.slowly(PROJECTS)
    async with login_cloud.client(BY_KEY) as client:
        await asyncio.gather(*(client.get_image(str(number)) for number in range(100)))
        login_cloud.clock.now += 10 * 24 * 3600
        await client.get_image("i")
    assert len(login_cloud.to(PROJECTS)) == 1


async def test_without_project_and_region_nothing_is_sent(login_cloud: LoginCloud) -> None:
    with pytest.raises(Misconfigured, match="no project to log in to"):
        await login_cloud.auth(replace(BY_KEY, project=ProjectRef()), region=None).session()
    assert login_cloud.requests == []


@pytest.mark.parametrize(
    ("projects", "words"),
    [
        ([], r"no project 'eu-de' that this login may use; check projectName \(eu-de\)"),
        ([{"id": "a", "name": "eu-de_b"}, {"id": "c", "name": "EU-DE"}], "no project 'eu-de'"),
        ([{"id": "a", "name": "eu-de"}, {"id": "b", "name": "eu-de"}], "2 projects are named 'eu-de': .* one of a, b"),
    ],
)
async def test_exactly_one_project_has_to_have_the_name(
    login_cloud: LoginCloud, projects: list[dict[str, str]], words: str
) -> None:
    login_cloud.answers[PROJECTS] = lambda _: httpx.Response(200, json={"projects": projects})
    with pytest.raises(Misconfigured, match=words):
        await login_cloud.auth(BY_KEY).session()


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            httpx.Response(403, json={"error_msg": "No.", "error_code": "X"}),
            PermissionDenied,
            "Set projectID in the pro",
        ),
        (httpx.Response(404, html="<p>?"), Misconfigured, "and the IAM endpoint"),
        (httpx.Response(400, json={}), Misconfigured, "and the IAM endpoint"),
        (httpx.Response(429), Throttled, "."),
        (httpx.Response(502), TryLater, "."),
        (httpx.Response(302, headers={"Location": "https://evil.org"}), TryLater, "."),
        (httpx.Response(200, text="<html>"), TryLater, "no JSON"),
        (httpx.Response(200, json=[]), Misconfigured, "no project 'eu-de'"),
        (httpx.Response(200, json={"projects": [None, {}, {"name": "eu-de"}]}), Misconfigured, "no project 'eu-de'"),
        (httpx.ReadTimeout("slow"), TryLater, "."),
        (httpx.ConnectError("no"), Unreachable, "."),
    ],
)
async def test_no_trouble_with_the_project_leaves_a_call_in_doubt(
    login_cloud: LoginCloud, answer: Answer, kind: type[ImsError], words: str
) -> None:
    login_cloud.answers[PROJECTS] = lambda _: answer
    assert isinstance(await login_cloud.failure(BY_KEY, kind, words), SurelyNotDone)
    assert login_cloud.to("ims") == []


async def test_a_key_that_is_refused_is_not_tried_again_at_once(login_cloud: LoginCloud) -> None:
    login_cloud.answers[IMAGE] = lambda _: refused("ak not exist")
    async with login_cloud.client(BY_ID) as client:
        for retry_after in (60, 60):
            with pytest.raises(CredentialsInvalid, match=r"^ak not exist\. Check accessKeyID and secretAcc") as caught:
                await client.get_image("i")
            assert caught.value.retry_after == retry_after
    assert len(login_cloud.requests) == 1


async def test_wrong_tries_are_further_and_further_apart(login_cloud: LoginCloud) -> None:
    login_cloud.keys.clear()
    begin, at = login_cloud.clock.now, list[float]()
    async with login_cloud.client(BY_ID) as client:
        while len(at) < 7:
            before = len(login_cloud.requests)
            with pytest.raises(CredentialsInvalid) as caught:
                await client.get_image("i")
            if len(login_cloud.requests) > before:
                at.append(login_cloud.clock.now - begin)
            login_cloud.clock.now += min(caught.value.retry_after or 0, 10) or 1
    assert at == [0, 60, 180, 420, 900, 1800, 2700]


async def test_a_hundred_callers_make_one_wrong_try(login_cloud: LoginCloud) -> None:
    login_cloud.slowly(IMAGE, refused())
    clients = [login_cloud.client(BY_ID) for _ in range(10)]
    calls = [client.get_image("i") for client in clients for _ in range(10)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    for client in clients:
        await client.aclose()
    assert all(isinstance(result, CredentialsInvalid) for result in results)
    assert len(login_cloud.requests) == 1


async def test_a_hundred_callers_are_served_five_at_a_time(login_cloud: LoginCloud) -> None:
    for number in range(100):
        login_cloud.slowly(f"/v2/images/{number}")
    clients = [login_cloud.client(BY_ID) for _ in range(10)]
    await asyncio.gather(*(clients[number % 10].get_image(str(number)) for number in range(100)))
    for client in clients:
        await client.aclose()
    assert len(login_cloud.requests) == 100
    assert login_cloud.most_under_way == 5


async def test_a_key_that_is_withdrawn_makes_five_wrong_tries_at_most(login_cloud: LoginCloud) -> None:
    async with login_cloud.client(BY_ID) as client:
        await client.get_image("i")
        before = len(login_cloud.requests)
        for number in range(50):
            login_cloud.slowly(f"/v2/images/{number}", refused())
        calls = (client.get_image(str(number)) for number in range(50))
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, CredentialsInvalid) for result in results)
    assert len(login_cloud.requests) - before == 5


async def test_a_changed_secret_is_tried_at_once(login_cloud: LoginCloud) -> None:
    wrong = replace(BY_ID, secret_access_key="wrong")
    async with login_cloud.client(wrong) as client:
        with pytest.raises(CredentialsInvalid, match="signature fail"):
            await client.get_image("i")
    async with login_cloud.client(BY_ID) as client:
        await client.get_image("i")


async def test_an_edited_provider_is_no_further_try(login_cloud: LoginCloud) -> None:
    """It makes a new client; the Secret is the same."""
    login_cloud.keys.clear()
    for project in (ProjectRef(id=PROJECT), ProjectRef(name="eu-de"), ProjectRef()):
        async with login_cloud.client(replace(BY_KEY, project=project)) as client:
            with pytest.raises(CredentialsInvalid):
                await client.get_image("i")
    assert len(login_cloud.requests) == 1


async def test_refusals_are_forgotten_once_the_key_was_taken(login_cloud: LoginCloud) -> None:
    answers = [refused(), refused(), httpx.Response(200, json={"id": "i"}), refused()]
    login_cloud.answers[IMAGE] = lambda _: answers.pop(0)
    pauses = []
    async with login_cloud.client(BY_ID) as client:
        for _ in range(4):
            try:
                await client.get_image("i")
            except CredentialsInvalid as exc:
                pauses.append(exc.retry_after)
            login_cloud.clock.now += 200
    assert pauses == [60, 120, 60]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_reply_that_says_nothing_about_the_key_does_not_open_the_way(
    login_cloud: LoginCloud, status: int
) -> None:
    """The first call goes alone until one is taken, lest ten wrong tries follow an overloaded gateway."""
    for number in range(10):
        login_cloud.slowly(f"/v2/images/{number}", httpx.Response(status))
    async with login_cloud.client(BY_ID) as client:
        await asyncio.gather(*(client.get_image(str(number)) for number in range(10)), return_exceptions=True)
    assert len(login_cloud.requests) == 10
    assert login_cloud.most_under_way == 1


async def test_whose_turn_does_not_come_has_sent_nothing(login_cloud: LoginCloud) -> None:
    begun, stuck = asyncio.Event(), asyncio.Event()

    async def never(_: httpx.Request) -> Answer:
        begun.set()
        await stuck.wait()
        return httpx.Response(200, json={"id": "i"})

    login_cloud.answers[IMAGE] = never
    async with login_cloud.client(login_cloud.auth(BY_ID, timeouts=Timeouts(pool_seconds=0.01))) as client:
        first = asyncio.create_task(client.get_image("i"))
        await begun.wait()
        with pytest.raises(Unreachable, match=r"waited 0\.01 s for other requests under the same login"):
            await client.get_image("j")
        stuck.set()
        await first
        await client.get_image("j")
    assert len(login_cloud.requests) == 2


async def test_a_caller_that_goes_away_gives_its_turn_to_the_next(login_cloud: LoginCloud) -> None:
    started = asyncio.Event()

    async def never(_: httpx.Request) -> Answer:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    login_cloud.answers[IMAGE] = never
    async with login_cloud.client(BY_ID) as client:
        first = asyncio.create_task(client.get_image("i"))
        await started.wait()
        second = asyncio.create_task(client.get_image("j"))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).id == "i"


async def test_a_temporary_key_that_ended_is_told_as_such(login_cloud: LoginCloud) -> None:
    credentials = replace(BY_ID, security_token="ended")
    async with login_cloud.client(credentials) as client:
        with pytest.raises(CredentialsInvalid, match="A temporary key ends: give a new securityToken"):
            await client.get_image("i")
    assert login_cloud.requests[0].headers["x-security-token"] == "ended"
    assert "x-security-token" in login_cloud.requests[0].headers["authorization"]


async def test_the_gateways_echo_of_the_request_is_cut(login_cloud: LoginCloud) -> None:
    echo = "verify aksk signature fail, canonicalRequest:GET|/v2/images/i/||host:h|x-security-token:abc|"
    login_cloud.answers[IMAGE] = lambda _: refused(echo)
    async with login_cloud.client(BY_ID) as client:
        with pytest.raises(CredentialsInvalid) as caught:
            await client.get_image("i")
    assert caught.value.message.startswith(
        "verify aksk signature fail (the rest repeats the request). Check accessKeyID"
    )


@pytest.mark.parametrize(
    "keys",
    [
        {"access": "A", "secret": "S", "securitytoken": "T", "expires_at": "2026-09-01T06:00:00.000000Z"},
        {"accessKeyId": "A", "secretAccessKey": "S", "securityToken": "T", "expiration": "2026-09-01T06:00:00Z"},
        {"access_key_id": "A", "secret_access_key": "S", "security_token": "T", "expiration": "2026-09-01T06:00:00Z"},
        {"accessKeyId": "A", "secretAccessKey": "S", "securityToken": "T", "expires_at": "2026-09-01T06:00:00Z"},
    ],
)
@pytest.mark.parametrize("under", ["credential", "credentials", None])
def test_temporary_keys_are_read_in_every_spelling(keys: dict[str, str], under: str | None) -> None:
    headers = {"date": "Tue, 01 Sep 2026 05:00:00 GMT"}
    fresh = fresh_key(keys if under is None else {under: keys}, headers)
    key = fresh.value
    assert (key.access_key_id, key.secret_access_key, key.security_token) == ("A", "S", "T")
    assert fresh.life_seconds == 3600


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "x",
        {},
        {"credential": None},
        {"credential": {"access": "A", "secret": "S"}},
        {"credential": {"access": "A", "secret": "", "securitytoken": "T"}},
        {"credential": {"access": "A\nB", "secret": "S", "securitytoken": "T"}},
        {"credential": {"access": "A", "secretAccessKey": "S", "security_token": "T"}},
    ],
)
def test_a_reply_without_a_temporary_key_is_none(data: object) -> None:
    with pytest.raises(ValueError, match=r"^the reply has no temporary key$"):
        fresh_key(data, {})


def test_a_temporary_key_without_an_end_is_taken_for_short_lived() -> None:
    data = {"access": "A", "secret": "S", "securitytoken": "T", "expires_at": "soon"}
    assert fresh_key(data, {}).life_seconds == 900


async def test_the_session_names_no_endpoint(login_cloud: LoginCloud) -> None:
    async with login_cloud.client(BY_KEY, ims_endpoint=None) as client:
        with pytest.raises(Misconfigured, match="the login names no image service, so the provider has to"):
            await client.list_images()
    assert IMS not in [str(request.url) for request in login_cloud.requests]
