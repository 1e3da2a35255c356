"""``batchgen status``: the state of a run folder, also during a run."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.cli.shared_options import Folders
from batchgen.wording import counted, visible

if TYPE_CHECKING:
    from batchgen.commands.status import FolderStatus
    from batchgen.request import State

# What was said to a run: the newest lines are what people ask about.
_TOLD = 5


def status(
    folders: Folders,
    *,
    json: Annotated[bool, typer.Option("--json", help="Write all of it as JSON, for programs.")] = False,
) -> None:
    """Show the state of a run folder: how far it is, what is stored, what failed, what it cost, and when it is done.

    Several folders, such as the shards of one plan, are also added up; with --json, each is an object in its own line.
    """
    from batchgen.commands.status import folder_status
    from batchgen.commands.together import missing_shards, run_folders
    from batchgen.encoding import json_text

    places = run_folders(folders)
    found = [folder_status(folder) for folder in folders]
    for one in found:
        said = json_text(one.to_json()) if json else "\n".join(_lines(one))
        sys.stdout.write(f"{said}\n")
    if len(found) > 1 and not json:
        sys.stdout.write("\n".join(_together(found, missing_shards(places))) + "\n")


if TYPE_CHECKING:
    from batchgen.store.ledger.reader import Each


def _together(found: Sequence[FolderStatus], missing: Sequence[str]) -> Iterable[str]:
    """Yield what the folders come to together."""
    from batchgen.money import dollars

    running = sum(one.holder is not None for one in found)
    yield f"{counted(len(found), 'folder')} together: {running:,} running"
    yield f"  {sum(one.planned for one in found):,} planned"
    states: Counter[State] = sum((Counter(one.states) for one in found), Counter())
    for state, count in sorted(states.items()):
        yield f"    {state:<9} {count:>9,}"
    for what, amount in (
        ("billed", sum(one.spent.billed_microusd for one in found)),
        ("maybe billed", sum(one.spent.maybe_microusd for one in found)),
        ("estimated", sum(one.spent.estimated_microusd for one in found)),
    ):
        yield f"  {what} {dollars(amount)}"
    yield from (f"  {line}" for line in missing)


def ended(found: FolderStatus) -> str:
    """Return how the newest run of a folder ended, if there was one."""
    if found.newest is None:
        return ""
    how = "was killed" if found.newest.exit_code is None else f"ended with exit code {found.newest.exit_code}"
    return f"the last run {how}{f': {found.newest.reason}' if found.newest.reason else ''}"


def _lines(found: FolderStatus) -> Iterable[str]:
    from batchgen.cli.reason_text import kept
    from batchgen.money import dollars

    yield f"{found.folder}: {f'running ({found.holder})' if found.holder else 'not running'}"
    if found.newest is not None:
        linked = f", {found.reused:,} reused (linked, $0)" if found.reused else ""
        sent = counted(sum(found.states.values()) - found.reused, "request")
        yield f"  {sent} sent so far{linked}; {found.planned:,} planned, {100 * found.share:.0f} % done"
    if found.holder:
        yield from _live(found)
    for state, count in sorted(found.states.items()):
        yield f"    {state:<9} {count:>9,}"
    yield f"  billed {dollars(found.spent.billed_microusd)}"
    yield f"  maybe billed {dollars(found.spent.maybe_microusd)}"
    yield f"  estimated {dollars(found.spent.estimated_microusd)}"
    yield from map(_each, found.each)
    if found.unread:
        holds = "holds" if found.unread == 1 else "hold"
        yield f"  {counted(found.unread, 'kept answer')} {holds} no picture that batchgen knows; every run reads again"
    if found.arrived:
        came = f"{counted(found.arrived, 'answer')} arrived, or began to, when the last run was killed"
        yield f"  {came}; the next run reads {'it' if found.arrived == 1 else 'them'}, free"
    if found.orphans and found.orphans.kept:
        yield f"  {kept(found.orphans)}"
    if found.pictures_at:
        waits = "picture waits" if found.waiting == 1 else "pictures wait"
        left = f"; {found.waiting:,} {waits} on this disk, which a run puts there" if found.waiting else ""
        yield f"  pictures rest in {visible(found.pictures_at)}{left}"
    if found.with_takes:
        has = "has other takes" if found.with_takes == 1 else "have other takes"
        lists = f"`batchgen choose {found.folder} NAME` lists them"
        yield f"  {counted(found.with_takes, 'request')} {has} than the one shown; {lists}"
    if found.open_takes:
        yield f"  {counted(found.open_takes, 'further take')} asked for and not stored yet; a run goes on with that"
    if found.deleted:
        yield f"  {counted(found.deleted, 'file')} deleted by hand; `batchgen restore {found.folder}` brings back"
    if not found.holder and (said := ended(found)):
        yield f"  {said}"


def _live(found: FolderStatus) -> Iterable[str]:
    """Yield what a run that goes on says of itself, and what it was told."""
    from batchgen.cli.progress import step_text
    from batchgen.cli.progress_text import eta_text, rate, wait_text

    if found.live is not None:
        progress = found.live.progress
        rated = rate(progress.rate_per_s)
        under_way = f"{counted(progress.in_flight, 'request')} under way"
        yield f"  {', '.join([under_way, *([rated] if rated else []), eta_text(progress)])}"
        yield from (f"  waits: {wait_text(wait)}" for wait in progress.waits)
        if found.live.stopping:
            yield f"  stopping: {visible(found.live.stopping)}"
        if found.live.step:
            yield f"  {step_text(found.live.step)}"
    for one in found.control[-_TOLD:]:
        yield f"  told by {visible(one.user)}: {visible(one.instruction)}: {visible(one.outcome)}"


def _each(found: Each) -> str:
    """Return what a request costs and takes on average, and where both figures come from."""
    from batchgen.money import dollars
    from batchgen.store.ledger.transitions import STATED

    about = "" if found.cost_source in STATED else "\u2248 "
    price = "an unknown price" if found.cost_source is None else f"{about}{dollars(found.cost_microusd)}"
    parts = [f"{counted(found.requests, 'request')} at {price} on average, priced by {found.cost_source or 'nobody'}"]
    if found.latency_ms is not None:
        whose = "as the service states" if found.latency_source == "service" else "by the request's own time"
        parts.append(f"{found.latency_ms / 1000:.1f} s {whose}")
    return f"    {'; '.join(parts)}"
