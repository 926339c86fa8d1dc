"""Measures what happens in an environment during a period: CPU, memory, calls to the API server and to the cloud."""

import asyncio
import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from bench.environment import Environment
from bench.usage import Usage
from support.cloud import Call

_KINDS: Final = ("imagecopies", "events", "imageproviders", "clusterimageproviders", "secrets")
_QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


@dataclass(slots=True)
class Measurement:
    """What happened during a period."""

    operator: dict[str, float]
    kubernetes: dict[str, Any]
    cloud: dict[str, Any]
    loop_lag: dict[str, float]
    others: dict[str, float]
    """Cores that the other processes kept busy, by process."""
    calls: list[Call] = field(default_factory=list)


@dataclass(slots=True)
class Start:
    """All counters at the start of a period."""

    environment: Environment
    usage: Usage
    requests: Counter[str]
    sequence: int
    lag: dict[float, float]
    audit: int
    others: dict[str, Usage]

    @classmethod
    async def now(cls, environment: Environment) -> "Start":
        """Read all counters."""
        return cls(
            environment,
            environment.usage(),
            await requests_to_api_server(environment),
            await environment.last_call(),
            await _loop_lag(environment),
            environment.plane.audit_position(),
            _others(environment),
        )

    async def measure(self) -> Measurement:
        """Return what has happened since."""
        environment = self.environment
        usage, requests = environment.usage(), await requests_to_api_server(environment)
        lag = {bound: count - self.lag.get(bound, 0.0) for bound, count in (await _loop_lag(environment)).items()}
        calls = await environment.cloud.calls(since=self.sequence)
        return Measurement(
            operator={
                "cpu_seconds": usage.cpu_seconds - self.usage.cpu_seconds,
                "cores": usage.cores_since(self.usage),
                "rss_mib": usage.rss_mib,
                "peak_rss_mib": usage.peak_rss_mib,
                "wall_seconds": usage.at - self.usage.at,
            },
            kubernetes={"requests": dict(sorted((requests - self.requests).items()))},
            cloud=count_calls(calls),
            loop_lag={name: _quantile(lag, share) for name, share in _QUANTILES.items()},
            others={name: used.cores_since(self.others[name]) for name, used in _others(environment).items()},
            calls=calls,
        )

    def status_writes(self) -> dict[str, list[float]]:
        """Return when each copy's status was written since, by name, in seconds since the epoch."""
        found: defaultdict[str, list[float]] = defaultdict(list)
        for event in self.environment.plane.audit_events(self.audit):
            if event.resource == "imagecopies" and event.subresource == "status" and event.code == 200:
                found[event.name].append(event.completed.timestamp())
        return dict(found)


async def job_ends(environment: Environment) -> dict[str, float]:
    """Return when the job of each copy ended, by name, in seconds since the epoch."""
    jobs = await environment.cloud.jobs()
    ended = ((job["_simulator"]["image_name"], job["end_time"]) for job in jobs if job["end_time"])
    return {name: datetime.fromisoformat(end).timestamp() for name, end in ended}


async def requests_to_api_server(environment: Environment) -> Counter[str]:
    """Return the operator's requests that the API server has answered, by verb, resource and status.

    Creations of ImageCopies are left out, because they are the benchmark's own.
    """
    text = await asyncio.to_thread(environment.plane.metrics)
    found: Counter[str] = Counter()
    for line in text.splitlines():
        if not line.startswith("apiserver_request_total{"):
            continue
        for family in text_string_to_metric_families(line):
            for sample in family.samples:
                label = sample.labels
                if label["resource"] in _KINDS and label.get("group", "") != "apiextensions.k8s.io":
                    what = "/".join(part for part in (label["resource"], label["subresource"]) if part)
                    if (label["verb"], what) != ("POST", "imagecopies"):
                        found[f"{label['verb']} {what} {label['code']}"] += int(sample.value)
    return found


def count_calls(calls: list[Call]) -> dict[str, Any]:
    """Return the number of calls of each kind, and of all calls in the busiest second."""
    seconds: Counter[int] = Counter(int(call["time"]) for call in calls)
    return {
        "calls": dict(sorted(Counter(call["kind"] for call in calls).items())),
        "most_per_second": max(seconds.values(), default=0),
    }


def _others(environment: Environment) -> dict[str, Usage]:
    pids = {**environment.plane.pids, "simulator": environment.cloud.pid, "bench": os.getpid()}
    return {name: Usage.of(pid) for name, pid in pids.items()}


async def _loop_lag(environment: Environment) -> dict[float, float]:
    """Return the buckets of the operator's event loop delays: how many delays were at most this long."""
    buckets = await environment.metric("imagecopy_event_loop_delay_seconds_bucket", "le")
    return {float(bound): count for bound, count in buckets.items()}


def _quantile(buckets: dict[float, float], share: float) -> float:
    """Return the upper bound of the bucket that holds a quantile."""
    total = max(buckets.values(), default=0.0)
    return next((bound for bound, count in sorted(buckets.items()) if total and count >= share * total), 0.0)
