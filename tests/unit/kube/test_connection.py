"""The way to the API server."""

import time
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from imagecopy.kube import connection
from imagecopy.kube.client import KubeClient
from imagecopy.kube.session import Sessions
from imagecopy.watch.liveness import WatchMonitor

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: test
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
clusters: [{{name: test, cluster: {{server: "{server}"}}}}]
users: [{{name: test, user: {{token: t}}}}]
"""


async def test_the_environments_proxy_is_not_for_the_api_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def namespace(_: web.Request) -> web.Response:
        return web.json_response({"metadata": {"uid": "u"}})

    served = web.Application()
    served.router.add_get("/api/v1/namespaces/{name}", namespace)
    async with TestServer(served) as server:
        path = tmp_path / "kubeconfig"
        path.write_text(KUBECONFIG.format(server=server.make_url("/")))
        monkeypatch.setenv("KUBECONFIG", str(path))
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        configuration = await connection.load()
        kube = KubeClient(configuration)
        assert await kube.namespace_uid("kube-system") == "u"
        await kube.aclose()
        session = await Sessions(configuration, WatchMonitor(time.monotonic), lambda *_: None).open()
        async with session, session.get(server.make_url("/api/v1/namespaces/kube-system")) as reply:
            assert reply.status == 200
