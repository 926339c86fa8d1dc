"""CPU and memory of a process, as the kernel counts them, and the speed of this machine at the moment."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CLOCK_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_KIB: Final = 1024
_REFERENCE_ROUNDS: Final = 500
_REFERENCE_BODY: Final = {
    f"key-{n}": {"text": "some words of a status " * 4, "numbers": list(range(20))} for n in range(200)
}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used since its start."""

    at: float
    """Time of the reading by the monotonic clock, in seconds."""
    cpu_seconds: float
    """User and system time of all threads."""
    rss_mib: float
    peak_rss_mib: float

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Read /proc/<pid>.

        Raises:
            OSError: there is no such process.
        """
        folder = Path("/proc") / str(pid)
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        status = dict(
            line.split(":", 1) for line in (folder / "status").read_text().splitlines() if line.startswith("Vm")
        )
        rss, peak = (int(status[name].split()[0]) / _KIB for name in ("VmRSS", "VmHWM"))
        return cls(time.monotonic(), (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS_PER_SECOND, rss, peak)

    def cores_since(self, before: "Usage") -> float:
        """Return how many cores the process kept busy since an earlier reading."""
        return (self.cpu_seconds - before.cpu_seconds) / max(self.at - before.at, 1e-9)


def reference_seconds() -> float:
    """Return how long a fixed piece of work takes: encoding and decoding JSON in one thread.

    It shows whether a result was measured while the machine was slow.
    """
    begin = time.perf_counter()
    for _ in range(_REFERENCE_ROUNDS):
        json.loads(json.dumps(_REFERENCE_BODY))
    return time.perf_counter() - begin
