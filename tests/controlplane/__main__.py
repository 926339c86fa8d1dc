"""`python -m controlplane`: get the programs of a control plane, or run one by hand."""

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from controlplane import versions
from controlplane.binaries import find_binaries
from controlplane.errors import ControlPlaneError
from controlplane.plane import ControlPlane
from controlplane.progress import say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Return its exit code: 0, 1 with the reason on stderr, or 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        # nohup ignores SIGHUP on purpose.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda got, _: sys.exit(128 + got))
    try:
        if options.command == "binaries":
            _binaries(everything=options.all)
        else:
            _run(options.kubeconfig, controllers=options.controllers)
    except ControlPlaneError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m controlplane", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    binaries = commands.add_parser(
        "binaries",
        help="get the programs and print their folder",
        description="Get etcd, kube-apiserver and kubectl, and print their folder (or folders, separated as in PATH). "
        "Sources, in this order: KUBEBUILDER_ASSETS, the cache, the envtest archive, a build with Go "
        "(8 min on 2 cores). Progress goes to stderr.",
    )
    binaries.add_argument("--all", action="store_true", help="also kube-controller-manager and helm")
    run = commands.add_parser(
        "run",
        help="run a control plane until Ctrl-C",
        description="Run a control plane in the foreground until Ctrl-C. Prints `export KUBECONFIG=...` when "
        "it is ready. It removes all its files at the end.",
    )
    run.add_argument("--kubeconfig", type=Path, metavar="FILE", help="also write the administrator's kubeconfig here")
    run.add_argument(
        "--controllers",
        action="store_true",
        help="also run kube-controller-manager, which deletes namespaces and collects garbage",
    )
    return parser


def _binaries(*, everything: bool) -> None:
    found = find_binaries(versions.ALL if everything else versions.CORE)
    print(os.pathsep.join(map(str, found.folders())))


def _run(kubeconfig: Path | None, *, controllers: bool) -> None:
    need = (*versions.CORE, versions.CONTROLLER_MANAGER) if controllers else versions.CORE
    if kubeconfig and kubeconfig.exists():
        raise ControlPlaneError(f"{kubeconfig} exists already: remove it, or name another file")
    plane = ControlPlane(find_binaries(need), controller_manager=controllers)
    with plane:
        if kubeconfig:
            shutil.copyfile(plane.kubeconfig, kubeconfig)
            kubeconfig.chmod(0o600)
        try:
            say(f"ready at {plane.url}, kubectl is {plane.binaries.kubectl}; Ctrl-C stops it")
            print(f"export KUBECONFIG={(kubeconfig or plane.kubeconfig).absolute()}", flush=True)
            while True:  # a signal that arrives just before a wait without end would not end it
                time.sleep(1)
        finally:
            if kubeconfig:
                kubeconfig.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
