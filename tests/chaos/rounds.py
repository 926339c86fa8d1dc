"""Runs one round: creates its objects, kills the operator at each point of the plan, and checks the outcome."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from chaos.environment import Environment
from chaos.faults import Outage, SimulatorFault
from chaos.invariants import Kind, TrackedCopy, Violation
from chaos.plan import Kill, Round
from chaos.points import After, Need, Server, Stage
from chaos.proxy import Decision, Matches, Proxy, Reply, Request, Trap
from chaos.results import Results
from support.waiting import NotInTime, until

_REACH_SECONDS: Final = 30.0
"""A point that is not reached within this time is missed."""
_FINISH_SECONDS: Final = 150.0
"""Every object reaches its end within this time after the last kill. 50 objects may take half a minute longer."""
_POLL_SECONDS: Final = 0.5
_FROZEN_SECONDS: Final = 60.0
_RESUMED_SECONDS: Final = 2.0
_FAILED_JOB: Final[SimulatorFault] = {"job": {"fail": True, "error_code": "IMG.0061"}}


class RoundRunner:
    """Runs one round in one environment."""

    def __init__(self, environment: Environment, plan: Round, results: Results) -> None:
        self._env = environment
        self._plan = plan
        self._results = results
        self._rng = plan.rng
        self._names = [planned.name for planned in plan.objects]
        self._outages: set[asyncio.Task[None]] = set()
        self._trap: Trap | None = None
        self._deleted = False

    async def run(self) -> list[Violation]:
        """Run the round; return the violations."""
        try:
            return await self._run()
        finally:
            for outage in self._outages:
                outage.cancel()
            await asyncio.gather(*self._outages, return_exceptions=True)
            for proxy in (self._env.api_proxy, self._env.cloud_proxy):
                proxy.reset()
                proxy.down = False

    async def _run(self) -> list[Violation]:
        env, plan = self._env, self._plan
        env.note(f"=== {plan}")
        await self._begin()
        await env.create(plan.objects)
        await self._kill_at(plan.stage(Stage.COPY))
        if not plan.deleted_early:
            found = await self._finish()
            if not found and await self._release_halted():
                found = await self._finish()
            if found:
                return found
        elif Need.IN_FLIGHT in {need for kill in plan.kills for need in kill.point.needs}:
            await self._until_copying()
        await self._delete(plan.stage(Stage.DELETION))
        return await self._check_deleted()

    async def _begin(self) -> None:
        env, plan = self._env, self._plan
        await env.cloud.clear_faults()
        await env.cloud.set_knobs(copy_seconds=plan.copy_seconds)
        faults = list(plan.fault.at_start(self._rng))
        if plan.job_fails and Need.FAILED_JOB not in plan.fault.fulfils:
            faults.append(_FAILED_JOB)
        for fault in faults:
            await env.cloud.add_fault(fault, len(plan.objects) // 2 + 1 if len(plan.objects) > 1 else 1)
        kills = plan.stage(Stage.COPY)
        if kills and kills[0].point.name == "login":
            await env.kill_operators()
        self._set_trap(kills[0] if kills else None)
        while len(env.operators) < (2 if plan.two_operators else 1):
            env.start_operator()
        while len(env.operators) > (2 if plan.two_operators else 1):
            await env.kill(env.operators[-1])

    async def _kill_at(self, kills: Sequence[Kill]) -> None:
        """Kill at these points. The trap of the first one is set already."""
        for kill, following in zip(kills, [*kills[1:], None], strict=False):
            trap = self._trap
            if not await self._reached(kill, trap):
                self._results.missed(kill.point, self._plan.fault)
                self._env.note(f"{kill.point.name} is not reached")
                if trap:
                    trap.release(Decision.FORWARD)
                self._set_trap(following)
                continue
            self._env.note(f"{kill.point.name} is reached")
            if kill.point.after is After.FROZEN:
                await self._freeze(trap, following, kill)
            else:
                await self._kill(trap, following, kill)

    async def _kill(self, trap: Trap | None, following: Kill | None, kill: Kill) -> None:
        env, after = self._env, kill.point.after
        env.replace_crashed()
        victims = list(env.operators) if kill.both else [self._rng.choice(env.operators)]
        for operator in victims:
            await env.kill(operator)
        self._results.killed(kill.point, self._plan.fault, len(victims))
        if trap and after is not After.FORWARDED_LATE:
            trap.release(Decision.FORWARD if after is After.FORWARDED else Decision.DROP)
        await self._inject_fault()
        if kill.point.name == "deleted-while-away":
            await self._request_deletion()
        self._set_trap(following)
        streams = env.api_proxy.streams_opened
        for _ in victims:
            env.start_operator(cold=kill.cold)
        if trap and after is After.FORWARDED_LATE:
            with contextlib.suppress(NotInTime):
                await env.until_watching(streams)
            await asyncio.sleep(kill.late)
            env.note(f"{kill.point.name}: the held request is forwarded")
            trap.release(Decision.FORWARD)

    async def _freeze(self, trap: Trap | None, following: Kill | None, kill: Kill) -> None:
        """Freeze the operator before it reads a reply, and resume it when another one has finished its work."""
        assert trap is not None
        assert trap.caught is not None
        env = self._env
        frozen = list(env.operators)
        for operator in frozen:
            operator.freeze()
            env.note(f"{operator.name} is frozen")
        trap.release(Decision.FORWARD)
        await self._inject_fault()
        env.operators.clear()
        env.start_operator()
        copy = self._copy_of(trap.caught)
        with contextlib.suppress(NotInTime):
            await self._until(lambda: copy is None or copy.finished or copy.gone, "taken over", _FROZEN_SECONDS)
        for operator in frozen:
            env.note(f"{operator.name} is resumed")
            operator.resume()
        await asyncio.sleep(_RESUMED_SECONDS)
        for operator in frozen:
            await env.kill(operator)
        self._results.killed(kill.point, self._plan.fault, len(frozen))
        self._set_trap(following)

    async def _inject_fault(self) -> None:
        """Inject the part of the round's fault that comes with a kill."""
        env, fault = self._env, self._plan.fault
        for simulator_fault in fault.at_kill(self._rng):
            await env.cloud.add_fault(simulator_fault, len(self._names) // 4 + 1)
        env.api_proxy.false_replies = fault.false_replies(self._rng)
        if fault.outage is not None:
            task = asyncio.create_task(self._outage(fault.outage, self._rng.uniform(1.0, 3.0)))
            self._outages.add(task)
            task.add_done_callback(self._outages.discard)

    async def _outage(self, outage: Outage, seconds: float) -> None:
        env = self._env
        env.note(f"{outage.name} for {seconds:.1f} s")
        if outage is Outage.API_RESTART:
            await env.cluster.restart()
        elif outage is Outage.WATCHES:
            for _ in range(8):
                await asyncio.sleep(seconds / 4)
                env.api_proxy.cut_streams()
        else:
            proxy = env.api_proxy if outage is Outage.API_DOWN else env.cloud_proxy
            proxy.down = True
            proxy.cut_streams()
            await asyncio.sleep(seconds)
            proxy.down = False
        env.note(f"{outage.name} is over")

    def _set_trap(self, kill: Kill | None) -> None:
        self._trap = None
        proxy = self._proxy(kill.point.server) if kill else None
        if kill and proxy:
            self._trap = proxy.set_trap(self._matches(kill), kill.point.moment, kill.skip)

    def _proxy(self, server: Server) -> Proxy | None:
        return {Server.KUBE: self._env.api_proxy, Server.CLOUD: self._env.cloud_proxy}.get(server)

    def _matches(self, kill: Kill) -> Matches:
        """Return what the point matches. Preflight and lookup are the same list call; the object's status decides."""
        matches = kill.point.matches
        lookup = Need.UNKNOWN_OUTCOME in kill.point.needs
        if kill.point.server is not Server.CLOUD or not (lookup or kill.point.name == "preflight"):
            return matches

        def exactly(request: Request, reply: Reply | None) -> bool:
            copy = self._env.tracker.copies.get(request.query.get("name", ""))
            return matches(request, reply) and copy is not None and bool(copy.status.get("attempt")) is lookup

        return exactly

    async def _reached(self, kill: Kill, trap: Trap | None) -> bool:
        if trap is None:
            await asyncio.sleep(kill.pause)
            await self._env.refresh()
            return not self._over or kill.point.name == "deleted-while-away"
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _REACH_SECONDS
        while loop.time() < deadline:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(trap.sprung.wait(), _POLL_SECONDS)
                return True
            await self._env.refresh()
            if self._over:
                break
        return trap.sprung.is_set()

    @property
    def _over(self) -> bool:
        """Whether the operator has nothing left to do."""
        return all(copy.gone if self._deleted else copy.finished or copy.gone for copy in self._copies)

    @property
    def _copies(self) -> list[TrackedCopy]:
        return [self._env.tracker.copies[name] for name in self._names]

    def _copy_of(self, request: Request) -> TrackedCopy | None:
        """Return the object that a held request belongs to."""
        parts = request.path.split("/")
        name = parts[parts.index("imagecopies") + 1] if "imagecopies" in parts else (request.json or {}).get("name", "")
        return self._env.tracker.copies.get(name)

    async def _finish(self) -> list[Violation]:
        """Wait until all objects are finished; return the violations then."""
        seconds = _FINISH_SECONDS + len(self._plan.objects)
        with contextlib.suppress(NotInTime):
            await self._until(lambda: all(copy.finished for copy in self._copies), "finished", seconds)
        return await self._check([copy for copy in self._copies if not copy.finished])

    async def _release_halted(self) -> bool:
        """Set unknownOutcomePolicy to Retry where an unknown outcome halted a copy; return whether there was any."""
        halted = [copy.plan.name for copy in self._copies if copy.reason == "OutcomeUnknown"]
        for name in halted:
            await self._env.edit(name, unknownOutcomePolicy="Retry")
        if halted:
            await self._env.refresh()
        return bool(halted)

    async def _until_copying(self) -> None:
        def copying() -> bool:
            return any((copy.status.get("attempt") or {}).get("jobID") or copy.finished for copy in self._copies)

        with contextlib.suppress(NotInTime):
            await self._until(copying, "copying", _REACH_SECONDS)

    async def _delete(self, kills: Sequence[Kill]) -> None:
        self._set_trap(kills[0] if kills else None)
        if not kills or kills[0].point.name != "deleted-while-away":
            await self._request_deletion()
        await self._kill_at(kills)

    async def _request_deletion(self) -> None:
        self._deleted = True
        await self._env.delete(self._names)

    async def _check_deleted(self) -> list[Violation]:
        """Wait until all objects are gone; return the violations then."""
        with contextlib.suppress(NotInTime):
            await self._until(lambda: all(copy.gone for copy in self._copies), "gone", _FINISH_SECONDS)
        return await self._check([copy for copy in self._copies if not copy.gone])

    async def _until(self, holds: Callable[[], bool], what: str, seconds: float) -> None:
        async def check() -> bool:
            await self._env.refresh()
            return holds()

        await until(check, what, seconds, every=_POLL_SECONDS)

    async def _check(self, stuck: Sequence[TrackedCopy]) -> list[Violation]:
        number, env = self._plan.number, self._env
        found = [
            Violation(Kind.STUCK, copy.plan.name, f"{copy.phase or 'without status'} ({copy.reason})", number)
            for copy in stuck
        ]
        crashes = [Violation(Kind.DIED, "operator", message, number) for message in env.crashes]
        env.crashes.clear()
        return [*found, *crashes, *await env.check(number)]
