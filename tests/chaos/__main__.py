"""`python -m chaos`: run the kill matrix."""

import argparse
import asyncio
import random
import sys
from collections.abc import Iterator
from itertools import islice, repeat
from pathlib import Path

from chaos import faults, points
from chaos.matrix import Options, rounds_of, run
from chaos.plan import Round, plan
from chaos.results import Results

MUTATIONS = ("skip-intent", "unknown-as-rejected", "no-marker-lookup")


def main() -> int:
    """Run as the command line says; return 1 if an invariant was violated."""
    arguments = _parser().parse_args()
    if arguments.times is None and arguments.round is not None:
        arguments.times = 1
    seed: int = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    options = Options(
        seed=seed,
        seconds=0.0 if arguments.times else arguments.seconds,
        parallel=min(arguments.parallel, arguments.times or arguments.parallel),
        most_objects=arguments.objects,
        mutation=arguments.mutation,
        build=arguments.output,
        verbose=arguments.verbose,
    )
    broken = f", protocol broken by {options.mutation}" if options.mutation else ""
    progress(f"seed {seed}, {options.parallel} rounds in parallel{broken}")
    try:
        results = asyncio.run(run(options, _rounds(arguments, options), progress))
    except KeyboardInterrupt:
        progress("interrupted")
        return 130
    report(options, results)
    return 1 if results.violations else 0


def _rounds(arguments: argparse.Namespace, options: Options) -> Iterator[Round]:
    if arguments.round is not None:
        rounds: Iterator[Round] = repeat(plan(options.seed, arguments.round, arguments.objects))
    else:
        rounds = (
            round_
            for round_ in rounds_of(options)
            if arguments.fault in (None, round_.fault.name)
            and (arguments.point is None or arguments.point in [kill.point.name for kill in round_.kills])
        )
    return islice(rounds, arguments.times) if arguments.times else rounds


def report(options: Options, results: Results) -> None:
    """Print the results, and write them as JSON."""
    path = options.build / f"{options.name}.json"
    results.write(path, seed=options.seed, seconds=options.seconds, parallel=options.parallel, broken=options.mutation)
    print(results.table())
    for violation in results.violations:
        print(f"VIOLATION {violation}")
    print(f"seed {options.seed}: {results.summary()}")
    print(f"written to {path}", flush=True)


def progress(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=sys.modules["chaos"].__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="duration; the last rounds may take a bit longer")
    parser.add_argument("--seed", type=int, help="number that all rounds are derived from (default: a random one)")
    parser.add_argument("--parallel", type=int, default=10, help="rounds at the same time (default 10)")
    parser.add_argument("--objects", type=int, default=50, help="most objects of one round (default 50)")
    parser.add_argument("--round", type=int, help="run only this round of the seed")
    parser.add_argument("--point", choices=sorted(points.BY_NAME), help="run only rounds with this point")
    parser.add_argument("--fault", choices=sorted(faults.BY_NAME), help="run only rounds with this fault")
    parser.add_argument("--times", type=int, help="number of rounds, instead of a duration")
    parser.add_argument(
        "--break", dest="mutation", choices=MUTATIONS, help="break the protocol: the run must find violations"
    )
    parser.add_argument("--output", type=Path, default=Path("build/chaos"), help="folder of report and evidence")
    parser.add_argument("-v", dest="verbose", action="store_true", help="print a line for each round")
    return parser


if __name__ == "__main__":
    sys.exit(main())
