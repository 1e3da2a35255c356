"""One run as its user bounded it: a canary before everything else, within its deadline and its limit of failures."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, islice

import anyio
import anyio.to_thread

from batchgen.request import State
from batchgen.running.buy.recover import Recovered
from batchgen.running.desk import Desk
from batchgen.running.engine import Engine, WorkDone
from batchgen.running.events import Event, Listener, Progress
from batchgen.running.schedule.lanes import Lane
from batchgen.running.schedule.stop_rules import Bounds, FailureCount, failed_canary, reached

_BATCH = 500


async def run_in_stages(
    desk: Desk,
    bounds: Bounds,
    recovered: Sequence[Recovered],
    *,
    lanes: Callable[[], Sequence[Lane]],
    on_engine: Callable[[Engine], None],
) -> WorkDone:
    """Run ``desk``, its canary first if ``bounds`` ask for one. ``lanes`` makes new lanes for each stage."""
    tally = FailureCount()
    count = bounds.canary if desk.selection.limit is None else min(bounds.canary, desk.selection.limit)
    canary = await anyio.to_thread.run_sync(_canary, desk, count, [one.unfinished.key for one in recovered])
    if not canary:
        return await _stage(desk, bounds, tally, recovered, on_engine)
    selection = replace(desk.selection, keys=canary, limit=None)
    first = await _stage(replace(desk, lanes=lanes(), selection=selection), bounds, tally, recovered, on_engine)
    if first.stopped is not None or first.failure is not None:
        return first
    stored = await anyio.to_thread.run_sync(_stored, desk, canary)
    if stored < len(canary):
        return replace(first, stopped=failed_canary(tally.failed, stored, len(canary)))
    limit = None if desk.selection.limit is None else max(0, desk.selection.limit - len(canary))
    selection = replace(desk.selection, besides=canary, limit=limit)
    rest = replace(desk, lanes=lanes(), selection=selection, listen=_after(first, desk.listen))
    return _together(first, await _stage(rest, bounds, tally, (), on_engine))


async def _stage(
    desk: Desk, bounds: Bounds, tally: FailureCount, recovered: Sequence[Recovered], on_engine: Callable[[Engine], None]
) -> WorkDone:
    def hear(event: Event) -> None:
        desk.listen(event)
        tally.hear(event)
        if bounds.max_failures and (why := reached(bounds.max_failures, len(tally.failed), tally.ended)):
            engine.drain(why)

    async def watch_clock() -> None:
        if bounds.deadline is not None:
            await bounds.deadline.wait()
            engine.drain(bounds.deadline.reason)

    engine = Engine(replace(desk, listen=hear))
    on_engine(engine)
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch_clock)
        try:
            result = await engine.run(recovered)
        except Exception as error:  # noqa: BLE001 - raised below: a task group would wrap it into a group
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if bounds.deadline and result.stopped == bounds.deadline.reason and result.read_whole and not result.left:
        # The deadline came while the last requests in flight ended: nothing was left out.
        return replace(result, stopped=None)
    return result


def _canary(desk: Desk, count: int, finishing: Sequence[str]) -> frozenset[str]:
    """Return up to ``count`` keys to send, of every model in turn and from all parts of the plan.

    The smallest keys are picked: digests lie anywhere, and another run picks the same keys.
    """
    best: dict[str, list[str]] = {}
    again = {None, State.WAITING, *desk.selection.again}
    requests = filter(desk.selection.takes, desk.plan.at(desk.diff.open_positions if count else ()))
    while batch := list(islice(requests, _BATCH)):
        states = desk.diff.states([request.key for request in batch])
        for request in batch:
            kept = best.setdefault(request.model, [])
            if states.get(request.key) in again and request.key not in kept and request.key not in finishing:
                insort(kept, request.key)
                del kept[count:]
    in_turn = chain.from_iterable([keys[rank] for keys in best.values() if rank < len(keys)] for rank in range(count))
    return frozenset(islice(in_turn, count))


def _stored(desk: Desk, keys: frozenset[str]) -> int:
    return sum(state is State.STORED for state in desk.diff.states(list(keys)).values())


def _after(first: WorkDone, listen: Listener) -> Listener:
    """Return a listener that hears the requests of the first stage counted as done."""

    def hear(event: Event) -> None:
        if isinstance(event, Progress):
            event = replace(event, done_before=event.done_before + first.ended.total())
        listen(event)

    return hear


def _together(first: WorkDone, rest: WorkDone) -> WorkDone:
    return replace(
        rest,
        ended=first.ended + rest.ended,
        passed=first.passed + rest.passed,
        equal=first.equal + rest.equal,
        sent=first.sent + rest.sent,
        closed=first.closed | rest.closed,
    )
