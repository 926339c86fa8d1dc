"""The questions of the chart's hooks, asked of an API server that says what a test wants."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from imagecopy import install_checks
from imagecopy.api.base import FINALIZER
from imagecopy.install_checks import NotYet

_GROUP = "/apis/imagecopy.io/v1alpha1"


class ApiServer:
    """Answers by path; ``pages`` are lists of ImageCopies, one page each."""

    def __init__(self) -> None:
        self.resources = ["imagecopies", "imageproviders", "clusterimageproviders"]
        self.pages: dict[str, list[list[dict[str, Any]]]] = {}
        self.status = 200
        self.asked: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if self.status != 200:
            return self._says({"message": "no"}, self.status)
        if request.path == _GROUP:
            return self._says({"resources": [{"name": name} for name in self.resources]})
        pages = self.pages.get(request.path, [[]])
        at = int(request.query.get("continue", "0"))
        meta = {"continue": str(at + 1)} if at + 1 < len(pages) else {}
        return self._says({"items": pages[at], "metadata": meta})

    @staticmethod
    def _says(thing: object, status: int = 200) -> web.Response:
        return web.Response(status=status, text=json.dumps(thing), content_type="application/json")


def _copy(namespace: str, name: str, *finalizers: str) -> dict[str, Any]:
    meta = {"namespace": namespace, "name": name}
    return {"metadata": meta | ({"finalizers": list(finalizers)} if finalizers else {})}


@pytest.fixture
async def server(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ApiServer]:
    server, app = ApiServer(), web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with TestServer(app) as listening:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": str(listening.make_url("")).rstrip("/")}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(path))
        monkeypatch.delenv("IMAGECOPY_NAMESPACES", raising=False)
        yield server


async def test_objects_that_need_the_operator_are_named_from_every_page(server: ApiServer) -> None:
    server.pages[f"{_GROUP}/imagecopies"] = [
        [_copy("a", "running", FINALIZER), _copy("a", "finished")],
        [_copy("b", "somebody-elses", "example.com/x"), _copy("b", "leaving", "example.com/x", FINALIZER)],
    ]
    with pytest.raises(NotYet) as refused:
        await install_checks.before_uninstall()
    assert "a/running\n  b/leaving\n" in str(refused.value)
    assert "finished" not in str(refused.value)
    assert "somebody-elses" not in str(refused.value)
    assert "helm uninstall --no-hooks" in str(refused.value)


async def test_many_objects_are_counted(server: ApiServer) -> None:
    server.pages[f"{_GROUP}/imagecopies"] = [[_copy("a", f"n{number}", FINALIZER) for number in range(23)]]
    with pytest.raises(NotYet, match="and 3 more"):
        await install_checks.before_uninstall()


async def test_nothing_held_lets_go(server: ApiServer) -> None:
    server.pages[f"{_GROUP}/imagecopies"] = [[_copy("a", "finished")]]
    assert "no ImageCopy" in await install_checks.before_uninstall()


async def test_only_watched_namespaces_are_looked_into(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGECOPY_NAMESPACES", "a,b")
    server.pages[f"{_GROUP}/namespaces/b/imagecopies"] = [[_copy("b", "running", FINALIZER)]]
    with pytest.raises(NotYet, match="b/running"):
        await install_checks.before_uninstall()
    assert server.asked == [f"{_GROUP}/namespaces/{name}/imagecopies" for name in "ab"]


async def test_without_the_crd_nothing_is_held(server: ApiServer) -> None:
    server.status = 404
    assert "no ImageCopy" in await install_checks.before_uninstall()


async def test_doubt_keeps_the_release(server: ApiServer) -> None:
    server.status = 403
    with pytest.raises(NotYet, match="can't check whether"):
        await install_checks.before_uninstall()


async def test_served_resources_end_the_wait(server: ApiServer) -> None:
    assert "is served" in await install_checks.await_crds(0)


async def test_what_is_not_served_is_named(server: ApiServer) -> None:
    server.resources.remove("imageproviders")
    with pytest.raises(NotYet, match=r"does not serve imageproviders\.imagecopy\.io"):
        await install_checks.await_crds(0)
