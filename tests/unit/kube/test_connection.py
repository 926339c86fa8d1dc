"""The way to the API server."""

import errno
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


@pytest.fixture
def kubeconfigs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of kubeconfigs, the way to the cluster being named by KUBECONFIG alone."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    folder = tmp_path / "kube configs"
    (folder / "folder").mkdir(parents=True)
    for name, text in {
        "good": KUBECONFIG.format(server="https://good.test"),
        "other": KUBECONFIG.replace("test", "other").format(server="https://other.test"),
        "empty": "",
        "blank": "# nothing yet\n",
        "broken": "clusters: [",
        "binary": "\0",
        "word": "hello",
        "shapeless": "{clusters: 5, contexts: 5, users: 5, current-context: test}",
        "clusterless": "{contexts: [{name: test, context: 5}], clusters: [], current-context: test}",
        "contextless": KUBECONFIG.replace("current-context: test", "").format(server="https://good.test"),
        "cluster only": 'clusters: [{name: test, cluster: {server: "https://split.test"}}]',
        "rest": "{contexts: [{name: test, context: {cluster: test, user: test}}], current-context: test}",
        "user": "{users: [{name: test, user: {token: t}}]}",
    }.items():
        (folder / name).write_text(text)
    (folder / "latin").write_bytes(b"user: M\xfcller")
    return folder


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("{0}/none", "the file named by KUBECONFIG, {0}/none, does not exist"),
        ("{0}/good/below", "the file named by KUBECONFIG, {0}/good/below, does not exist"),
        ("{0}/none:{0}/neither", "none of the files named by KUBECONFIG, {0}/none:{0}/neither, exists"),
        ("{0}/empty", "the file named by KUBECONFIG, {0}/empty, is empty"),
        ("{0}/blank", "the file named by KUBECONFIG, {0}/blank, is empty"),
        ("{0}/none:{0}/empty", "the file named by KUBECONFIG, {0}/empty, is empty"),
        ("{0}/folder", "the file named by KUBECONFIG, {0}/folder, can't be read: Is a directory"),
        ("{0}/good:{0}/folder", "the file named by KUBECONFIG, {0}/folder, can't be read: Is a directory"),
        ("{0}/broken", "the file named by KUBECONFIG, {0}/broken, is not YAML: "),
        ("{0}/binary", "the file named by KUBECONFIG, {0}/binary, is not YAML: "),
        ("{0}/latin", "the file named by KUBECONFIG, {0}/latin, is not YAML: "),
        ("{0}/word", "the file named by KUBECONFIG, {0}/word, is not a kubeconfig: "),
        ("{0}/shapeless", "{0}/shapeless can't be used: "),
        ("{0}/clusterless", "{0}/clusterless can't be used: "),
        (
            "{0}/contextless",
            "no current context is set in {0}/contextless: choose one with: kubectl config use-context",
        ),
        (":", "none of the files named by KUBECONFIG, :, exists"),
    ],
)
async def test_an_unusable_kubeconfig_is_named_with_what_is_wrong(
    kubeconfigs: Path, monkeypatch: pytest.MonkeyPatch, named: str, words: str
) -> None:
    monkeypatch.setenv("KUBECONFIG", named.format(kubeconfigs))
    with pytest.raises(connection.NoCluster) as caught:
        await connection.load()
    assert str(caught.value).startswith(f"no cluster: {words.format(kubeconfigs)}")
    assert "\n" not in str(caught.value)


async def test_a_kubeconfig_that_may_not_be_read_is_named(kubeconfigs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_text(_: Path, *__: object, **___: object) -> str:  # file modes do not stop root, who may run this test
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setenv("KUBECONFIG", f"{kubeconfigs}/good")
    with pytest.raises(connection.NoCluster, match=r"named by KUBECONFIG, .*/good, can't be read: Permission denied$"):
        await connection.load()


async def test_kubectls_own_place_is_named_without_the_variable(
    kubeconfigs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(connection, "_DEFAULT", kubeconfigs / "empty")
    with pytest.raises(connection.NoCluster, match=r"^no cluster: the file /.*/empty is empty$"):
        await connection.load()


@pytest.mark.parametrize(
    ("named", "server"),
    [
        ("{0}/good", "https://good.test"),
        ("{0}/none:{0}/good", "https://good.test"),
        ("{0}/good:{0}/none", "https://good.test"),
        (":{0}/empty:{0}/good:", "https://good.test"),
        ("{0}/good:{0}/other", "https://good.test"),
        ("{0}/contextless:{0}/other", "https://other.test"),
        ("{0}/cluster only:{0}/user:{0}/rest", "https://split.test"),
    ],
)
async def test_a_list_of_kubeconfigs_is_read_as_kubectl_reads_it(
    kubeconfigs: Path, monkeypatch: pytest.MonkeyPatch, named: str, server: str
) -> None:
    monkeypatch.setenv("KUBECONFIG", named.format(kubeconfigs))
    assert (await connection.load()).host == server
