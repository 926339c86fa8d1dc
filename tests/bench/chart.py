"""`python -m bench.chart`: draw the results of the benchmark beside those of a peer.

This module reads the results and chooses what to show, which needs no plotting library. `bench.drawing` draws the
picture; it is imported only after that.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bench import peer
from bench.picture import Line, Panel, Point, Product

BURST: Final = "burst"
STEADY: Final = "steady"


class Unusable(Exception):
    """The results can't be drawn. The message says which and why."""


# The fields of a result that are drawn. A field that a scenario doesn't measure is absent or null.

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Quantiles(_Part):
    """Quantiles of a duration, in seconds."""

    p50: Amount | None = None
    p95: Amount | None = None


def _null_as_empty(value: object) -> object:
    return {} if value is None else value


class Operator(_Part):
    """Resources that the operator's process used."""

    cores: Amount | None = None
    peak_rss_mib: Amount | None = None


class Kubernetes(_Part):
    """Requests to the API server."""

    writes_per_object: Amount | None = None


class Cloud(_Part):
    """Calls to the cloud."""

    per_copy: Amount | None = None


class Seconds(_Part):
    """Durations, in seconds."""

    all_posted: Amount | None = None
    detection: Annotated[Quantiles, BeforeValidator(_null_as_empty)] = Quantiles()


class Result(_Part):
    """One run of one scenario."""

    scenario: str
    objects: int = Field(ge=0)
    at: AwareDatetime
    copy_seconds: Amount | None = None
    operator: Annotated[Operator, BeforeValidator(_null_as_empty)] = Operator()
    kubernetes: Annotated[Kubernetes, BeforeValidator(_null_as_empty)] = Kubernetes()
    cloud: Annotated[Cloud, BeforeValidator(_null_as_empty)] = Cloud()
    seconds: Annotated[Seconds, BeforeValidator(_null_as_empty)] = Seconds()


def read(source: Path) -> tuple[Result, ...]:
    """Read a file of JSON lines, or all files of a folder. Raise Unusable if there is none, or if a line is invalid."""
    files = sorted(source.glob("*.jsonl")) if source.is_dir() else [source]
    if not files:
        raise Unusable(f"{source} has no *.jsonl files: run the benchmark first")
    try:
        return tuple(result for path in files for result in _lines(path))
    except OSError as error:
        raise Unusable(f"{error.filename}: {error.strerror}: run the benchmark first") from error


def newest(results: Sequence[Result], scenario: str) -> tuple[Result, ...]:
    """Return the newest result of a scenario for each number of objects, sorted by that number."""
    last: dict[int, Result] = {}
    for result in results:
        if result.scenario == scenario and (result.objects not in last or result.at >= last[result.objects].at):
            last[result.objects] = result
    return tuple(last[objects] for objects in sorted(last))


def panels(results: Sequence[Result]) -> tuple[Panel, ...]:
    """Return the panels, row by row. Raise Unusable if a value is missing, or was not measured as the peer's was."""
    bursts = newest(results, BURST)
    if not bursts:
        raise Unusable(f"there is no result of the scenario {BURST}")
    for burst in bursts:
        if burst.copy_seconds not in (None, peer.COPY_SECONDS):
            raise Unusable(
                f"{BURST} of {burst.objects} objects had copies of {burst.copy_seconds:g} s, "
                f"the peer was measured with {peer.COPY_SECONDS:g} s"
            )
    polling = _known(newest(results, STEADY), "operator.cores")
    return (
        Panel(
            "Time until all were POSTed [s]",
            (_ours(bursts, "seconds.all_posted"), _theirs(lambda burst: burst.all_posted_seconds)),
            logarithmic=True,
        ),
        Panel(
            "Detection of the end [s]",
            (
                _ours(bursts, "seconds.detection.p50", "p50"),
                _ours(bursts, "seconds.detection.p95", "p95"),
                _theirs(lambda burst: burst.detection_p50_seconds, "p50"),
                _theirs(lambda burst: burst.detection_p95_seconds, "p95"),
            ),
        ),
        Panel(
            f"Cloud calls per copy of {peer.COPY_SECONDS:g} s",
            (_ours(bursts, "cloud.per_copy"), _theirs(lambda burst: burst.calls_per_copy)),
        ),
        Panel(
            "CPU cores while polling",
            (
                Line(Product.OURS, polling) if polling else _ours(bursts, "operator.cores"),
                _theirs(lambda burst: burst.cores_while_polling),
            ),
            note="" if polling else "ours: over a whole burst",
        ),
        Panel(
            "Peak memory [MiB]",
            (_ours(bursts, "operator.peak_rss_mib"), _theirs(lambda burst: burst.peak_rss_mib)),
        ),
        Panel(
            "Kubernetes writes per object",
            (_ours(bursts, "kubernetes.writes_per_object"), _theirs(lambda burst: burst.writes_per_object)),
        ),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw as the command line says; return 1 if the results can't be drawn."""
    options = _parser().parse_args(arguments)
    try:
        chosen = panels(read(options.source))
    except Unusable as error:
        print(f"chart: {error}", file=sys.stderr)
        return 1
    from bench import drawing  # late, because only `make chart` installs matplotlib

    drawing.draw(chosen, options.target)
    print(options.target)
    return 0


def _lines(path: Path) -> Iterator[Result]:
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if line.strip():
            try:
                yield Result.model_validate(json.loads(line))
            except json.JSONDecodeError as error:
                raise Unusable(f"{path}:{number}: not JSON: {error}") from error
            except ValidationError as error:
                first = error.errors()[0]
                field = ".".join(str(part) for part in first["loc"]) or "the line"
                raise Unusable(f"{path}:{number}: {field}: {first['msg']}") from error


def _known(results: Sequence[Result], field: str) -> tuple[Point, ...]:
    measured: Callable[[Result], float | None] = attrgetter(field)
    return tuple(Point(result.objects, value) for result in results if (value := measured(result)) is not None)


def _ours(bursts: Sequence[Result], field: str, name: str = "") -> Line:
    points = _known(bursts, field)
    if not points:
        raise Unusable(f"no result of the scenario {BURST} has {field}")
    return Line(Product.OURS, points, name)


def _theirs(figure: Callable[[peer.Burst], float], name: str = "") -> Line:
    return Line(Product.PEER, tuple(Point(burst.objects, figure(burst)) for burst in peer.BURSTS), name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.chart", description="Draw the results beside those of a peer."
    )
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        default=Path("build/bench"),
        help="folder of *.jsonl, or one such file",
    )
    parser.add_argument("--to", dest="target", type=Path, default=Path("docs/performance.svg"), help="the SVG file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
