"""The command `ims-simulator`: its options, and a web server that runs until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import click
from aiohttp import web

from ims_simulator.app import create_app
from ims_simulator.settings import editions
from ims_simulator.settings.assignments import ENVIRONMENT_PREFIX, KnobError, apply, from_assignments, from_environment
from ims_simulator.settings.knobs import Knobs, help_lines
from ims_simulator.state.journal import StateFileError
from ims_simulator.state.seed import DEFAULT_SEED

SHUTDOWN_SECONDS = 1.0


class _CommandWithKnobs(click.Command):
    """Adds the lists of editions and knobs to --help."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        with formatter.section("Editions"):
            formatter.write_dl(editions.help_lines())
        with formatter.section(f"Knobs (--knob NAME=VALUE, or {ENVIRONMENT_PREFIX}<NAME>)"):
            formatter.write_dl(help_lines())


@click.command(cls=_CommandWithKnobs)
@click.option("--port", type=click.IntRange(0, 65535), required=True, help="Port to listen on; 0 picks a free one.")
@click.option("--copy-seconds", type=click.FloatRange(min=0), help="Duration of a copy in seconds.  [default: 10]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that keeps images, jobs, tokens, calls and the clock across restarts.",
)
@click.option(
    "--edition",
    type=click.Choice(list(editions.EDITIONS)),
    envvar="IMS_SIMULATOR_EDITION",
    show_envvar=True,
    help="Behave as the documentation of one cloud says. A knob that is set overrides the edition.",
)
@click.option(
    "--knob",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a knob; may be repeated. All knobs are listed below.",
)
@click.option(
    "--seed",
    type=int,
    help="Derive all ids and secrets from this number, so that every run answers alike. Without it, logins and source "
    f"images are those of seed {DEFAULT_SEED}, and all other ids are random.",
)
@click.option(
    "--frozen-at",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]),
    metavar="TIME",
    help="Start with the clock stopped at this time, such as 2026-09-01T12:00:00Z. POST /_simulator/clock moves it.",
)
def main(
    port: int,
    copy_seconds: float | None,
    host: str,
    state: Path | None,
    edition: str | None,
    assignments: tuple[str, ...],
    seed: int | None,
    frozen_at: datetime | None,
) -> None:
    """Simulate the image service (IMS) and the identity service (IAM) of a Huawei-type cloud.

    Tests and demos use the control API under /_simulator, which needs no login. GET /_simulator/config shows the
    logins, the endpoints and the source images, GET /_simulator/calls every request that clients sent. POST
    /_simulator/faults makes requests or copies fail, POST /_simulator/clock moves the time forward. GET /_simulator
    answers with a list of all control endpoints.
    """
    try:
        preset = apply(Knobs(), editions.EDITIONS[edition].knobs if edition else {})
        knobs = from_assignments(from_environment(preset), list(assignments))
        if copy_seconds is not None:
            knobs = apply(knobs, {"copy_seconds": copy_seconds})
    except KnobError as error:
        raise click.UsageError(str(error)) from None
    try:
        app = create_app(
            knobs=knobs,
            edition=edition,
            seed=seed,
            state_file=state,
            frozen_at=None if frozen_at is None else frozen_at.replace(tzinfo=UTC).timestamp(),
        )
    except StateFileError as error:
        raise click.ClickException(str(error)) from None
    asyncio.run(_serve(app, host, port))


async def _serve(app: web.Application, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise click.ClickException(f"cannot listen on {host}:{port}: {reason}") from None
        click.echo(f"ims-simulator ready on {_url(runner)}")
        await stop.wait()
    finally:
        await runner.cleanup()


def _url(runner: web.AppRunner) -> str:
    address = runner.addresses[0]
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"http://{host}:{address[1]}"
