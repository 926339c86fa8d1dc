"""Progress of long work: what is being done, how long it has taken so far, and how long it usually takes.

On a terminal one line is rewritten every second. Elsewhere, as in CI logs, a line is added every ten seconds. Progress
goes to stderr, results go to stdout.
"""

import shutil
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self, TextIO

HEARTBEAT_SECONDS: Final = 10.0
TERMINAL_SECONDS: Final = 1.0


def say(line: str) -> None:
    """Print one line to stderr and flush it."""
    print(f"controlplane: {line}", file=sys.stderr, flush=True)


def minutes(seconds: float) -> str:
    """Return a duration as `m:ss`."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


class Progress:
    """Reports progress while the `with` block runs.

    `what` names the work, and `expected` says in words how long it usually takes. `detail` is called for every line. It
    must be quick and must not raise.
    """

    def __init__(
        self,
        what: str,
        *,
        expected: str = "",
        detail: Callable[[], str] = lambda: "",
        stream: TextIO | None = None,
        every_seconds: float | None = None,
    ) -> None:
        self._what = what
        self._expected = f", usually {expected}" if expected else ""
        self._detail = detail
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._every = every_seconds or (TERMINAL_SECONDS if self._terminal else HEARTBEAT_SECONDS)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"progress of {what}", daemon=True)
        self._begin = 0.0

    def __enter__(self) -> Self:
        self._begin = time.monotonic()
        self._write(f"{self._what}{self._expected}", final=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        state = "done" if error is None else "not done"
        self._write(f"{self._what}: {state} after {minutes(self.elapsed_seconds)}", final=True)

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the start of the block."""
        return time.monotonic() - self._begin

    def _beat(self) -> None:
        while not self._ended.wait(self._every):
            detail = self._detail()
            line = f"{self._what}: {minutes(self.elapsed_seconds)} elapsed{self._expected}"
            self._write(f"{line}; {detail}" if detail else line, final=False)

    def _write(self, text: str, *, final: bool) -> None:
        line = f"controlplane: {text}"
        if self._terminal:
            # A line that wraps can't be rewritten.
            shown = line if final else line[: shutil.get_terminal_size().columns - 1]
            self._stream.write(f"\r\x1b[K{shown}" + ("\n" if final else ""))
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()
