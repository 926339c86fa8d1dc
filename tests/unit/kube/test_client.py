"""The API calls over a real socket: what is sent, and what is concluded from the answers."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio.client import Configuration

from imagecopy.api.provider import ProviderKind, ProviderStatus
from imagecopy.flow.steps import Event, EventType
from imagecopy.kube import events
from imagecopy.kube.client import KubeClient
from imagecopy.kube.errors import Conflict, KubeError, Missing, Refused, Unavailable
from imagecopy.kube.objects import ProviderSnapshot, Snapshot
from unit.copies.builders import body
from unit.flow.builders import new, then, trouble

BASE = "/apis/imagecopy.io/v1alpha1"
SNAPSHOT = Snapshot.parse(body())


class ApiServer:
    """Answers every call alike; ``calls`` is what was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.text = json.dumps(body())
        self.hang_up = False
        self.calls: list[tuple[web.Request, Any]] = []

    async def handle(self, request: web.Request) -> web.Response:
        text = await request.text()
        self.calls.append((request, json.loads(text) if text else None))
        if self.hang_up:
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=self.status, text=self.text, content_type="application/json")

    def says(self, thing: object, status: int = 200) -> None:
        self.status, self.text = status, json.dumps(thing)


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


@pytest.fixture
async def kube(server: ApiServer) -> AsyncIterator[KubeClient]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with TestServer(app) as listening:
        client = KubeClient(Configuration(host=str(listening.make_url("")).rstrip("/")))
        yield client
        await client.aclose()


async def test_a_status_is_written_under_the_version_it_was_decided_on(kube: KubeClient, server: ApiServer) -> None:
    status = then(new(), trouble()).status
    server.says(body(status=status.to_wire()))
    written = await kube.write_status(SNAPSHOT, status)
    assert written.status == status
    ((request, sent),) = server.calls
    assert (request.method, request.path) == ("PATCH", f"{BASE}/namespaces/team-a/imagecopies/golden/status")
    assert request.headers["Content-Type"] == "application/merge-patch+json"
    assert dict(request.query) == {"fieldManager": "imagecopy-operator", "fieldValidation": "Strict"}
    assert sent["metadata"] == {"resourceVersion": "100"}
    assert sent["status"]["observedGeneration"] == 1
    assert set(sent) == {"metadata", "status"}


CALLS: dict[str, Callable[[KubeClient], Awaitable[object]]] = {
    "write": lambda kube: kube.write_status(SNAPSHOT, then(new(), trouble()).status),
    "read": lambda kube: kube.image_copy("team-a", "golden"),
    "provider": lambda kube: kube.custom_object("clusterimageproviders", "default", None),
    "secret": lambda kube: kube.secret("imagecopy-system", "otc"),
    "namespace": lambda kube: kube.namespace_uid("kube-system"),
    "event": lambda kube: kube.create_event("team-a", {}),
    "served": lambda kube: kube.is_served("imagecopies"),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (401, Unavailable),
        (403, Refused),
        (409, Conflict),
        (410, Unavailable),
        (422, Refused),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
    ],
)
async def test_an_answer_is_sorted_by_what_may_be_concluded(
    kube: KubeClient, server: ApiServer, name: str, status: int, kind: type[KubeError]
) -> None:
    server.says({"kind": "Status", "message": "the reason"}, status)
    with pytest.raises(KubeError, match="the reason") as caught:
        await CALLS[name](kube)
    assert (type(caught.value), caught.value.status) == (kind, status)
    assert len(server.calls) == 1, "nothing is repeated here"


async def test_what_is_not_there_is_missing(kube: KubeClient, server: ApiServer) -> None:
    server.says({"kind": "Status", "message": "not found"}, 404)
    for name, call in CALLS.items():
        if name != "served":
            with pytest.raises(Missing):
                await call(kube)


@pytest.mark.parametrize("name", CALLS)
async def test_no_answer_may_mean_anything(kube: KubeClient, server: ApiServer, name: str) -> None:
    server.hang_up = True
    with pytest.raises(Unavailable) as caught:
        await CALLS[name](kube)
    assert caught.value.status is None


@pytest.mark.parametrize("text", ["<html>a proxy</html>", "", "null", "[]", '"word"', "5", "{"])
@pytest.mark.parametrize("status", [200, 502])
async def test_an_answer_that_is_no_object_is_no_answer(
    kube: KubeClient, server: ApiServer, text: str, status: int
) -> None:
    server.status, server.text = status, text
    for call in CALLS.values():
        with pytest.raises(Unavailable):
            await call(kube)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    kube = KubeClient(Configuration(host="http://127.0.0.1:1"))
    with pytest.raises(Unavailable, match="does not answer"):
        await kube.image_copy("team-a", "golden")
    await kube.aclose()


async def test_objects_are_read_where_they_are(kube: KubeClient, server: ApiServer) -> None:
    await kube.custom_object("imageproviders", "mine", "team-a")
    await kube.custom_object("clusterimageproviders", "default", None)
    assert [request.path for request, _ in server.calls] == [
        f"{BASE}/namespaces/team-a/imageproviders/mine",
        f"{BASE}/clusterimageproviders/default",
    ]


async def test_a_secret_is_read_by_name_and_never_shown(kube: KubeClient, server: ApiServer) -> None:
    server.says({"metadata": {"uid": "u", "resourceVersion": "7"}, "data": {"password": "aHVzaA=="}})
    found = await kube.secret("imagecopy-system", "otc")
    assert (found.uid, found.resource_version, found.data) == ("u", "7", {"password": "aHVzaA=="})
    assert "aHVzaA" not in repr(found)
    assert server.calls[0][0].path == "/api/v1/namespaces/imagecopy-system/secrets/otc"
    server.says({"metadata": {"uid": "u", "resourceVersion": "7"}})
    assert (await kube.secret("imagecopy-system", "otc")).data == {}


async def test_a_resource_is_served_when_its_crd_is_there(kube: KubeClient, server: ApiServer) -> None:
    server.says({"resources": [{"name": "imagecopies"}, {"name": "imagecopies/status"}]})
    assert await kube.is_served("imagecopies")
    assert not await kube.is_served("imageproviders")
    server.says({"message": "not found"}, 404)
    assert not await kube.is_served("imagecopies")


async def test_an_event_is_about_the_object(kube: KubeClient, server: ApiServer) -> None:
    await events.post(kube, SNAPSHOT, Event(EventType.WARNING, "CopyFailed", "x" * 5000))
    ((request, sent),) = server.calls
    assert (request.method, request.path) == ("POST", "/api/v1/namespaces/team-a/events")
    about = sent["involvedObject"]
    assert (about["kind"], about["name"], about["uid"]) == ("ImageCopy", "golden", SNAPSHOT.uid)
    assert (sent["type"], sent["reason"], len(sent["message"])) == ("Warning", "CopyFailed", 1024)
    assert sent["metadata"]["name"].startswith("golden.")


@pytest.mark.parametrize("status", [403, 404, 409, 500])
async def test_an_event_that_is_refused_does_no_harm(kube: KubeClient, server: ApiServer, status: int) -> None:
    server.says({"message": "no"}, status)
    await events.post(kube, SNAPSHOT, Event(EventType.NORMAL, "Submitted", "words"))
    assert len(server.calls) == 1


PROVIDER = {
    "metadata": {"name": "default", "uid": "u-1", "resourceVersion": "7", "generation": 2},
    "spec": {"credentialsSecretRef": {"name": "login", "namespace": "ops"}},
    "status": {"observedGeneration": -1},
}


async def test_the_status_of_a_provider_is_written_under_the_version_it_was_decided_on(
    kube: KubeClient, server: ApiServer
) -> None:
    server.says(PROVIDER)
    known = await kube.provider(ProviderKind.CLUSTER, "", "default")
    assert (known.secret_namespace, known.generation, known.status) == ("ops", 2, ProviderStatus())
    await kube.write_provider_status(known, ProviderStatus(observed_generation=2, running_copies=1))
    request, sent = server.calls[-1]
    assert (request.method, request.path) == ("PATCH", f"{BASE}/clusterimageproviders/default/status")
    assert sent == {
        "metadata": {"resourceVersion": "7"},
        "status": {"observedGeneration": 2, "runningCopies": 1},
    }


async def test_a_namespaced_provider_is_read_and_written_in_its_namespace(kube: KubeClient, server: ApiServer) -> None:
    server.says({**PROVIDER, "metadata": {**PROVIDER["metadata"], "namespace": "team-a"}})  # type: ignore[dict-item]
    known = await kube.provider(ProviderKind.NAMESPACED, "team-a", "default")
    assert known.secret_namespace == "team-a"
    await kube.write_provider_status(known, ProviderStatus(observed_generation=2))
    paths = [request.path for request, _ in server.calls]
    assert paths == [f"{BASE}/namespaces/team-a/imageproviders/default{end}" for end in ("", "/status")]


async def test_whether_something_may_be_listed_is_asked_with_one_object(kube: KubeClient, server: ApiServer) -> None:
    server.says({"items": []})
    assert await kube.may_list("imageproviders", "team-a")
    assert server.calls[-1][0].path_qs == f"{BASE}/namespaces/team-a/imageproviders?limit=1"
    server.says({"message": "forbidden"}, 403)
    assert not await kube.may_list("clusterimageproviders", None)
    assert server.calls[-1][0].path_qs == f"{BASE}/clusterimageproviders?limit=1"
    server.says({"message": "down"}, 503)
    with pytest.raises(Unavailable):
        await kube.may_list("clusterimageproviders", None)


async def test_labels_of_a_namespace(kube: KubeClient, server: ApiServer) -> None:
    server.says({"metadata": {"name": "team-a", "labels": {"images": "golden"}}})
    assert await kube.namespace_labels("team-a") == {"images": "golden"}
    server.says({"metadata": {"name": "team-a"}})
    assert await kube.namespace_labels("team-a") == {}


async def test_an_event_about_a_cluster_scoped_object_is_told_in_namespace_default(
    kube: KubeClient, server: ApiServer
) -> None:
    about = ProviderSnapshot.parse(ProviderKind.CLUSTER, PROVIDER)
    event = Event(EventType.WARNING, "SecretUnusual", "words")
    await events.post(kube, about, event, once="7")
    server.says({"message": "already exists"}, 409)
    await events.post(kube, about, event, once="7")
    await events.post(kube, about, event, once="8")
    names = [sent["metadata"]["name"] for _, sent in server.calls]
    assert names[0] == names[1] != names[2]
    request, sent = server.calls[0]
    assert request.path == "/api/v1/namespaces/default/events"
    assert sent["involvedObject"] == {
        "apiVersion": "imagecopy.io/v1alpha1", "kind": "ClusterImageProvider", "name": "default", "uid": "u-1",
        "resourceVersion": "7",
    }  # fmt: skip
