"""Processes: the operator, started as a user would start it, and waiting for an HTTP server of a process."""

import http.client
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from controlplane.errors import StartError
from controlplane.process import Process
from support.waiting import NotInTime, wait_for

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 90.0


def program(name: str) -> Path:
    """Return the path of a program of this Python environment."""
    return Path(sys.executable).with_name(name)


def operator_environment(kubeconfig: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of an operator: this process's own, with these IMAGECOPY_* variables and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("IMAGECOPY_")}
    return {**inherited, "KUBECONFIG": str(kubeconfig), **settings}


def ask(port: int, path: str) -> tuple[int, str]:
    """Return status and body of a GET request to a port of this machine.

    Raises:
        OSError: nothing listens on the port (yet).
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def wait_until_answers(
    process: Process, port: int, path: str, seconds: float = START_SECONDS, every: float = 0.25
) -> None:
    """Wait until a GET request to a process is answered with 200.

    Raises:
        StartError: the process ended.
        NotInTime: it did not answer before the deadline.
    """

    def answers() -> bool:
        if not process.running():
            raise StartError(f"{process.name} ended:\n{process.last_lines()}")
        try:
            return ask(port, path)[0] == http.client.OK
        except OSError:
            return False

    try:
        wait_for(answers, f"{process.name} answers GET {path}", seconds, every)
    except NotInTime as exc:
        raise NotInTime(f"{exc}\n{process.last_lines()}") from None


class Operator:
    """`imagecopy run` with this kubeconfig and these IMAGECOPY_* variables.

    It serves its probes and metrics on `port`, unless the variables say otherwise.
    """

    def __init__(self, kubeconfig: Path, log: Path, port: int, settings: Mapping[str, str]) -> None:
        self.log = log
        self._port = port
        ports = {"IMAGECOPY_HEALTH_PORT": str(port), "IMAGECOPY_METRICS_PORT": str(port)}
        environment = operator_environment(kubeconfig, {**ports, **settings})
        self.process = Process([program("imagecopy"), "run"], log=log, env=environment)

    def wait_ready(self, seconds: float = START_SECONDS, every: float = 0.25) -> None:
        """Wait until its readiness probe succeeds.

        Raises:
            StartError: it ended.
            NotInTime: it is not ready before the deadline.
        """
        wait_until_answers(self.process, self._port, "/readyz", seconds, every)

    def terminate(self) -> None:
        """Send SIGTERM, as a kubelet does."""
        assert self.process.running(), self.last_lines()
        os.kill(self.process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill it at once, as the kernel does when memory is short."""
        self.process.stop()

    def stop(self) -> None:
        """Terminate it, and kill it if it does not end within 10 s."""
        self.process.stop(10)

    def last_lines(self, containing: str = "", count: int = 25) -> str:
        """Return the last lines of its log that contain a text."""
        lines = [line for line in self.log.read_text().splitlines() if containing in line]
        return f"{self.log.name}:\n  " + "\n  ".join(lines[-count:])

    def ask(self, path: str) -> tuple[int, str]:
        """Return status and body of /healthz, /readyz or /metrics.

        Raises:
            OSError: nothing listens on the port (yet).
        """
        return ask(self._port, path)
