"""`python -m bench`: run scenarios, and append each result as a JSON line to build/bench/<scenario>.jsonl."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.result import write
from bench.scenarios import ALL
from bench.sizes import Sizes
from bench.usage import reference_seconds

_OUTPUT = Path("build/bench")


def main() -> int:
    """Run the scenarios named on the command line, or all."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure the operator; see docs/performance.md.")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"one of {', '.join(ALL)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small sizes; all scenarios take under three minutes")
    parser.add_argument(
        "--output", type=Path, help="folder of the results (default: build/bench, with --quick build/bench/quick)"
    )
    parser.add_argument("--sizes", help="numbers of objects of bursts and in-flight, comma-separated")
    arguments = parser.parse_args()
    unknown = set(arguments.scenarios) - set(ALL)
    if unknown:
        parser.error(f"unknown scenario {', '.join(sorted(unknown))}: choose from {', '.join(ALL)}")
    sizes = Sizes(quick=arguments.quick)
    if arguments.sizes:
        sizes.bursts = sizes.in_flight = tuple(int(size) for size in arguments.sizes.split(","))
        sizes.waiting = sizes.bursts[-1]
    output = arguments.output or (_OUTPUT / "quick" if arguments.quick else _OUTPUT)
    try:
        asyncio.run(_run(arguments.scenarios or list(ALL), sizes, output))
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
