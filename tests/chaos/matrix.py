"""A run of the matrix: lanes side by side, rounds until the time is over, and the evidence of what went wrong."""

import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaos.cluster import Cluster
from chaos.lane import Lane
from chaos.plan import Round, plan
from chaos.processes import Nursery
from chaos.rounds import RoundRun
from chaos.tally import Tally
from controlplane import ControlPlane, find_binaries

CRDS: Final = Path(__file__).parents[2] / "crds"
_LAST_ROUND_SECONDS: Final = 25.0
"""No round begins so short before the end."""
_OVERTIME_SECONDS: Final = 600.0
_SAY_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Options:
    """What to run."""

    seed: int
    seconds: float = 0.0
    lanes: int = 4
    most_objects: int = 50
    way: str | None = None
    """How the protocol is broken on purpose."""
    stop_at_first: bool = False
    verbose: bool = False
    build: Path = Path("build/chaos")

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"seed-{self.seed}{f'-{self.way}' if self.way else ''}"


def rounds_of(options: Options) -> Iterator[Round]:
    """Yield the rounds of a seed, without end."""
    for number in itertools.count():
        yield plan(options.seed, number, options.most_objects)


@asynccontextmanager
async def lanes(options: Options) -> AsyncIterator[list[Lane]]:
    """Start a control plane, a nursery and the lanes; nothing is left of them afterwards."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imagecopy-chaos-")))
        plane = ControlPlane(await asyncio.to_thread(find_binaries))
        stack.push_async_callback(asyncio.to_thread, plane.stop)
        nursery = Nursery(folder, options.way)
        await asyncio.gather(asyncio.to_thread(_start, plane), stack.enter_async_context(nursery))
        cluster = await stack.enter_async_context(Cluster(plane))
        opened = [Lane(number, cluster, nursery, folder) for number in range(options.lanes)]
        await asyncio.gather(*(stack.enter_async_context(lane) for lane in opened))
        yield opened


def _start(plane: ControlPlane) -> None:
    plane.start()
    plane.kubectl("apply", "--server-side", "-f", CRDS)
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")


async def run(options: Options, rounds: Iterator[Round], say: Callable[[str], None]) -> Tally:
    """Run rounds until the time is over, or there are no more; return what was done and found."""
    tally = Tally()
    async with lanes(options) as opened:
        end = time.monotonic() + options.seconds if options.seconds else None
        work = [asyncio.create_task(_work(lane, options, rounds, end, tally, say)) for lane in opened]
        telling = asyncio.create_task(_tell(tally, say))
        try:
            await asyncio.wait_for(asyncio.gather(*work), _patience(options))
        except TimeoutError:
            if not options.way:
                raise
        finally:
            for task in (telling, *work):
                task.cancel()
            await asyncio.gather(telling, *work, return_exceptions=True)
        tally.restarts = opened[0].cluster.restarts
    return tally


def _patience(options: Options) -> float | None:
    """Return how long a run may take; what is broken on purpose may be stuck as well, which nobody waits for."""
    if not options.seconds:
        return None
    return options.seconds if options.way else options.seconds + _OVERTIME_SECONDS


async def _work(
    lane: Lane, options: Options, rounds: Iterator[Round], end: float | None, tally: Tally, say: Callable[[str], None]
) -> None:
    for plan_ in rounds:
        if end is not None and time.monotonic() > end - _LAST_ROUND_SECONDS:
            return
        if options.stop_at_first and tally.violations:
            return
        began = time.monotonic()
        found = await RoundRun(lane, plan_, tally).run()
        tally.rounds += 1
        tally.objects += len(plan_.objects)
        if options.verbose:
            say(f"{time.monotonic() - began:5.1f} s {plan_}")
        if found:
            tally.violations += found
            for violation in found:
                say(f"VIOLATION {violation}")
            folder = options.build / f"{options.name}-round-{plan_.number}"
            await _keep_evidence(lane, plan_, sorted({violation.name for violation in found}), folder, tally)
            say(f"  {plan_}\n  seen again with --seed {plan_.seed} --round {plan_.number}; evidence in {folder}")
            await lane.start_over()
        await lane.fresh_cloud()


async def _keep_evidence(lane: Lane, plan_: Round, names: list[str], folder: Path, tally: Tally) -> None:
    told = [str(plan_), *(str(v) for v in tally.violations if v.during == plan_.number), await lane.evidence(names)]
    await asyncio.to_thread(_write, folder / "evidence.txt", "\n".join(told) + "\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


async def _tell(tally: Tally, say: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(_SAY_SECONDS)
        say(tally.summary())
