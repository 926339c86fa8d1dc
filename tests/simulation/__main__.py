"""``make simulate SEEDS=N``: run N schedules on all cores; print those that fail, and how to replay them."""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from simulation.schedule import Result, Schedule
from simulation.variants import VARIANTS

_BATCH = 25


def main() -> None:
    """Run the schedules, and exit 1 if one failed."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many schedules to run")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--replay", type=int, help="run this one seed, and print what happened")
    parser.add_argument("--break", dest="variant", choices=sorted(VARIANTS), help="break the operator on purpose")
    options = parser.parse_args()
    if options.replay is not None:
        result = run_one(options.replay, options.variant)
        print("\n".join(result.log))
        print(f"seed {result.seed}: {result.failure or 'all invariants hold'}")
        sys.exit(bool(result.failure))
    began, failed, posts, kills, done = time.monotonic(), list[Result](), 0, 0, 0
    firsts = range(options.first, options.first + options.seeds, _BATCH)
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for results in pool.map(run_batch, firsts, [options.variant] * len(firsts)):
            for result in results[: options.seeds - done]:
                done, posts, kills = done + 1, posts + result.posts, kills + result.kills
                if result.failure:
                    failed.append(result)
                    print(f"seed {result.seed}: {result.failure}", flush=True)
    seconds = time.monotonic() - began
    print(f"{done} schedules in {seconds:.0f} s: {posts} POSTs, {kills} kills, {len(failed)} failed")
    if failed:
        print(f"replay one with: make simulate REPLAY={failed[0].seed}")
    sys.exit(bool(failed))


def run_batch(first: int, variant: str | None) -> list[Result]:
    """Run the schedules of a few seeds."""
    return [run_one(seed, variant) for seed in range(first, first + _BATCH)]


def run_one(seed: int, variant: str | None = None) -> Result:
    """Run the schedule of one seed, with the operator broken in this way if one is named."""
    if variant is None:
        return Schedule(seed).run()
    with VARIANTS[variant]():
        return Schedule(seed).run()


if __name__ == "__main__":
    main()
