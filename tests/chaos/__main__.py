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
from chaos.tally import Tally

WAYS = ("skip-intent", "unknown-as-rejected", "no-marker-lookup")


def main() -> int:
    """Run as the command line says; return 1 where anything is wrong."""
    asked = _parser().parse_args()
    if asked.times is None and asked.round is not None:
        asked.times = 1
    seed: int = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**6)
    options = Options(
        seed=seed,
        seconds=0.0 if asked.times else asked.seconds,
        lanes=min(asked.lanes, asked.times or asked.lanes),
        most_objects=asked.objects,
        way=asked.way,
        build=asked.output,
        verbose=asked.verbose,
    )
    say(f"seed {seed}, {options.lanes} lanes{f', broken: {asked.way}' if asked.way else ''}")
    try:
        tally = asyncio.run(run(options, _rounds(asked, options), say))
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    report(options, tally)
    return 1 if tally.violations else 0


def _rounds(asked: argparse.Namespace, options: Options) -> Iterator[Round]:
    if asked.round is not None:
        rounds: Iterator[Round] = repeat(plan(options.seed, asked.round, asked.objects))
    else:
        rounds = (
            round_
            for round_ in rounds_of(options)
            if asked.fault in (None, round_.fault.name)
            and (asked.point is None or asked.point in [hit.point.name for hit in round_.hits])
        )
    return islice(rounds, asked.times) if asked.times else rounds


def report(options: Options, tally: Tally) -> None:
    """Print what was done and found, and write it as JSON."""
    path = options.build / f"{options.name}.json"
    tally.write(path, seed=options.seed, seconds=options.seconds, lanes=options.lanes, broken=options.way)
    print(tally.table())
    for violation in tally.violations:
        print(f"VIOLATION {violation}")
    print(f"seed {options.seed}: {tally.summary()}")
    print(f"written to {path}", flush=True)


def say(words: str) -> None:
    """Tell how it goes."""
    print(words, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=sys.modules["chaos"].__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="how long; the last rounds may take a bit longer")
    parser.add_argument("--seed", type=int, help="what the rounds follow from; default: any")
    parser.add_argument("--lanes", type=int, default=10, help="rounds at a time (default 10)")
    parser.add_argument("--objects", type=int, default=50, help="most objects of a round (default 50)")
    parser.add_argument("--round", type=int, help="only this round of the seed")
    parser.add_argument("--point", choices=sorted(points.BY_NAME), help="only rounds with this point")
    parser.add_argument("--fault", choices=sorted(faults.BY_NAME), help="only rounds with this fault")
    parser.add_argument("--times", type=int, help="so many rounds, however long they take")
    parser.add_argument("--break", dest="way", choices=WAYS, help="break the protocol: duplicates must be found")
    parser.add_argument("--output", type=Path, default=Path("build/chaos"), help="folder of report and evidence")
    parser.add_argument("-v", dest="verbose", action="store_true", help="tell of each round")
    return parser


if __name__ == "__main__":
    sys.exit(main())
