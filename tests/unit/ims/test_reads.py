"""Jobs, images, lists and the quota, as the cloud shows them."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from imagecopy.ims import ImsError, JobNotFound, JobState, Misconfigured, NotFound, OutcomeUnknown, Quota, Throttled
from unit.ims.cloud import JOB, PROJECT, SOURCE, Answer, Cloud, gateway, img

NO_API = gateway("APIGW.0101", 404, "The API does not exist")


async def test_the_second_job_url_is_asked_where_the_first_is_missing_and_remembered(cloud: Cloud) -> None:
    running = httpx.Response(200, json={"status": "RUNNING", "job_id": JOB})
    cloud.on_call = lambda request: running if "/cloudimages/job/" in request.url.path else NO_API
    async with cloud.client() as client:
        for _ in range(3):
            assert (await client.get_job(JOB)).state is JobState.RUNNING
    assert [request.url.path for request in cloud.requests] == [
        f"/v1/{PROJECT}/jobs/{JOB}",
        *[f"/v1/cloudimages/job/{JOB}"] * 3,
    ]


@pytest.mark.parametrize(
    ("first", "second", "kind", "calls"),
    [
        (img("IMG.0023"), None, JobNotFound, 1),
        (img("IMG.0027", status=404), None, JobNotFound, 1),
        (img("IMG.0030"), None, Misconfigured, 1),
        (httpx.Response(503), None, OutcomeUnknown, 1),
        (httpx.Response(404, html="<h1>404</h1>"), NO_API, JobNotFound, 2),
        (NO_API, NO_API, Misconfigured, 2),
        (NO_API, img("IMG.0023"), JobNotFound, 2),
        (NO_API, httpx.Response(404), Misconfigured, 2),
        (NO_API, httpx.Response(503), OutcomeUnknown, 2),
        (NO_API, httpx.Response(429), Throttled, 2),
    ],
)
async def test_an_unknown_job_is_told_from_a_missing_url(
    cloud: Cloud, first: Answer, second: Answer | None, kind: type[ImsError], calls: int
) -> None:
    cloud.answer(first, *([] if second is None else [second]))
    async with cloud.client() as client:
        with pytest.raises(kind) as caught:
            await client.get_job(JOB)
    assert (type(caught.value), len(cloud.requests)) == (kind, calls)


@pytest.mark.parametrize("answer", [httpx.Response(404, html="<title>404 Not Found</title>"), img("IMG.0027")])
async def test_a_missing_image_is_not_found_in_each_words(cloud: Cloud, answer: httpx.Response) -> None:
    cloud.answer(answer)
    async with cloud.client() as client:
        with pytest.raises(NotFound):
            await client.get_image(SOURCE)


async def test_images_are_looked_for_by_exact_name_and_age(cloud: Cloud) -> None:
    rows = [{"id": "a", "name": "my copy ~1+ä"}, {"id": "b", "name": "my copy ~1+ä (2)"}]
    cloud.answer(httpx.Response(200, json={"images": rows}))
    since = datetime(2024, 3, 1, 12, 55, tzinfo=timezone(timedelta(hours=1)))
    async with cloud.client() as client:
        found = await client.list_images(name="my copy ~1+ä", created_since=since)
    assert [image.id for image in found] == ["a"]
    assert dict(cloud.requests[0].url.params) == {
        "name": "my copy ~1+ä",
        "created_at": "gte:2024-03-01T11:55:00Z",
        "__imagetype": "private",
        "enterprise_project_id": "all_granted_eps",
        "limit": "200",
    }


async def test_an_image_is_looked_for_by_id_among_all_types(cloud: Cloud) -> None:
    cloud.answer(httpx.Response(200, json={"images": [{"id": "b"}, {"id": "a"}]}))
    async with cloud.client() as client:
        found = await client.list_images(image_id="a", image_type=None, enterprise_project_id=None)
    assert [image.id for image in found] == ["a"]
    assert dict(cloud.requests[0].url.params) == {"id": "a", "limit": "200"}


async def test_images_come_newest_first(cloud: Cloud) -> None:
    times = {"b": "2024-03-02T00:00:00Z", "none": None, "a": "2024-03-01T00:00:00Z", "c": "2024-03-03T00:00:00Z"}
    rows = [{"id": image_id, "created_at": time} for image_id, time in times.items()]
    cloud.answer(httpx.Response(200, json={"images": rows}))
    async with cloud.client() as client:
        assert [image.id for image in await client.list_images()] == ["c", "b", "a", "none"]


def pages(total: int, *, markers: bool = True) -> Callable[[httpx.Request], httpx.Response]:
    rows = [{"id": str(number), "name": "n"} for number in range(total)]

    def answer(request: httpx.Request) -> httpx.Response:
        limit, marker = int(request.url.params["limit"]), request.url.params.get("marker")
        start = 0 if marker is None or not markers else int(marker) + 1
        return httpx.Response(200, json={"images": rows[start : start + limit]})

    return answer


@pytest.mark.parametrize(("total", "calls"), [(0, 1), (199, 1), (200, 2), (201, 2), (450, 3)])
async def test_pages_are_followed_to_the_end(cloud: Cloud, total: int, calls: int) -> None:
    cloud.on_call = pages(total)
    async with cloud.client() as client:
        assert [image.id for image in await client.list_images()] == [str(n) for n in range(total)]
    assert len(cloud.requests) == calls


async def test_a_short_page_that_names_a_next_one_is_not_the_last(cloud: Cloud) -> None:
    cloud.answer(
        httpx.Response(200, json={"images": [{"id": "a"}], "page_info": {"next_marker": "m"}}),
        httpx.Response(200, json={"images": [{"id": "b"}]}),
    )
    async with cloud.client() as client:
        assert [image.id for image in await client.list_images()] == ["a", "b"]
    assert cloud.requests[1].url.params["marker"] == "m"


async def test_a_server_that_ignores_markers_is_not_asked_for_ever(cloud: Cloud) -> None:
    cloud.on_call = pages(500, markers=False)
    async with cloud.client() as client:
        assert len(await client.list_images()) == 200
    assert len(cloud.requests) == 2


async def test_a_list_that_never_ends_is_no_list(cloud: Cloud) -> None:
    cloud.on_call = pages(30_000)
    async with cloud.client() as client:
        with pytest.raises(OutcomeUnknown, match="25000"):
            await client.list_images()
    assert len(cloud.requests) == 125


@pytest.mark.parametrize("body", [None, [], {}, {"images": None}, {"images": [{"name": "n"}]}, {"images": ["x"]}])
async def test_a_list_that_might_hide_an_image_is_no_list(cloud: Cloud, body: Any) -> None:
    cloud.answer(httpx.Response(200, json=body))
    async with cloud.client() as client:
        with pytest.raises(OutcomeUnknown):
            await client.list_images()


async def test_quota(cloud: Cloud) -> None:
    cloud.answer(httpx.Response(200, json={"quotas": {"resources": [{"type": "image", "used": 3, "quota": 20}]}}))
    async with cloud.client() as client:
        assert await client.get_quota() == Quota(used=3, limit=20)
