"""How a run ended, in one line for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchgen.request import State

if TYPE_CHECKING:
    from batchgen.api import RunReport

# What `--retry` calls each state that is left alone until somebody asks.
_WORDS = {"refused": State.REFUSED, "spoiled": State.SPOILED, "doubt": State.DOUBT}


def ending(ended: RunReport) -> str:
    """That nothing was left to buy, that it is done, or why it stopped and how to go on."""
    stored = ended.states.get(State.STORED, 0)
    if ended.reason is not None:
        return f"stopped early: {ended.reason}\nRun it again to go on; what is stored is not bought again."
    if ended.report is None:
        return f"nothing to buy: {_counted(stored, ended)} in {ended.folder}{_asked_again(ended)}"
    return f"done: {_counted(stored, ended)}; see {ended.folder / 'report.html'}"


def _asked_again(ended: RunReport) -> str:
    """What sends what is not stored once more; nothing where all is."""
    words = [word for word, state in _WORDS.items() if ended.states.get(state)]
    if not words:
        return ""
    pays = "; what is spoiled or in doubt may be paid twice" if words != ["refused"] else ""
    again = " ".join(f"--retry {word}" for word in words)
    return f"\n{ended.folder / 'failures.jsonl'} lists what is not stored; {again} sends it again{pays}"


def _counted(stored: int, ended: RunReport) -> str:
    others = [f"{count:,} {state}" for state, count in ended.states.items() if state is not State.STORED and count]
    if ended.equal:
        others.append(f"{ended.equal:,} equal to another one")
    if ended.returned:
        others.append(f"{ended.returned:,} back from the trash")
    if ended.withdrawn:
        others.append(f"{ended.withdrawn:,} withdrawn")
    if ended.pruned:
        others.append(f"{ended.pruned:,} moved to the trash")
    elif ended.orphans and ended.orphans.count:
        others.append(f"{ended.orphans.count:,} no longer in the manifest")
    return ", ".join([f"{stored:,} requests stored", *others])
