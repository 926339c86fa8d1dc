"""Outbound connections: never to a forbidden address that a provider names, and through a proxy if one is set."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import httpx

from e2e.environment import Environment
from e2e.parallel import parallel_with_own_operator
from support.processes import HOST

_NAMES: Final = Path(__file__).parents[1] / "names"
_CLOUD: Final = "ims.eu-de.cloud.test"
_PASSWORD: Final = "proxy-Pa55word"


@contextmanager
def _port_that_nobody_calls() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as listening:
        yield listening.getsockname()[1]
        listening.setblocking(False)
        try:
            listening.accept()
        except BlockingIOError:
            return
        raise AssertionError("somebody connected")


@parallel_with_own_operator
def test_name_that_is_allowed_but_resolves_to_loopback_is_named_and_never_called(env: Environment) -> None:
    with _port_that_nobody_calls() as port:
        allowlist = f"ims.{{region}}.cloud.test:{port}"
        env.operator(IMAGECOPY_ENDPOINT_ALLOWLIST=allowlist, PYTHONPATH=str(_NAMES))
        env.secret(env.cloud.login())
        env.provider(endpoints={"ims": f"https://{_CLOUD}:{port}", "iam": f"https://{_CLOUD}:{port}/v3"})
        state = env.copy("golden").until_reason("InvalidConfiguration")
        assert state.status_and_reason("ProviderReady") == ("False", "InvalidConfiguration")
        for words in (f"{_CLOUD} resolves to 127.0.0.1", "loopback", "IMAGECOPY_ENDPOINT_ALLOWLIST"):
            assert words in state.condition("ProviderReady")["message"]
            assert words in state.message


class _Proxy(BaseHTTPRequestHandler):
    """Forwards plain http for one user to this machine, whatever the host name. It makes no tunnels."""

    protocol_version = "HTTP/1.1"
    server: "_ProxyServer"

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        login = base64.b64encode(f"user:{_PASSWORD}".encode()).decode()
        if self.command == "CONNECT" or self.headers.get("Proxy-Authorization") != f"Basic {login}":
            self.server.refused.append(f"{self.command} {self.path}")
            self._answer(403, b"", {})
            return
        url = httpx.URL(self.path)
        self.server.forwarded.append(url.host)
        passed = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
        reply = httpx.request(
            self.command, url.copy_with(host=HOST), headers=passed, content=body, trust_env=False, timeout=30
        )
        skipped = ("content-length", "transfer-encoding", "connection")
        headers = {name: value for name, value in reply.headers.items() if name not in skipped}
        self._answer(reply.status_code, reply.content, headers)

    do_GET = do_POST = do_DELETE = do_CONNECT = _forward  # noqa: N815

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _ProxyServer(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__((HOST, 0), _Proxy)
        self.forwarded: list[str] = []
        self.refused: list[str] = []


@parallel_with_own_operator
def test_copy_is_made_through_a_proxy_and_the_api_server_is_not(env: Environment) -> None:
    with _ProxyServer() as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            url = f"http://user:{_PASSWORD}@{HOST}:{proxy.server_port}"
            at = f"{_CLOUD}:{env.cloud.port}"
            named = {"HTTP_PROXY": url, "HTTPS_PROXY": url, "http_proxy": "", "https_proxy": "", "NO_PROXY": ""}
            operator = env.operator(IMAGECOPY_ENDPOINT_ALLOWLIST=at, **named)
            env.secret(env.cloud.login())
            env.provider(endpoints={"ims": f"http://{at}", "iam": f"http://{at}/v3"})
            env.copy("golden").until_finished("Succeeded")
        finally:
            proxy.shutdown()
    assert set(proxy.forwarded) == {_CLOUD}
    assert proxy.refused == []
    assert f"{HOST}:{proxy.server_port} (HTTP_PROXY)" in operator.log.read_text()
    assert _PASSWORD not in operator.log.read_text()
