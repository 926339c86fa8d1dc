"""What a process costs, as the kernel counts it, and how fast this machine is right now."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_KIB: Final = 1024
_REFERENCE_ROUNDS: Final = 500
_REFERENCE_BODY: Final = {
    f"key-{n}": {"text": "some words of a status " * 4, "numbers": list(range(20))} for n in range(200)
}


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far."""

    at: float
    """By the monotonic clock."""
    cpu_seconds: float
    """User and system time, all threads."""
    rss_mib: float
    peak_rss_mib: float
    """The most since its start."""

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
        return cls(time.monotonic(), (int(fields[11]) + int(fields[12])) / _TICKS, rss, peak)

    def cores_since(self, before: "Usage") -> float:
        """Return how many cores were kept busy since then."""
        return (self.cpu_seconds - before.cpu_seconds) / max(self.at - before.at, 1e-9)


def reference_seconds() -> float:
    """Return how long a fixed piece of work takes: JSON there and back, one thread. It tells slow hours from fast."""
    begin = time.perf_counter()
    for _ in range(_REFERENCE_ROUNDS):
        json.loads(json.dumps(_REFERENCE_BODY))
    return time.perf_counter() - begin
