"""What holds for every way in: one login for all who wait, renewal, refusals, and that no secret is seen."""

import asyncio
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from imagecopy.ims import (
    CopyRequest,
    Credentials,
    CredentialsInvalid,
    EndpointNotAllowed,
    ImsError,
    Misconfigured,
    SurelyNotDone,
    auth_for,
)
from unit.ims.auth.login_cloud import (
    BY_KEY,
    BY_NODE,
    BY_PASSWORD,
    BY_POD,
    ID_TOKENS,
    KEYS,
    METADATA_KEY,
    PROJECTS,
    SECRET_KEY,
    SERVICE_TOKEN,
    TOKENS,
    LoginCloud,
    agency_of,
    oidc_of,
    refused,
)
from unit.ims.cloud import PASSWORD, PROJECT, SOURCE

POD_KEY = "/v1/credentials"


@dataclass(frozen=True)
class Way:
    name: str
    make: Callable[[Path], Credentials]
    login: str
    """Where it gets what expires, last."""

    def __str__(self) -> str:
        return self.name


RENEWED = [
    Way("password", lambda _: BY_PASSWORD, TOKENS),
    Way("agency-by-password", lambda _: agency_of(BY_PASSWORD), TOKENS),
    Way("agency-by-key", lambda _: agency_of(BY_KEY), KEYS),
    Way("node-agency", lambda _: BY_NODE, METADATA_KEY),
    Way("pod-identity", lambda _: BY_POD, POD_KEY),
    Way("oidc", oidc_of, ID_TOKENS),
]
REFUSABLE = [way for way in RENEWED if way.name != "node-agency"]
EVERY = [*RENEWED, Way("access-key", lambda _: BY_KEY, "ims")]

pytestmark = pytest.mark.usefixtures("token_file")

renewed = pytest.mark.parametrize("way", RENEWED, ids=str)
refusable = pytest.mark.parametrize("way", REFUSABLE, ids=str)
every = pytest.mark.parametrize("way", EVERY, ids=str)


def logins_of(login_cloud: LoginCloud, way: Way) -> int:
    """How often what expires was asked for; an agency's login of its own is another matter."""
    asked = login_cloud.to(way.login)
    if way.name == "agency-by-password":
        asked = [request for request in asked if b"assume_role" in request.content]
    return len(asked)


@every
async def test_a_login_opens_the_door(login_cloud: LoginCloud, way: Way, token_file: Path) -> None:
    async with login_cloud.client(way.make(token_file)) as client:
        assert await client.project_id() == PROJECT
        await client.list_images(name="a b+ä")
        assert (await client.copy_image(SOURCE, CopyRequest(name="n"))).job_id == "j" * 32


@renewed
async def test_a_hundred_callers_share_one_login(login_cloud: LoginCloud, way: Way, token_file: Path) -> None:
    login_cloud.slowly(way.login)
    async with login_cloud.client(way.make(token_file)) as client:
        await asyncio.gather(*(client.get_image(str(number)) for number in range(100)))
    assert logins_of(login_cloud, way) == 1
    assert len(login_cloud.to("ims")) == 100


@renewed
@pytest.mark.parametrize("trouble", [httpx.Response(503), httpx.ConnectError("no route"), httpx.ReadError("reset")])
async def test_a_hundred_callers_share_one_failure(
    login_cloud: LoginCloud, way: Way, token_file: Path, trouble: httpx.Response | Exception
) -> None:
    login_cloud.slowly(way.login, trouble)
    async with login_cloud.client(way.make(token_file)) as client:
        results = await asyncio.gather(
            *(client.get_image(str(number)) for number in range(100)), return_exceptions=True
        )
    assert all(isinstance(result, SurelyNotDone) for result in results)
    assert len(login_cloud.to(way.login)) == 1
    assert login_cloud.to("ims") == []


@renewed
async def test_a_failure_is_tried_again_after_five_seconds(login_cloud: LoginCloud, way: Way, token_file: Path) -> None:
    login_cloud.answers[way.login] = lambda _: httpx.Response(500)
    async with login_cloud.client(way.make(token_file)) as client:
        with pytest.raises(SurelyNotDone):
            await client.get_image("i")
        login_cloud.answers.clear()
        login_cloud.clock.now += 4.9
        with pytest.raises(SurelyNotDone):
            await client.get_image("i")
        login_cloud.clock.now += 0.2
        await client.get_image("i")


@renewed
@pytest.mark.parametrize(("hours", "at"), [(24, 24 * 3600 - 300), (0.5, 1800 - 180)])
async def test_a_login_is_renewed_ahead_of_its_end(
    login_cloud: LoginCloud, way: Way, token_file: Path, hours: float, at: float
) -> None:
    login_cloud.life = timedelta(hours=hours)
    async with login_cloud.client(way.make(token_file)) as client:
        await client.get_image("i")
        login_cloud.clock.now += at - 1
        await client.get_image("i")
        assert logins_of(login_cloud, way) == 1
        login_cloud.clock.now += 2
        await client.get_image("i")
    assert logins_of(login_cloud, way) == 2


@renewed
async def test_the_life_is_by_the_clouds_own_times(login_cloud: LoginCloud, way: Way, token_file: Path) -> None:
    login_cloud.wall_off = timedelta(minutes=10)
    async with login_cloud.client(way.make(token_file)) as client:
        await client.get_image("i")
        login_cloud.clock.now += 24 * 3600 - 301
        await client.get_image("i")
    assert logins_of(login_cloud, way) == 1


@renewed
async def test_the_old_login_serves_to_its_end_when_the_next_one_fails(
    login_cloud: LoginCloud, way: Way, token_file: Path
) -> None:
    async with login_cloud.client(way.make(token_file)) as client:
        await client.get_image("i")
        login_cloud.answers[way.login] = lambda _: httpx.Response(503)
        login_cloud.clock.now += 24 * 3600 - 299
        await client.get_image("i")
        login_cloud.clock.now += 300
        with pytest.raises(SurelyNotDone):
            await client.get_image("i")


@renewed
async def test_while_one_caller_renews_the_others_go_on(login_cloud: LoginCloud, way: Way, token_file: Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def stuck(request: httpx.Request) -> httpx.Response:
        begun.set()
        await go_on.wait()
        return login_cloud.usual_answer(request)

    async with login_cloud.client(way.make(token_file)) as client:
        await client.get_image("i")
        login_cloud.answers[way.login] = stuck
        login_cloud.clock.now += 24 * 3600 - 299
        first = asyncio.create_task(client.get_image("first"))
        await begun.wait()
        await asyncio.gather(*(client.get_image(str(number)) for number in range(20)))
        assert not first.done()
        go_on.set()
        await first
    assert logins_of(login_cloud, way) == 2


@renewed
async def test_after_a_401_one_fresh_login_is_tried(login_cloud: LoginCloud, way: Way, token_file: Path) -> None:
    async with login_cloud.client(way.make(token_file)) as client:
        await client.get_image("i")
        login_cloud.tokens.clear()
        login_cloud.keys = {"AKPERMANENT": login_cloud.keys["AKPERMANENT"]}
        await asyncio.gather(*(client.get_image(str(number)) for number in range(20)))
    assert logins_of(login_cloud, way) == 2


@renewed
async def test_a_fresh_login_that_is_not_taken_is_the_end(login_cloud: LoginCloud, way: Way, token_file: Path) -> None:
    login_cloud.answers["/v2/images/i"] = lambda _: refused("Not you.")
    async with login_cloud.client(way.make(token_file)) as client:
        for _ in range(2):
            with pytest.raises(
                CredentialsInvalid, match=r"^Not you\. The login .*worked but its (token|key) did not"
            ) as caught:
                await client.get_image("i")
            assert caught.value.retry_after == 60
    assert len(login_cloud.to("/v2/images/i")) == 2
    assert logins_of(login_cloud, way) == 2


@refusable
async def test_refused_logins_are_further_and_further_apart(
    login_cloud: LoginCloud, way: Way, token_file: Path
) -> None:
    login_cloud.answers[way.login] = lambda _: refused("Not you.")
    begin, at = login_cloud.clock.now, list[float]()
    async with login_cloud.client(way.make(token_file)) as client:
        while len(at) < 7:
            before = len(login_cloud.requests)
            with pytest.raises(CredentialsInvalid, match=r"^Not you\. ") as caught:
                await client.get_image("i")
            if len(login_cloud.requests) > before:
                at.append(login_cloud.clock.now - begin)
            assert caught.value.retry_after is not None
            login_cloud.clock.now += min(caught.value.retry_after, 10) or 1
    assert at == [0, 60, 180, 420, 900, 1800, 2700]


@refusable
async def test_another_provider_with_the_same_login_is_no_further_try(
    login_cloud: LoginCloud, way: Way, token_file: Path
) -> None:
    login_cloud.slowly(way.login, refused("Not you."))
    clients = [login_cloud.client(way.make(token_file)) for _ in range(20)]
    results = await asyncio.gather(*(client.get_image("i") for client in clients), return_exceptions=True)
    for client in clients:
        await client.aclose()
    assert all(isinstance(result, CredentialsInvalid) for result in results)
    assert len(login_cloud.requests) == 1


@pytest.mark.parametrize("way", [*REFUSABLE, EVERY[-1]], ids=str)
async def test_a_login_that_was_refused_is_named_by_its_keys(
    login_cloud: LoginCloud, way: Way, token_file: Path
) -> None:
    credentials = way.make(token_file)
    login_cloud.answers[way.login if way.name != "access-key" else PROJECTS] = lambda _: refused("Not you.")
    if way.name == "agency-by-password":
        login_cloud.answers[TOKENS] = lambda request: (
            refused("Not you.") if b"assume_role" in request.content else login_cloud.give_token(request)
        )
    async with login_cloud.client(credentials) as client:
        with pytest.raises(CredentialsInvalid) as caught:
            await client.get_image("i")
    expected = {
        "password": "Check username, password and domainName",
        "agency-by-password": "The login itself worked: check agencyName and agencyDomainName",
        "agency-by-key": "Check accessKeyID and secretAccessKey",
        "pod-identity": "Check the Pod Identity association",
        "oidc": "Check identityProviderID",
        "access-key": "Check accessKeyID and secretAccessKey",
    }
    assert caught.value.message.startswith(f"Not you. {expected[way.name]}")


@every
async def test_the_endpoint_of_ims_has_to_come_from_somewhere(
    login_cloud: LoginCloud, way: Way, token_file: Path
) -> None:
    async with login_cloud.client(way.make(token_file), ims_endpoint=None) as client:
        with pytest.raises(Misconfigured, match=r"spec\.endpoints\.ims"):
            await client.get_image("i")


@every
async def test_a_forbidden_iam_gets_nothing(login_cloud: LoginCloud, way: Way, token_file: Path) -> None:
    with pytest.raises(EndpointNotAllowed):
        auth_for(way.make(token_file), "https://iam.evil.org", login_cloud.wire())
    assert login_cloud.requests == []


@every
async def test_a_call_is_recorded_with_its_status(login_cloud: LoginCloud, way: Way, token_file: Path) -> None:
    async with login_cloud.client(way.make(token_file)) as client:
        await client.get_image("i")
        login_cloud.answers["/v2/images/i"] = lambda _: refused()
        with pytest.raises(CredentialsInvalid):
            await client.get_image("i")
    last = login_cloud.records[-1]
    assert (last.call, last.status, last.error, last.code) == ("get_image", 401, "CredentialsInvalid", "APIGW.0301")


@every
@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
async def test_no_secret_is_seen_anywhere(
    login_cloud: LoginCloud, way: Way, token_file: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the cloud answers, be it all that it was told."""
    caplog.set_level(logging.DEBUG)
    credentials = way.make(token_file)
    auth = login_cloud.auth(credentials)
    async with login_cloud.client(auth) as client:
        await client.get_image("i")
        shown = [repr(auth), repr(await auth.session()), repr(credentials), repr(client), str(vars(auth))]

        def echo(request: httpx.Request) -> httpx.Response:
            words = f"no: {request.content.decode()} {dict(request.headers)}"
            body = {"error_msg": words, "error_code": "APIGW.0301", "credential": login_cloud.make_key()}
            return httpx.Response(status, json=body)

        for path in {r.url.path for r in login_cloud.requests}:
            for door in (echo, lambda r: httpx.Response(status, content=echo(r).content[:-1])):
                fresh = LoginCloud()
                fresh.answers[path] = door
                async with fresh.client(credentials) as other:
                    try:
                        await other.get_image("i")
                    except ImsError as exc:
                        shown += [repr(exc), str(vars(exc)), "".join(traceback.format_exception(exc))]
                shown += map(repr, fresh.records)
    text = "\n".join([*shown, caplog.text, *map(repr, login_cloud.records)])
    used = {
        "password": [PASSWORD],
        "agency-by-password": [PASSWORD],
        "agency-by-key": [SECRET_KEY],
        "access-key": [SECRET_KEY],
        "oidc": [SERVICE_TOKEN],
        "pod-identity": [SERVICE_TOKEN],
    }
    for secret in [*used.get(way.name, []), "never-to-be-seen"]:
        assert secret not in text
