"""/healthz, /readyz and /metrics over HTTP."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

from imagecopy.flow.steps import Event
from imagecopy.ims import CallRecord

_calls = Counter(
    "imagecopy_cloud_calls",
    "Calls to the cloud, by kind and result (ok, or the class of the error).",
    ["call", "result"],
)
_seconds = Histogram(
    "imagecopy_cloud_call_seconds",
    "Duration of calls to the cloud.",
    ["call"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)

_events = Counter(
    "imagecopy_events",
    "What happened to ImageCopies, by the reason of the Event: Submitted, Succeeded, CopyFailed, SecondImage ...",
    ["reason"],
)


class PortTaken(Exception):
    """A port can't be listened on; the message names the variable to change."""


def count_call(record: CallRecord) -> None:
    """Count one call to the cloud."""
    _calls.labels(record.call.value, record.error or "ok").inc()
    _seconds.labels(record.call.value).observe(record.seconds)


def count_event(event: Event) -> None:
    """Count one Event."""
    _events.labels(event.reason).inc()


class Endpoints:
    """The HTTP servers; not ready until :attr:`ready` is set to True."""

    def __init__(self) -> None:
        self.ready = False
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
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n") if self.ready else web.Response(status=503, text="starting\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
