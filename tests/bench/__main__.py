"""`python -m bench`: measure, and append a JSON line per result to build/bench/<scenario>.jsonl."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.probe import reference_seconds
from bench.result import write
from bench.scenarios import ALL, Sizes

_OUTPUT = Path("build/bench")


def main() -> int:
    """Run the scenarios that the command line names, all by default."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure the operator; see docs/performance.md.")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(ALL)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes, under three minutes")
    parser.add_argument("--output", type=Path, help="folder of the results [build/bench, or build/bench/quick]")
    parser.add_argument("--sizes", help="sizes of bursts and in-flight in place of the usual, comma-separated")
    asked = parser.parse_args()
    unknown = set(asked.scenarios) - set(ALL)
    if unknown:
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    sizes = Sizes(quick=asked.quick)
    if asked.sizes:
        sizes.bursts = sizes.in_flight = tuple(int(size) for size in asked.sizes.split(","))
        sizes.waiting = sizes.bursts[-1]
    output = asked.output or (_OUTPUT / "quick" if asked.quick else _OUTPUT)
    try:
        asyncio.run(_run(asked.scenarios or list(ALL), sizes, output))
    except KeyboardInterrupt:
        return 130
    return 0


async def _run(names: list[str], sizes: Sizes, output: Path) -> None:
    for name in names:
        reference = reference_seconds()
        async for result in ALL[name](sizes):
            result.at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            result.reference_seconds = reference
            write(result, output)
            reference = reference_seconds()


sys.exit(main())
