"""Whatever a server sends, a call ends in a value or an ImsError."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagecopy.ims import CopyRequest, ImsClient, ImsError, OutcomeUnknown
from unit.ims.cloud import Cloud

KEYS = ["job_id", "images", "id", "status", "entities", "quotas", "resources", "token", "project", "catalog", "error"]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
bodies = st.binary(max_size=64) | values.map(lambda value: json.dumps(value).encode())
headers = st.dictionaries(
    st.sampled_from(["Content-Encoding", "Location", "Retry-After", "Date", "Set-Cookie", "X-Request-Id"]),
    st.sampled_from(["gzip", "br", "https://[x/", "//evil", "1", "x" * 9, "Thu, 99 Foo 2020", "a=b"]),
)
replies = st.builds(lambda status, content, fields: (status, content, fields), st.integers(200, 599), bodies, headers)

CALLS: list[Callable[[ImsClient], Awaitable[object]]] = [
    lambda client: client.get_job("j"),
    lambda client: client.get_image("i"),
    lambda client: client.list_images(),
    lambda client: client.get_quota(),
    lambda client: client.add_tags("i", {"a": "b"}),
    lambda client: client.delete_image("i"),
]


def fresh(reply: tuple[int, bytes, dict[str, str]]) -> httpx.Response:
    status, content, fields = reply
    return httpx.Response(status, stream=httpx.ByteStream(content), headers=fields)


@pytest.mark.parametrize("call", CALLS)
@settings(max_examples=40, deadline=None)
@given(reply=replies)
def test_a_call_ends_in_a_value_or_an_ims_error(
    call: Callable[[ImsClient], Awaitable[object]], reply: tuple[int, bytes, dict[str, str]]
) -> None:
    async def run() -> None:
        cloud = Cloud()
        cloud.on_call = lambda _: fresh(reply)
        async with cloud.client() as client:
            try:
                await call(client)
            except ImsError as exc:
                str(exc).encode()

    asyncio.run(run())


@settings(max_examples=80, deadline=None)
@given(reply=replies)
def test_a_copy_is_accepted_unknown_or_refused_by_a_4xx(reply: tuple[int, bytes, dict[str, str]]) -> None:
    async def run() -> None:
        cloud = Cloud()
        cloud.on_call = lambda _: fresh(reply)
        async with cloud.client() as client:
            try:
                accepted = await client.copy_image("i", CopyRequest(name="n"))
            except OutcomeUnknown:
                pass
            except ImsError:
                assert 300 < reply[0] < 500
            else:
                assert reply[0] < 300
                assert accepted.job_id
        assert len(cloud.requests) == (2 if reply[0] == 401 else 1)

    asyncio.run(run())


@settings(max_examples=80, deadline=None)
@given(reply=replies, with_token=st.booleans())
def test_a_login_never_leaves_a_copy_in_doubt(reply: tuple[int, bytes, dict[str, str]], with_token: bool) -> None:
    async def run() -> None:
        cloud = Cloud()
        status, content, fields = reply
        login = (status, content, {**fields, "X-Subject-Token": "t"} if with_token else fields)
        cloud.on_login = lambda _: fresh(login)
        async with cloud.client() as client:
            try:
                await client.copy_image("i", CopyRequest(name="n"))
            except OutcomeUnknown:
                assert len(cloud.requests) == 1
            except ImsError:
                assert cloud.requests == []

    asyncio.run(run())
