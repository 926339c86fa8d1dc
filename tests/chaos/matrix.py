"""Runs rounds of the matrix in parallel environments until the time is over, and keeps evidence of violations."""

import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaos.environment import Environment
from chaos.operators import Operators
from chaos.plan import Round, plan
from chaos.results import Results
from chaos.rounds import RoundRunner
from controlplane import ControlPlane, find_binaries
from support.cluster import Cluster, install_crds

_LAST_ROUND_SECONDS: Final = 25.0
"""In the last seconds of a run no round begins."""
_OVERTIME_SECONDS: Final = 600.0
_PROGRESS_SECONDS: Final = 30.0

Progress = Callable[[str], None]
"""Prints a line of progress."""


@dataclass(frozen=True)
class Options:
    """What to run."""

    seed: int
    seconds: float = 0.0
    parallel: int = 4
    """How many rounds run at the same time."""
    most_objects: int = 50
    mutation: str | None = None
    """How the protocol is broken on purpose."""
    stop_at_first: bool = False
    verbose: bool = False
    build: Path = Path("build/chaos")

    @property
    def name(self) -> str:
        """Name of the report and prefix of the evidence."""
        return f"seed-{self.seed}{f'-{self.mutation}' if self.mutation else ''}"


def rounds_of(options: Options) -> Iterator[Round]:
    """Yield the rounds of a seed, without end."""
    for number in itertools.count():
        yield plan(options.seed, number, options.most_objects)


@asynccontextmanager
async def environments(options: Options) -> AsyncIterator[list[Environment]]:
    """Start a control plane, the fork server and the environments. Nothing of them is left afterwards."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imagecopy-chaos-")))
        plane = ControlPlane(await asyncio.to_thread(find_binaries))
        stack.push_async_callback(asyncio.to_thread, plane.stop)
        operators = Operators(folder, options.mutation)
        await asyncio.gather(asyncio.to_thread(_start, plane), stack.enter_async_context(operators))
        cluster = await stack.enter_async_context(Cluster(plane))
        opened = [Environment(number, cluster, operators, folder) for number in range(options.parallel)]
        await asyncio.gather(*(stack.enter_async_context(environment) for environment in opened))
        yield opened


def _start(plane: ControlPlane) -> None:
    plane.start()
    install_crds(plane)


async def run(options: Options, rounds: Iterator[Round], progress: Progress) -> Results:
    """Run rounds until the time is over, or there are no more; return the results."""
    results = Results()
    async with environments(options) as opened:
        end = time.monotonic() + options.seconds if options.seconds else None
        work = [asyncio.create_task(_work(one, options, rounds, end, results, progress)) for one in opened]
        reporting = asyncio.create_task(_report_progress(results, progress))
        try:
            await asyncio.wait_for(asyncio.gather(*work), _time_limit(options))
        except TimeoutError:
            if not options.mutation:
                raise
        finally:
            for task in (reporting, *work):
                task.cancel()
            await asyncio.gather(reporting, *work, return_exceptions=True)
        results.restarts = opened[0].cluster.restarts
    return results


def _time_limit(options: Options) -> float | None:
    """Return the seconds after which a run is stopped. A mutation may leave objects stuck, so it gets no overtime."""
    if not options.seconds:
        return None
    return options.seconds if options.mutation else options.seconds + _OVERTIME_SECONDS


async def _work(
    environment: Environment,
    options: Options,
    rounds: Iterator[Round],
    end: float | None,
    results: Results,
    progress: Progress,
) -> None:
    for plan_ in rounds:
        if end is not None and time.monotonic() > end - _LAST_ROUND_SECONDS:
            return
        if options.stop_at_first and results.violations:
            return
        began = time.monotonic()
        found = await RoundRunner(environment, plan_, results).run()
        results.rounds += 1
        results.objects += len(plan_.objects)
        if options.verbose:
            progress(f"{time.monotonic() - began:5.1f} s {plan_}")
        if found:
            results.violations += found
            for violation in found:
                progress(f"VIOLATION {violation}")
            folder = options.build / f"{options.name}-round-{plan_.number}"
            names = sorted({violation.name for violation in found})
            await _keep_evidence(environment, plan_, names, folder, results)
            progress(f"  {plan_}\n  to repeat: --seed {plan_.seed} --round {plan_.number}; evidence in {folder}")
            await environment.start_over()
        await environment.renew_cloud()


async def _keep_evidence(
    environment: Environment, plan_: Round, names: list[str], folder: Path, results: Results
) -> None:
    violations = [str(violation) for violation in results.violations if violation.during == plan_.number]
    parts = [str(plan_), *violations, await environment.evidence(names)]
    await asyncio.to_thread(_write, folder / "evidence.txt", "\n".join(parts) + "\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


async def _report_progress(results: Results, progress: Progress) -> None:
    while True:
        await asyncio.sleep(_PROGRESS_SECONDS)
        progress(results.summary())
