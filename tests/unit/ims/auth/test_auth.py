import asyncio
import logging
import traceback

import httpx
import pytest

from imagecopy.ims import (
    Allowlist,
    CredentialsInvalid,
    EndpointNotAllowed,
    ImsError,
    Misconfigured,
    SurelyNotDone,
    Throttled,
    TryLater,
    Unreachable,
)
from unit.ims.cloud import IAM, IMS, PASSWORD, PROJECT, Cloud, always, credentials, login_reply

DENIED = httpx.Response(
    401, json={"error": {"message": "The username or password is wrong.", "code": 401, "title": "Unauthorized"}}
)
EXPIRED = httpx.Response(401, json={"error_msg": "The token must be updated.", "error_code": "APIGW.0307"})
FINE = httpx.Response(200, json={"id": "i"})


async def test_the_login_is_as_the_reference_says(cloud: Cloud) -> None:
    session = await cloud.auth().session()
    assert (session.project_id, session.project_name, session.ims_endpoint) == (PROJECT, "eu-de", IMS)
    assert session.expires_at.isoformat() == "2026-09-02T00:00:00+00:00"
    login = cloud.logins[0]
    assert (login.method, str(login.url)) == ("POST", f"{IAM}/v3/auth/tokens")
    assert b'"scope":{"project":{"name":"eu-de"}}' in login.content
    assert "x-auth-token" not in login.headers


@pytest.mark.parametrize(
    ("project", "region", "scope"),
    [
        ({"project_id": "p", "project_name": "n"}, "eu-de", b'{"id":"p"}'),
        ({"project_name": "n"}, "eu-de", b'{"name":"n"}'),
        ({"project_name": None}, "eu-nl", b'{"name":"eu-nl"}'),
    ],
)
async def test_the_project_is_the_named_one_or_the_regions(
    cloud: Cloud, project: dict[str, str | None], region: str, scope: bytes
) -> None:
    await cloud.auth(login=credentials(**project), region=region).session()
    assert b'"scope":{"project":' + scope + b"}" in cloud.logins[0].content


async def test_without_project_and_region_nothing_is_sent(cloud: Cloud) -> None:
    with pytest.raises(Misconfigured, match="no project"):
        await cloud.auth(login=credentials(project_name=None)).session()
    assert cloud.logins == []


async def test_a_hundred_callers_share_one_login(cloud: Cloud) -> None:
    async def slow(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.01)
        return login_reply()

    cloud.on_login = slow
    auth = cloud.auth()
    tokens = {session.token for session in await asyncio.gather(*(auth.session() for _ in range(100)))}
    assert tokens == {"token-1"}
    assert len(cloud.logins) == 1


@pytest.mark.parametrize("trouble", [DENIED, httpx.Response(503), httpx.ConnectError("no route")])
async def test_a_hundred_callers_share_one_failure(cloud: Cloud, trouble: httpx.Response | Exception) -> None:
    async def slow(_: httpx.Request) -> httpx.Response | Exception:
        await asyncio.sleep(0.01)
        cloud.clock.now += 45  # slower than the pause that follows
        return trouble

    cloud.on_login = slow
    auth = cloud.auth()
    results = await asyncio.gather(*(auth.session() for _ in range(100)), return_exceptions=True)
    assert len(cloud.logins) == 1
    assert all(isinstance(result, SurelyNotDone) for result in results)
    assert len({id(result) for result in results}) == 100


async def test_a_caller_that_goes_away_does_not_take_the_login_from_the_others(cloud: Cloud) -> None:
    started = asyncio.Event()

    async def slow(_: httpx.Request) -> httpx.Response:
        started.set()
        await asyncio.sleep(0.01)
        return login_reply()

    cloud.on_login = slow
    auth = cloud.auth()
    first, second = asyncio.create_task(auth.session()), asyncio.create_task(auth.session())
    await started.wait()
    first.cancel()
    assert (await second).token == "token-1"


async def test_a_token_is_used_until_five_minutes_before_its_end(cloud: Cloud) -> None:
    auth = cloud.auth()
    await auth.session()
    cloud.clock.now += 24 * 3600 - 301
    assert (await auth.session()).token == "token-1"
    cloud.clock.now += 2
    assert (await auth.session()).token == "token-2"


async def test_a_short_lived_token_is_used_for_nine_tenths_of_its_life(cloud: Cloud) -> None:
    cloud.on_login = lambda _: login_reply(f"token-{len(cloud.logins)}", hours=1)
    auth = cloud.auth()
    await auth.session()
    cloud.clock.now += 3600 - 301
    assert (await auth.session()).token == "token-1"
    cloud.clock.now += 2
    assert (await auth.session()).token == "token-2"


@pytest.mark.parametrize("trouble", [DENIED, httpx.Response(503)])
async def test_an_old_token_serves_to_its_end_when_the_next_login_fails(cloud: Cloud, trouble: httpx.Response) -> None:
    auth = cloud.auth()
    await auth.session()
    cloud.on_login = lambda _: trouble
    cloud.clock.now += 24 * 3600 - 299
    assert (await auth.session()).token == "token-1"
    cloud.clock.now += 300
    with pytest.raises(SurelyNotDone):
        await auth.session()


async def test_a_working_old_token_does_not_hide_that_the_password_is_wrong(cloud: Cloud) -> None:
    cloud.answer(FINE)
    async with cloud.client() as client:
        await client.get_image("i")
        cloud.on_login = lambda _: DENIED
        cloud.clock.now += 24 * 3600 - 299
        for _ in range(50):
            await client.get_image("i")
            cloud.clock.now += 1
    assert len(cloud.logins) == 2


async def test_after_a_401_one_fresh_token_is_tried(cloud: Cloud) -> None:
    cloud.answer(EXPIRED, FINE)
    async with cloud.client() as client:
        assert (await client.get_image("i")).id == "i"
    assert [request.headers["x-auth-token"] for request in cloud.requests] == ["token-1", "token-2"]


async def test_a_second_401_is_the_end_and_the_next_caller_waits(cloud: Cloud) -> None:
    cloud.answer(EXPIRED)
    async with cloud.client() as client:
        with pytest.raises(CredentialsInvalid, match="must be updated"):
            await client.get_image("i")
        assert (len(cloud.requests), len(cloud.logins)) == (2, 2)
        with pytest.raises(CredentialsInvalid, match="must be updated") as caught:
            await client.get_image("i")
        assert caught.value.retry_after == 60
        assert (len(cloud.requests), len(cloud.logins)) == (2, 2)


async def test_a_hundred_calls_with_an_expired_token_make_one_login(cloud: Cloud) -> None:
    cloud.on_call = lambda request: EXPIRED if request.headers["x-auth-token"] == "token-1" else FINE
    async with cloud.client() as client:
        await asyncio.gather(*(client.get_image(str(n)) for n in range(100)))
    assert len(cloud.logins) == 2


async def test_refused_logins_are_further_and_further_apart(cloud: Cloud) -> None:
    cloud.on_login = lambda _: DENIED
    auth = cloud.auth()
    at = []
    for _ in range(4000):
        before = len(cloud.logins)
        with pytest.raises(CredentialsInvalid, match=r"The username or password is wrong\.") as caught:
            await auth.session()
        if len(cloud.logins) > before:
            at.append(cloud.clock.now - 1000)
        assert caught.value.retry_after is not None
        cloud.clock.now += min(caught.value.retry_after, 10) or 1
        if len(at) == 7:
            break
    assert at == [0, 60, 180, 420, 900, 1800, 2700]


async def test_a_changed_secret_is_tried_at_once(cloud: Cloud) -> None:
    cloud.on_login = lambda _: DENIED
    with pytest.raises(CredentialsInvalid):
        await cloud.auth().session()
    cloud.on_login = lambda _: login_reply()
    assert (await cloud.auth().session()).token == "token-1"


async def test_refusals_are_forgotten_once_a_token_was_taken(cloud: Cloud) -> None:
    cloud.on_login = lambda _: DENIED if len(cloud.logins) != 3 else login_reply(hours=1)
    cloud.answer(FINE)
    auth = cloud.auth()
    async with cloud.client(auth=auth) as client:
        for pause in (60, 120):
            with pytest.raises(CredentialsInvalid) as caught:
                await client.get_image("i")
            assert caught.value.retry_after == pause
            cloud.clock.now += pause
        await client.get_image("i")
        cloud.clock.now += 3601
        with pytest.raises(CredentialsInvalid) as caught:
            await client.get_image("i")
        assert caught.value.retry_after == 60


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (httpx.Response(403, json={"error": {"message": "Account locked", "code": 403}}), CredentialsInvalid),
        (httpx.Response(400, json={"error": {"message": "No project", "code": 400}}), Misconfigured),
        (httpx.Response(404, html="<h1>Not here</h1>"), Misconfigured),
        (httpx.Response(429, headers={"Retry-After": "17"}), Throttled),
        (httpx.Response(302, headers={"Location": "https://evil.org/"}), TryLater),
        (httpx.Response(500), TryLater),
        (httpx.Response(201, text="<html>"), TryLater),
        (httpx.Response(201, json={"token": {}}), TryLater),
        (httpx.Response(201, json={"token": {}}, headers={"X-Subject-Token": "t"}), Misconfigured),
        (httpx.Response(201, json=[]), TryLater),
        (httpx.ConnectError("refused"), Unreachable),
        (httpx.ReadTimeout("slow"), TryLater),
        (httpx.ReadError("reset"), TryLater),
        (httpx.RemoteProtocolError("closed"), TryLater),
    ],
)
async def test_no_trouble_with_a_login_leaves_a_call_in_doubt(
    cloud: Cloud, reply: httpx.Response | Exception, kind: type[ImsError]
) -> None:
    cloud.on_login = lambda _: reply
    async with cloud.client() as client:
        with pytest.raises(kind) as caught:
            await client.get_image("i")
    assert type(caught.value) is kind
    assert isinstance(caught.value, SurelyNotDone)
    assert (len(cloud.logins), cloud.requests) == (1, [])


async def test_a_throttled_login_waits_as_long_as_it_is_told(cloud: Cloud) -> None:
    cloud.on_login = lambda _: httpx.Response(429, headers={"Retry-After": "17"})
    auth = cloud.auth()
    for wait in (16.0, 0.5):
        with pytest.raises(Throttled):
            await auth.session()
        cloud.clock.now += wait
    assert len(cloud.logins) == 1
    cloud.clock.now += 1
    with pytest.raises(Throttled):
        await auth.session()
    assert len(cloud.logins) == 2


async def test_a_forbidden_endpoint_gets_no_password(cloud: Cloud) -> None:
    with pytest.raises(EndpointNotAllowed):
        cloud.auth(iam_endpoint="https://iam.evil.org")
    await cloud.auth(iam_endpoint=f"{IAM}/v3/", allowlist=Allowlist.parse("*.otc.t-systems.com")).session()
    assert [str(login.url) for login in cloud.logins] == [f"{IAM}/v3/auth/tokens"]


async def test_no_secret_shows_anywhere(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    auth = cloud.auth()
    cloud.answer(FINE)
    async with cloud.client(auth=auth) as client:
        await client.get_image("i")
        shown = [repr(auth), repr(await auth.session()), str(await auth.session()), repr(client), repr(credentials())]
        for status in (400, 401, 500):
            echo = httpx.Response(status, json={"error": {"message": f"wrong password {PASSWORD}"}})
            cloud.on_login = always(echo)
            with pytest.raises(ImsError) as caught:
                await cloud.auth().session()
            exc = caught.value
            shown += [repr(exc), str(vars(exc)), "".join(traceback.format_exception(exc))]
    text = "\n".join([*shown, caplog.text, *map(repr, cloud.records)])
    assert "wrong password ***" in text
    assert PASSWORD not in text
    assert "token-1" not in text


@pytest.mark.parametrize(
    ("endpoints", "found"),
    [
        ([("eu-de", "public", "https://a"), ("eu-nl", "public", "https://b")], "https://b"),
        ([("eu-de", "public", "https://a"), ("*", "public", "https://b")], "https://b"),
        ([("eu-de", "public", "https://a")], "https://a"),
        ([("eu-nl", "internal", "https://a"), ("eu-de", "public", "https://b")], "https://b"),
        ([("eu-nl", "internal", "https://a")], None),
        ([], None),
    ],
)
async def test_the_catalogues_endpoint_of_the_region_is_taken(
    cloud: Cloud, endpoints: list[tuple[str, str, str]], found: str | None
) -> None:
    entries = [{"region": region, "interface": kind, "url": url} for region, kind, url in endpoints]
    body = {"token": {"project": {"id": "p"}, "catalog": [None, {"type": "image", "endpoints": entries}]}}
    cloud.on_login = lambda _: httpx.Response(201, json=body, headers={"X-Subject-Token": "t"})
    assert (await cloud.auth(region="eu-nl").session()).ims_endpoint == found


async def test_a_login_is_recorded(cloud: Cloud) -> None:
    await cloud.auth().session()
    assert [(r.call, r.method, r.path, r.status, r.error) for r in cloud.records] == [
        ("login", "POST", "/v3/auth/tokens", 201, None)
    ]
