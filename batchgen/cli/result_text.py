"""How a run ended, as text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchgen.cli.reason_text import kept
from batchgen.request import State
from batchgen.wording import counted

if TYPE_CHECKING:
    from batchgen.commands.run import RunResult

# The states that a run sends again only if --retry names them.
_WORDS = {"refused": State.REFUSED, "spoiled": State.SPOILED, "doubt": State.DOUBT}


def ending(ended: RunResult) -> str:
    """Return that nothing was left to buy, that the run is done, or why it stopped and how to continue."""
    stored = ended.states.get(State.STORED, 0) - (ended.counts.takes if ended.counts else 0)
    if ended.reason is not None:
        return f"stopped early: {ended.reason}\nRun it again to continue; what is stored is not bought again."
    if ended.report is None:
        return f"nothing to buy: {_counts(stored, ended)} in {ended.folder}{_asked_again(ended)}"
    return f"done: {_counts(stored, ended)}; see {ended.folder / 'report.html'}{_asked_again(ended)}"


def _asked_again(ended: RunResult) -> str:
    """Return which options send the unstored requests again; nothing if all are stored."""
    words = [word for word, state in _WORDS.items() if ended.states.get(state)]
    if not words:
        return ""
    pays = "; what is spoiled or in doubt may be paid twice" if words != ["refused"] else ""
    again = " ".join(f"--retry {word}" for word in words)
    return f"\n{ended.folder / 'failures.jsonl'} lists what is not stored; {again} sends it again{pays}"


def _counts(stored: int, ended: RunResult) -> str:
    others = [f"{count:,} {state}" for state, count in ended.states.items() if state is not State.STORED and count]
    if ended.counts and ended.counts.takes:
        others.insert(0, f"{counted(ended.counts.takes, 'further take')} bought")
    if ended.equal:
        others.append(f"{ended.equal:,} equal to another one")
    if ended.withdrawn:
        others.append(f"{ended.withdrawn:,} withdrawn")
    if ended.pruned:
        others.append(f"{ended.pruned:,} pruned")
    elif ended.orphans and ended.orphans.count > ended.orphans.kept:
        others.append(f"{ended.orphans.count - ended.orphans.kept:,} no longer in the manifest")
    if ended.orphans and ended.orphans.kept:
        others.append(kept(ended.orphans))
    return ", ".join([f"{counted(stored, 'request')} stored", *others])
