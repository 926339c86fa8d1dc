"""The command ``imagecopy``."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path

import click

from imagecopy import __version__, settings

_KNOBS = "\n\n".join(f"\b\n{knob}" for knob in settings.describe().split("\n\n"))


@click.group()
@click.version_option(__version__)
def main() -> None:
    """Copies private VM images on Huawei-type clouds, exactly once per ImageCopy object."""


@main.command(
    help="Run the operator until SIGTERM or Ctrl-C; a second signal ends it at once.",
    epilog=f"All settings are environment variables: KUBECONFIG, as everywhere, and these:\n\n{_KNOBS}",
)
def run() -> None:
    """Run the operator."""
    # Imported late: the other commands need no Kubernetes client, which takes most of a second to load.
    import uvloop

    from imagecopy.kube import async_only

    async_only.leave_out_synchronous_client()
    from imagecopy import app, logs
    from imagecopy.kube.connection import NoCluster
    from imagecopy.supervisor import TaskEnded
    from imagecopy.watch.endpoints import PortTaken

    try:
        knobs = settings.load()
        logs.configure(knobs.log_format, knobs.log_level)
        for name in settings.unknown_variables():
            click.echo(f"imagecopy: {name} is not a setting of this version and has no effect", err=True)
        uvloop.run(app.run(knobs))
    except (settings.BadSettings, app.CannotStart, NoCluster, PortTaken, TaskEnded) as exc:
        click.echo(f"imagecopy: {exc}", err=True)
        sys.exit(1)


@main.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder to write the CRDs to; made if it does not exist.",
)
def crds(output: Path) -> None:
    """Write the CRDs, generated from the operator's models, as YAML files."""
    from imagecopy.api import crd

    for path in crd.write(output):
        click.echo(path)


@main.command("await-crds")
@click.option("--timeout-seconds", type=click.FloatRange(min=0), default=120.0, show_default=True, help="How long.")
def await_crds(timeout_seconds: float) -> None:
    """Wait until the API server serves our resources; exit 1 if it does not in time."""
    from imagecopy import install_checks

    _finish(install_checks.await_crds(timeout_seconds))


@main.command("preflight-uninstall")
def preflight_uninstall() -> None:
    """Exit 1, and list them, while ImageCopies still need the operator to be deleted.

    Checks the namespaces of IMAGECOPY_NAMESPACES, or all.
    """
    from imagecopy import install_checks

    _finish(install_checks.before_uninstall())


def _finish(check: Coroutine[object, object, str]) -> None:
    """Print what the check found and exit 0, or print why it failed and exit 1."""
    from imagecopy.install_checks import NotYet
    from imagecopy.kube.connection import NoCluster

    try:
        click.echo(asyncio.run(check))
    except (settings.BadSettings, NoCluster, NotYet) as exc:
        click.echo(f"imagecopy: {exc}", err=True)
        sys.exit(1)
