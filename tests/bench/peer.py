"""Results of a peer in the benchmark's bursts, measured earlier on the same kind of machine.

The peer is a well-made operator in Go on controller-runtime without an exactly-once protocol. Part of what our operator
costs more is the price of never copying twice.
"""

from dataclasses import dataclass
from typing import Final

COPY_SECONDS: Final = 60.0
"""How long each copy took in the cloud. The calls per copy depend on it."""


@dataclass(frozen=True, kw_only=True)
class Burst:
    """One burst of objects created at once. Detection is the delay from the end of a copy until it was noticed."""

    objects: int
    all_posted_seconds: float
    detection_p50_seconds: float
    detection_p95_seconds: float
    calls_per_copy: float
    cores_while_polling: float
    peak_rss_mib: float
    writes_per_object: float = 4.0


BURSTS: Final = (
    Burst(
        objects=100,
        all_posted_seconds=1.4,
        detection_p50_seconds=5.7,
        detection_p95_seconds=9.6,
        calls_per_copy=7.6,
        cores_while_polling=0.01,
        peak_rss_mib=36,
    ),
    Burst(
        objects=1000,
        all_posted_seconds=9.8,
        detection_p50_seconds=5.1,
        detection_p95_seconds=9.5,
        calls_per_copy=7.5,
        cores_while_polling=0.08,
        peak_rss_mib=41,
    ),
    Burst(
        objects=5000,
        all_posted_seconds=54,
        detection_p50_seconds=5.4,
        detection_p95_seconds=9.8,
        calls_per_copy=5.3,
        cores_while_polling=0.17,
        peak_rss_mib=62,
    ),
    Burst(
        objects=10_000,
        all_posted_seconds=82,
        detection_p50_seconds=5.6,
        detection_p95_seconds=11,
        calls_per_copy=3.8,
        cores_while_polling=0.17,
        peak_rss_mib=85,
    ),
)
