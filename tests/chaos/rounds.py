"""One round: objects are created, the operator is killed at each point of the plan, and all has to come right."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from chaos.faults import Order, Outage
from chaos.gateway import Fate, Gateway, Matches, Reply, Request, Trap
from chaos.lane import Lane
from chaos.plan import Hit, Round
from chaos.points import After, Need, Side, Stage
from chaos.tally import Tally
from chaos.truth import Kind, Violation, Wanted
from chaos.waiting import NotInTime, first, until

_REACH_SECONDS: Final = 30.0
"""A point that is not reached within so long is missed."""
_REST_SECONDS: Final = 150.0
"""Every object comes to its end within so long after the last kill; 50 of them may take half a minute longer."""
_LOOK_SECONDS: Final = 0.5
_FROZEN_SECONDS: Final = 60.0
_THAWED_SECONDS: Final = 2.0
_FAILED_JOB: Final[Order] = {"job": {"fail": True, "error_code": "IMG.0061"}}


class RoundRun:
    """One round on one lane."""

    def __init__(self, lane: Lane, plan: Round, tally: Tally) -> None:
        self._lane = lane
        self._plan = plan
        self._tally = tally
        self._rng = plan.rng
        self._names = [wanted.name for wanted in plan.objects]
        self._outages: set[asyncio.Task[None]] = set()
        self._trap: Trap | None = None
        self._deleted = False

    async def run(self) -> list[Violation]:
        """Run it and return what is wrong."""
        try:
            return await self._run()
        finally:
            for outage in self._outages:
                outage.cancel()
            await asyncio.gather(*self._outages, return_exceptions=True)
            for gate in (self._lane.kube_gate, self._lane.cloud_gate):
                gate.forget()
                gate.down = False

    async def _run(self) -> list[Violation]:
        lane, plan = self._lane, self._plan
        lane.tell(f"=== {plan}")
        await self._begin()
        await lane.create(plan.objects)
        await self._kill_at(plan.stage(Stage.COPY))
        if not plan.early:
            found = await self._settled()
            if not found and await self._release_halted():
                found = await self._settled()
            if found:
                return found
        elif Need.IN_FLIGHT in {need for hit in plan.hits for need in hit.point.needs}:
            await self._until_copying()
        await self._delete(plan.stage(Stage.DELETION))
        return await self._gone()

    async def _begin(self) -> None:
        lane, plan = self._lane, self._plan
        await lane.cloud.no_faults()
        await lane.cloud.knobs(copy_seconds=plan.copy_seconds)
        orders = list(plan.fault.at_start(self._rng))
        if plan.job_fails and Need.FAILED_JOB not in plan.fault.gives:
            orders.append(_FAILED_JOB)
        for order in orders:
            await lane.cloud.fault(order, len(plan.objects) // 2 + 1 if len(plan.objects) > 1 else 1)
        hits = plan.stage(Stage.COPY)
        if hits and hits[0].point.name == "login":
            await lane.kill_operators()
        self._arm(hits[0] if hits else None)
        while len(lane.operators) < (2 if plan.rivals else 1):
            lane.start_operator()
        while len(lane.operators) > (2 if plan.rivals else 1):
            await lane.kill(lane.operators[-1])

    async def _kill_at(self, hits: Sequence[Hit], *, armed: bool = True) -> None:
        """Kill at these points, of which the trap of the first is set already if it is ``armed``."""
        for place, hit in enumerate(hits):
            following = hits[place + 1] if place + 1 < len(hits) else None
            if place == 0 and not armed:
                self._arm(hit)
            trap = self._trap
            if not await self._reached(hit, trap):
                self._tally.missed(hit.point, self._plan.fault)
                self._lane.tell(f"{hit.point.name} was not reached")
                if trap:
                    trap.release(Fate.GOES_ON)
                self._arm(following)
                continue
            self._lane.tell(f"{hit.point.name} is reached")
            if hit.point.after is After.FROZEN:
                await self._freeze(hit, trap, following)
            else:
                await self._kill(hit, trap, following)

    async def _kill(self, hit: Hit, trap: Trap | None, following: Hit | None) -> None:
        lane, after = self._lane, hit.point.after
        lane.notice_deaths()
        victims = list(lane.operators) if hit.both else [self._rng.choice(lane.operators)]
        for operator in victims:
            await lane.kill(operator)
        self._tally.killed(hit.point, self._plan.fault, len(victims))
        if trap and after is not After.LANDS_LATE:
            trap.release(Fate.GOES_ON if after is After.LANDS else Fate.LOST)
        await self._strike()
        if hit.point.name == "deleted-while-away":
            await self._ask_for_deletion()
        self._arm(following)
        watches = lane.kube_gate.streams_opened
        for _ in victims:
            lane.start_operator(cold=hit.cold)
        if trap and after is After.LANDS_LATE:
            with contextlib.suppress(NotInTime):
                await lane.until_watching(watches)
            await asyncio.sleep(hit.late)
            lane.tell(f"{hit.point.name} lands")
            trap.release(Fate.GOES_ON)

    async def _freeze(self, hit: Hit, trap: Trap | None, following: Hit | None) -> None:
        """Freeze the operator with a reply at its door; thaw it when another one has finished its work."""
        assert trap is not None
        assert trap.caught is not None
        lane = self._lane
        frozen = list(lane.operators)
        for operator in frozen:
            operator.freeze()
            lane.tell(f"{operator.name} is frozen")
        trap.release(Fate.GOES_ON)
        await self._strike()
        lane.operators.clear()
        lane.start_operator()
        wanted = self._wanted_of(trap.caught)
        with contextlib.suppress(NotInTime):
            await self._until(lambda: wanted is None or wanted.at_rest or wanted.gone, "taken over", _FROZEN_SECONDS)
        for operator in frozen:
            lane.tell(f"{operator.name} thaws")
            operator.thaw()
        await asyncio.sleep(_THAWED_SECONDS)
        for operator in frozen:
            await lane.kill(operator)
        self._tally.killed(hit.point, self._plan.fault, len(frozen))
        self._arm(following)

    async def _strike(self) -> None:
        """Let the fault of the round strike, together with a kill."""
        lane, fault = self._lane, self._plan.fault
        for order in fault.at_kill(self._rng):
            await lane.cloud.fault(order, len(self._names) // 4 + 1)
        lane.kube_gate.spoilers = fault.spoilers(self._rng)
        if fault.outage is not None:
            task = asyncio.create_task(self._outage(fault.outage, self._rng.uniform(1.0, 3.0)))
            self._outages.add(task)
            task.add_done_callback(self._outages.discard)

    async def _outage(self, outage: Outage, seconds: float) -> None:
        lane = self._lane
        lane.tell(f"{outage.name} for {seconds:.1f} s")
        if outage is Outage.API_RESTART:
            await lane.cluster.restart()
        elif outage is Outage.WATCHES:
            for _ in range(8):
                await asyncio.sleep(seconds / 4)
                lane.kube_gate.cut_streams()
        else:
            gate = lane.kube_gate if outage is Outage.API_DOWN else lane.cloud_gate
            gate.down = True
            gate.cut_streams()
            await asyncio.sleep(seconds)
            gate.down = False
        lane.tell(f"{outage.name} is over")

    def _arm(self, hit: Hit | None) -> None:
        self._trap = None
        gate = self._gate(hit.point.side) if hit else None
        if hit and gate:
            self._trap = gate.set_trap(self._exactly(hit), hit.point.moment, hit.skip)

    def _gate(self, side: Side) -> Gateway | None:
        return {Side.KUBE: self._lane.kube_gate, Side.CLOUD: self._lane.cloud_gate}.get(side)

    def _exactly(self, hit: Hit) -> Matches:
        """Return what the point matches; the same list call is preflight and lookup, which the object tells apart."""
        matches = hit.point.matches
        lookup = Need.UNKNOWN_OUTCOME in hit.point.needs
        if hit.point.side is not Side.CLOUD or not (lookup or hit.point.name == "preflight"):
            return matches

        def exactly(request: Request, reply: Reply | None) -> bool:
            wanted = self._lane.truth.wanted.get(request.query.get("name", ""))
            return matches(request, reply) and wanted is not None and bool(wanted.status.get("attempt")) is lookup

        return exactly

    async def _reached(self, hit: Hit, trap: Trap | None) -> bool:
        if trap is None:
            await asyncio.sleep(hit.pause)
            await self._lane.look()
            return not self._over or hit.point.name == "deleted-while-away"
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _REACH_SECONDS
        while loop.time() < deadline:
            if await first(trap.sprung, seconds=_LOOK_SECONDS):
                return True
            await self._lane.look()
            if self._over:
                break
        return trap.sprung.is_set()

    @property
    def _over(self) -> bool:
        """Whether there is nothing left to do for the operator."""
        return all(wanted.gone if self._deleted else wanted.at_rest or wanted.gone for wanted in self._ours)

    @property
    def _ours(self) -> list[Wanted]:
        return [self._lane.truth.wanted[name] for name in self._names]

    def _wanted_of(self, request: Request) -> Wanted | None:
        """Return the object that a held request is about."""
        parts = request.path.split("/")
        name = parts[parts.index("imagecopies") + 1] if "imagecopies" in parts else (request.json or {}).get("name", "")
        return self._lane.truth.wanted.get(name)

    async def _settled(self) -> list[Violation]:
        """Wait until all objects are at rest; return what is wrong then."""
        seconds = _REST_SECONDS + len(self._plan.objects)
        with contextlib.suppress(NotInTime):
            await self._until(lambda: all(wanted.at_rest for wanted in self._ours), "at rest", seconds)
        return await self._check([wanted for wanted in self._ours if not wanted.at_rest])

    async def _release_halted(self) -> bool:
        """Say Retry for what halted with an outcome that is not known; tell whether there was any."""
        halted = [wanted.plan.name for wanted in self._ours if wanted.reason == "OutcomeUnknown"]
        for name in halted:
            await self._lane.edit(name, unknownOutcomePolicy="Retry")
        if halted:
            await self._lane.look()
        return bool(halted)

    async def _until_copying(self) -> None:
        def copying() -> bool:
            return any((wanted.status.get("attempt") or {}).get("jobID") or wanted.at_rest for wanted in self._ours)

        with contextlib.suppress(NotInTime):
            await self._until(copying, "copying", _REACH_SECONDS)

    async def _delete(self, hits: Sequence[Hit]) -> None:
        away = bool(hits) and hits[0].point.name == "deleted-while-away"
        self._arm(hits[0] if hits else None)
        if not away:
            await self._ask_for_deletion()
        await self._kill_at(hits)

    async def _ask_for_deletion(self) -> None:
        self._deleted = True
        await self._lane.delete(self._names)

    async def _gone(self) -> list[Violation]:
        with contextlib.suppress(NotInTime):
            await self._until(lambda: all(wanted.gone for wanted in self._ours), "gone", _REST_SECONDS)
        return await self._check([wanted for wanted in self._ours if not wanted.gone])

    async def _until(self, holds: Callable[[], bool], what: str, seconds: float) -> None:
        async def look() -> bool:
            await self._lane.look()
            return holds()

        await until(look, what, seconds, every=_LOOK_SECONDS)

    async def _check(self, stuck: Sequence[Wanted]) -> list[Violation]:
        number, lane = self._plan.number, self._lane
        found = [
            Violation(Kind.STUCK, wanted.plan.name, f"{wanted.phase or 'without status'} ({wanted.reason})", number)
            for wanted in stuck
        ]
        died = [Violation(Kind.DIED, "operator", words, number) for words in lane.died]
        lane.died.clear()
        return [*found, *died, *await lane.check(number)]
