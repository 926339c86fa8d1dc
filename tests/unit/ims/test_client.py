from collections.abc import Awaitable, Callable

import httpx
import pytest

from imagecopy.ims import (
    CallRecord,
    CopyRequest,
    CredentialsInvalid,
    EndpointNotAllowed,
    ImsClient,
    ImsError,
    Misconfigured,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    Refused,
    SurelyNotDone,
    Throttled,
    Unreachable,
)
from unit.ims.cloud import IMS, JOB, PROJECT, SOURCE, Answer, Cloud, gateway, img, login_reply

REQUEST = CopyRequest(name="golden", description="imgcp1abc", cmk_id="", enterprise_project_id="0")
ACCEPTED = httpx.Response(200, json={"job_id": JOB}, headers={"X-Request-Id": "r1"})

CALLS: list[Callable[[ImsClient], Awaitable[object]]] = [
    lambda client: client.copy_image(SOURCE, REQUEST),
    lambda client: client.get_job(JOB),
    lambda client: client.get_image(SOURCE),
    lambda client: client.list_images(name="golden"),
    lambda client: client.get_quota(),
    lambda client: client.add_tags(SOURCE, {"a": "b"}),
    lambda client: client.delete_tags(SOURCE, {"a": "b"}),
    lambda client: client.delete_image(SOURCE),
]


async def test_a_copy_is_asked_for_as_the_reference_says(cloud: Cloud) -> None:
    cloud.answer(ACCEPTED)
    async with cloud.client() as client:
        accepted = await client.copy_image(SOURCE, REQUEST)
    assert (accepted.job_id, accepted.request_id) == (JOB, "r1")
    assert (cloud.requests[0].method, str(cloud.requests[0].url)) == (
        "POST",
        f"{IMS}/v1/cloudimages/{SOURCE}/copy",
    )
    assert cloud.requests[0].headers["content-type"] == "application/json"
    assert cloud.body() == {"name": "golden", "description": "imgcp1abc", "enterprise_project_id": "0"}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.ConnectError("refused"), Unreachable),
        (httpx.ConnectTimeout("slow"), Unreachable),
        (httpx.PoolTimeout("busy"), Unreachable),
        (httpx.ProxyError("403 Forbidden"), Unreachable),
        (httpx.ReadTimeout("slow"), OutcomeUnknown),
        (httpx.WriteTimeout("slow"), OutcomeUnknown),
        (httpx.ReadError("reset"), OutcomeUnknown),
        (httpx.WriteError("reset"), OutcomeUnknown),
        (httpx.CloseError("reset"), OutcomeUnknown),
        (httpx.RemoteProtocolError("closed"), OutcomeUnknown),
        (httpx.LocalProtocolError("bad"), OutcomeUnknown),
        (httpx.DecodingError("bad"), OutcomeUnknown),
        (TimeoutError(), OutcomeUnknown),
        (OSError("nobody mapped this one"), OutcomeUnknown),
        (gateway("APIGW.0201", 504), OutcomeUnknown),
        (gateway("APIGW.0613", 503), OutcomeUnknown),
        (httpx.Response(502, html="<h1>Bad gateway</h1>"), OutcomeUnknown),
        (httpx.Response(500), OutcomeUnknown),
        (img("IMG.0061"), OutcomeUnknown),
        (httpx.Response(302, headers={"Location": "https://evil.org/"}), OutcomeUnknown),
        (httpx.Response(302, headers={"Location": "https://[bad/"}), OutcomeUnknown),
        (httpx.Response(200, text="<html>welcome</html>"), OutcomeUnknown),
        (httpx.Response(200, text='{"job_id": "edc8'), OutcomeUnknown),
        (httpx.Response(200, json={"job_id": ""}), OutcomeUnknown),
        (httpx.Response(200, json=[]), OutcomeUnknown),
        (httpx.Response(204), OutcomeUnknown),
        (httpx.Response(200, stream=httpx.ByteStream(b'{"job_id": "x"}' + b" " * 3_000_000)), OutcomeUnknown),
        (img("IMG.0130"), Refused),
        (img("IMG.0060"), Throttled),
        (httpx.Response(429, headers={"Retry-After": "9"}), Throttled),
        (img("IMG.0144"), NotFound),
        (img("IMG.0026", status=403), PermissionDenied),
    ],
)
async def test_a_copy_is_sent_exactly_once_whatever_becomes_of_it(
    cloud: Cloud, answer: Answer, kind: type[ImsError]
) -> None:
    cloud.answer(answer)
    async with cloud.client() as client:
        with pytest.raises(kind) as caught:
            await client.copy_image(SOURCE, REQUEST)
    assert type(caught.value) is kind
    assert len(cloud.requests) == 1


async def test_a_2xx_without_a_job_tells_what_it_said_instead(cloud: Cloud) -> None:
    cloud.answer(httpx.Response(200, json={"error": {"code": "IMG.0014", "message": "task error"}}))
    async with cloud.client() as client:
        with pytest.raises(OutcomeUnknown, match="no job id: task error") as caught:
            await client.copy_image(SOURCE, REQUEST)
    assert (caught.value.code, caught.value.http_status) == ("IMG.0014", 200)


async def test_a_copy_refused_for_its_token_is_sent_again_with_a_fresh_one(cloud: Cloud) -> None:
    cloud.answer(gateway("APIGW.0307", 401), ACCEPTED)
    async with cloud.client() as client:
        assert (await client.copy_image(SOURCE, REQUEST)).job_id == JOB
    assert cloud.body(0) == cloud.body(1)
    assert len(cloud.logins) == 2


async def test_a_copy_refused_twice_for_its_token_surely_was_not_made(cloud: Cloud) -> None:
    cloud.answer(gateway("APIGW.0301", 401))
    async with cloud.client() as client:
        with pytest.raises(CredentialsInvalid):
            await client.copy_image(SOURCE, REQUEST)
    assert len(cloud.requests) == 2


async def test_a_login_that_fails_after_a_401_leaves_no_doubt(cloud: Cloud) -> None:
    cloud.answer(gateway("APIGW.0307", 401))
    cloud.on_login = lambda _: login_reply() if len(cloud.logins) == 1 else httpx.Response(503)
    async with cloud.client() as client:
        with pytest.raises(SurelyNotDone):
            await client.copy_image(SOURCE, REQUEST)


@pytest.mark.parametrize("call", CALLS)
async def test_no_redirect_is_followed(cloud: Cloud, call: Callable[[ImsClient], Awaitable[object]]) -> None:
    cloud.answer(httpx.Response(307, headers={"Location": "https://evil.org/"}))
    async with cloud.client() as client:
        with pytest.raises(Misconfigured):
            await call(client)
    assert {request.url.host for request in cloud.requests} == {"ims.eu-de.otc.t-systems.com"}


@pytest.mark.parametrize("call", CALLS)
async def test_a_compressed_bomb_is_not_unpacked(cloud: Cloud, call: Callable[[ImsClient], Awaitable[object]]) -> None:
    cloud.on_call = lambda _: httpx.Response(
        500, stream=httpx.ByteStream(b"\x1f\x8b" + b"\0" * 100), headers={"Content-Encoding": "gzip"}
    )
    async with cloud.client() as client:
        with pytest.raises(OutcomeUnknown):
            await call(client)
    assert cloud.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("action", ["create", "delete"])
async def test_tags_are_changed_in_one_call(cloud: Cloud, action: str) -> None:
    cloud.answer(httpx.Response(204))
    async with cloud.client() as client:
        change = client.add_tags if action == "create" else client.delete_tags
        await change(SOURCE, {})
        await change(SOURCE, {"env": "prod", "empty": ""})
    assert [request.url.path for request in cloud.requests] == [f"/v2/{PROJECT}/images/{SOURCE}/tags/action"]
    assert cloud.body() == {
        "action": action,
        "tags": [{"key": "env", "value": "prod"}, {"key": "empty", "value": ""}],
    }


async def test_an_image_is_deleted(cloud: Cloud) -> None:
    cloud.answer(httpx.Response(204))
    async with cloud.client() as client:
        await client.delete_image(SOURCE)
    assert (cloud.requests[0].method, cloud.requests[0].url.path) == ("DELETE", f"/v2/images/{SOURCE}")


@pytest.mark.parametrize("bad", ["", ".", ".."])
async def test_an_id_can_not_change_the_path(cloud: Cloud, bad: str) -> None:
    async with cloud.client() as client:
        for call in (client.get_image, client.delete_image, client.get_job):
            with pytest.raises(Refused):
                await call(bad)
        cloud.answer(httpx.Response(200, json={"id": "i"}))
        await client.get_image("../../v1?x#y")
    assert [request.url.raw_path for request in cloud.requests] == [b"/v2/images/..%2F..%2Fv1%3Fx%23y"]


async def test_the_endpoint_given_counts_before_the_catalogues(cloud: Cloud) -> None:
    cloud.answer(ACCEPTED)
    async with cloud.client(ims_endpoint="https://ims.eu-nl.otc.t-systems.com/v2") as client:
        await client.copy_image(SOURCE, REQUEST)
    assert cloud.requests[0].url.host == "ims.eu-nl.otc.t-systems.com"


async def test_a_forbidden_endpoint_gets_nothing_not_even_from_the_catalogue(cloud: Cloud) -> None:
    with pytest.raises(EndpointNotAllowed):
        cloud.client(ims_endpoint="https://ims.evil.org")
    cloud.on_login = lambda _: login_reply(ims="https://ims.evil.org")
    async with cloud.client() as client:
        for call in CALLS:
            with pytest.raises(EndpointNotAllowed, match=r"ims\.evil\.org"):
                await call(client)
    assert cloud.requests == []


async def test_a_catalogue_without_images_says_what_to_give(cloud: Cloud) -> None:
    cloud.on_login = lambda _: login_reply(ims=None)
    async with cloud.client() as client:
        with pytest.raises(Misconfigured, match=r"set endpoints\.ims"):
            await client.get_quota()


async def test_nothing_is_done_in_another_project_than_the_wanted_one(cloud: Cloud) -> None:
    async with cloud.client(project_id="another") as client:
        for call in (client.project_id, client.get_quota, lambda: client.copy_image(SOURCE, REQUEST)):
            with pytest.raises(Misconfigured, match=PROJECT):
                await call()
    async with cloud.client(project_id=PROJECT) as client:
        assert await client.project_id() == PROJECT
    assert cloud.requests == []


async def test_every_call_is_recorded_once(cloud: Cloud) -> None:
    cloud.answer(ACCEPTED, gateway("APIGW.0308", 429), httpx.ReadTimeout("slow"))
    async with cloud.client() as client:
        await client.copy_image(SOURCE, REQUEST)
        for _ in range(2):
            with pytest.raises(ImsError):
                await client.get_quota()
    told = [(r.call, r.method, r.status, r.request_id, r.error, r.code) for r in cloud.records[1:]]
    assert told == [
        ("copy_image", "POST", 200, "r1", None, None),
        ("get_quota", "GET", 429, "f" * 32, "Throttled", "APIGW.0308"),
        ("get_quota", "GET", None, None, "OutcomeUnknown", None),
    ]
    assert all(record.seconds >= 0 for record in cloud.records)


async def test_a_broken_hook_does_not_lose_the_job(cloud: Cloud) -> None:
    def broken(_: CallRecord) -> None:
        raise ValueError("hook")

    cloud.answer(ACCEPTED)
    async with cloud.client(on_call=broken) as client:
        assert (await client.copy_image(SOURCE, REQUEST)).job_id == JOB


async def test_a_connection_that_does_not_close_does_not_lose_the_job(cloud: Cloud) -> None:
    class Stuck(httpx.MockTransport):
        async def aclose(self) -> None:
            raise OSError("stuck")

    cloud.answer(ACCEPTED)
    client = cloud.client(transport=Stuck(cloud.handle))
    assert (await client.copy_image(SOURCE, REQUEST)).job_id == JOB


async def test_cookies_are_not_kept(cloud: Cloud) -> None:
    cloud.answer(httpx.Response(200, json={"id": "i"}, headers={"Set-Cookie": "a=b; Path=/"}))
    async with cloud.client() as client:
        await client.get_image("i")
        await client.get_image("i")
    assert "cookie" not in cloud.requests[1].headers
