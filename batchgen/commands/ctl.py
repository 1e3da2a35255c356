"""Says something to a run that goes on in a folder, and waits until the run has taken it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from batchgen.errors import NotWritable, UsageError
from batchgen.running.control import append, read_instruction
from batchgen.store.folder.lock import holder
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.control_log import Acknowledgement, recorded
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.schema import reading

_LOOK_S = 0.25


def control_run(folder: Path, words: Sequence[str], *, within_s: float) -> Acknowledgement | None:
    """Write an instruction to the run in ``folder``; return what the run made of it, ``None`` if it says nothing yet.

    Raise :class:`UsageError` for an instruction that is none, a folder without a run, and what the run refuses.
    """
    try:
        instruction = read_instruction(words)
    except ValueError as error:
        raise UsageError(str(error)) from None
    place = RunFolder(folder)
    if holder(place.lock) is None:
        raise UsageError(
            f"{folder}: no run is going on here. What it would be told are options of the next one: "
            "`batchgen run --concurrency N --budget USD`"
        )
    line_id = secrets.token_hex(8)
    try:
        append(place.control, instruction, line_id=line_id, at=datetime.now(UTC).isoformat(timespec="seconds"))
    except OSError as error:
        raise NotWritable(f"{place.control}: can't be written: {error}. The run was told nothing") from error
    acknowledged = _awaited(place, line_id, within_s)
    if acknowledged is not None and not acknowledged.accepted:
        raise UsageError(acknowledged.outcome)
    return acknowledged


def _awaited(place: RunFolder, line_id: str, within_s: float) -> Acknowledgement | None:
    end = time.monotonic() + within_s
    with closing(Reader(place.ledger)) as reader:
        while True:
            newest = reader.last_run()
            with reading(place.ledger):
                answers = recorded(reader.db, newest.id) if newest else ()
            found = next((one for one in answers if one.id == line_id), None)
            if found is not None or time.monotonic() >= end or holder(place.lock) is None:
                return found
            time.sleep(_LOOK_S)
