"""/healthz, /readyz and /metrics over HTTP. What the probes say is judged in :mod:`imagecopy.watch.liveness`."""

import logging

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from imagecopy.watch.liveness import Liveness

_log = structlog.stdlib.get_logger(__name__)


class PortTaken(Exception):
    """A port can't be listened on; the message names the variable to change."""


class Endpoints:
    """The HTTP servers."""

    def __init__(self, liveness: Liveness) -> None:
        self._liveness = liveness
        self._failures: list[str] = []
        self._runners: list[web.AppRunner] = []

    async def start(self, health_port: int, metrics_port: int) -> None:
        """Listen on both ports of all addresses; 0 leaves one out, the same number twice shares one.

        Raises:
            PortTaken: a port can't be listened on.
        """
        probes = [web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)]
        metrics = [web.get("/metrics", self._metrics)]
        if health_port == metrics_port:
            await self._serve(health_port, [*probes, *metrics], "IMAGECOPY_HEALTH_PORT")
        else:
            await self._serve(health_port, probes, "IMAGECOPY_HEALTH_PORT")
            await self._serve(metrics_port, metrics, "IMAGECOPY_METRICS_PORT")

    async def aclose(self) -> None:
        """Stop listening."""
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    async def _serve(self, port: int, routes: list[web.RouteDef], variable: str) -> None:
        if not port:
            return
        app = web.Application()
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, port=port).start()
        except OSError as exc:
            raise PortTaken(f"{variable}={port} can't be listened on ({exc.strerror}): set another port, or 0") from exc

    async def _healthz(self, _: web.Request) -> web.Response:
        failures = self._liveness.failures()
        if bool(failures) != bool(self._failures):  # once, as whoever asks will ask again and then end this process
            _log.log(logging.ERROR if failures else logging.INFO, "health changed", failures=failures)
        self._failures = failures
        return _answer(failures)

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer(self._liveness.not_ready())

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _answer(complaints: list[str]) -> web.Response:
    """Return 200, or 503 with one complaint in a line."""
    return web.Response(status=503 if complaints else 200, text="\n".join(complaints or ["ok"]) + "\n")
