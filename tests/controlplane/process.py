"""Long-running programs that end together with this process, even if this process is killed (see `guard`)."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from controlplane.errors import StartError

_GUARD: Final = Path(__file__).with_name("guard.py")
_KILL_SECONDS: Final = 60.0


class Process:
    """One program and its guard. The output is appended to the file `log`.

    Raises StartError if the program can't be executed. `remove_if_orphaned` is a folder that is removed if this process
    dies without stopping the program.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        remove_if_orphaned: Path | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = Path(command[0]).name
        self.log = log
        self._guard = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", str(_GUARD)),
                *(str(remove_if_orphaned or ""), str(log)),
                *map(str, command),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            cwd=cwd,
            env=None if env is None else dict(env),
        )
        answer = _pipe(self._guard.stdout).readline().decode().strip()
        if not answer.isdigit():
            self.stop()
            reason = answer.removeprefix("error: ") or "its guard ended"
            raise StartError(f"{self.name} can't be started: {reason}")
        self.pid = int(answer)
        """The process id of the program, for measurements. Signals go through the guard."""

    def returncode(self) -> int | None:
        """Return the exit code as a shell shows it, or None while the program runs."""
        return self._guard.poll()

    def running(self) -> bool:
        """Return whether the program still runs."""
        return self.returncode() is None

    def wait(self, timeout_seconds: float | None = None) -> int:
        """Wait until the program has ended; return its exit code. Raise subprocess.TimeoutExpired."""
        return self._guard.wait(timeout_seconds)

    def stop(self, grace_seconds: float = 0.0) -> None:
        """End the program, and wait until it has ended. Do nothing if it has ended already.

        It gets SIGTERM and `grace_seconds` to end, then SIGKILL. With 0 it gets SIGKILL at once.
        """
        try:
            if grace_seconds > 0:
                self._guard.send_signal(signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._guard.wait(grace_seconds)
            self._guard.send_signal(signal.SIGQUIT)
            self._guard.wait(_KILL_SECONDS)
        finally:
            for pipe in (self._guard.stdin, self._guard.stdout):
                _pipe(pipe).close()

    def last_lines(self, count: int = 20) -> str:
        """Return the last lines of the log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError as error:
            return f"(no log: {error})"
        return "\n".join(lines[-count:])


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
