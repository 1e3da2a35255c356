"""Another picture of what is stored: which requests a person means by it, and which of those purchases are open."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from msgspec.structs import replace

from batchgen.errors import UsageError
from batchgen.planning.own_part import own_part
from batchgen.planning.plan import Plan
from batchgen.request import Request, State, number_of
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.view import IMAGES, stem_of
from batchgen.store.ledger.called import SHORTEST_KEY, Called, called, no_such
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.takes import UNDER_WAY

_ROW = re.compile(r"row=([0-9]{1,9})", re.ASCII)
# What is to be done about a request that has no picture yet.
_INSTEAD: Mapping[State, str] = {
    State.WAITING: "it is not stored yet: a run without --again sends it",
    State.SENT: "it is on its way, or was when a run was killed: a run without --again settles that",
    State.ANSWERED: "it is paid for and not stored yet: a run without --again finishes it, free",
    State.REFUSED: "it was refused, and nothing is stored: --retry refused sends it again",
    State.SPOILED: "it has no usable picture: --retry spoiled, or missing, buys it again",
    State.DOUBT: "it is in doubt, and nothing is stored: --retry doubt may pay again",
}


def asked_again(plan: Plan, diff: PlanDiff, folder: RunFolder, words: Sequence[str]) -> list[Request]:
    """Return the stored requests that ``words`` mean, each once: names, beginnings of keys, or ``row=3``.

    Raise :class:`UsageError` with every word that means nothing, several requests, or one that has no picture or is
    not asked for any more. Reads the plan: for a thread.
    """
    keys: dict[str, None] = {}
    problems = []
    for word in words:
        try:
            keys |= dict.fromkeys(_of_word(plan, diff, folder, word))
        except UsageError as error:
            problems.append(f"--again {error}")
    if problems:
        raise UsageError("\n".join(problems))
    return _planned(plan, keys)


def nothing_stored(folder: RunFolder) -> UsageError:
    """Return the error for a folder in which nothing was bought yet."""
    return UsageError(f"--again buys another picture of what is stored, and there is nothing in {folder.root} yet")


def open_takes(plan: Plan, diff: PlanDiff, reader: Reader, again: Collection[State]) -> list[Request]:
    """Return the further takes to be looked at: those under way, and ended ones in a state that is sent ``again``.

    Of requests alone that the plan asks for and that are stored. Reads the plan: for a thread.
    """
    found = {
        key: take
        for key, (take, known) in reader.open_takes().items()
        if known.state in UNDER_WAY or known.state in again
    }
    asked = diff.stored(list(diff.asked(found)))
    return [replace(request, take=found[request.key]) for request in _planned(plan, asked)]


def _of_word(plan: Plan, diff: PlanDiff, folder: RunFolder, word: str) -> Sequence[str]:
    if row := _ROW.fullmatch(word):
        return _of_row(plan, diff, word, int(row[1]))
    if "=" in word:
        raise UsageError(f"{word!r}: it is a name, the beginning of a key, or row=NUMBER")
    found = called(diff.db, folder, word)
    if found is None:
        raise _not_bought(plan, word) or _row_meant(word) or no_such(diff.db, word, folder)
    if found.state is not State.STORED:
        raise UsageError(f"{word!r}: {_INSTEAD[found.state]}")
    if not diff.asked([found.key]):
        raise _not_asked(word, found)
    return [found.key]


def _of_row(plan: Plan, diff: PlanDiff, word: str, row: int) -> Sequence[str]:
    made: list[Request] = []
    last = 0
    for request in plan.whole():
        last = max(last, request.row)
        if request.row == row:
            made.append(request)
    if not made:
        raise UsageError(f"{word!r}: there is no row {row} that makes a request; rows reach up to {last}")
    keys = dict.fromkeys(request.key for request in own_part(made, plan.manifest.shard, repr(word)))
    stored = diff.stored(list(keys))
    if not stored:
        raise UsageError(f"{word!r}: nothing of row {row} is stored yet; a run without --again buys it")
    return [key for key in keys if key in stored]


def _not_bought(plan: Plan, word: str) -> UsageError | None:
    """Return the error if ``word`` means a request of the plan that was never bought.

    Raise it if another shard buys that request.
    """
    name = f"{IMAGES}/{word.removeprefix(f'{IMAGES}/')}"
    for request in plan.whole():
        stem = plan.stem(request)
        if stem in {name, stem_of(name)} or (len(word) >= SHORTEST_KEY and request.key.startswith(word)):
            own_part([request], plan.manifest.shard, repr(word))
            return UsageError(f"{word!r}: it is not stored yet; a run without --again buys it")
    return None


def _row_meant(word: str) -> UsageError | None:
    if word.isascii() and word.isdigit() and len(word) < SHORTEST_KEY:
        return UsageError(f"{word!r}: it is a name, the beginning of a key, or row=NUMBER; did you mean 'row={word}'?")
    return None


def _not_asked(word: str, found: Called) -> UsageError:
    return UsageError(
        f"{word!r}: the manifest no longer asks for {found.name} ({found.key[:8]}), so nothing more is bought of it"
    )


def _planned(plan: Plan, keys: Collection[str]) -> list[Request]:
    """Return the first request of the plan for each of ``keys``."""
    wanted = {number_of(key) for key in keys}
    positions = []
    for position, number in enumerate(plan.outline.numbers) if wanted else ():
        if number in wanted:
            wanted.discard(number)
            positions.append(position)
    return list(plan.at(positions))
