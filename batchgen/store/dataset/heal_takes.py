"""Further takes of stored requests that the ledger does not know, as pictures and lines of metadata.jsonl tell them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence

from batchgen.request import State
from batchgen.store.dataset.healed import Healed, StrayAnswer, Wanted
from batchgen.store.dataset.jsonl_reader import PaidLines
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import takes, transitions
from batchgen.store.ledger.transitions import Bill


class TakeHealing:
    """The healing of further takes: part of one healing, whose ``done`` it counts in and whose ``run`` bills are of.

    ``listed`` are the requests with lines, by key; it may grow meanwhile.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        folder: RunFolder,
        listed: Mapping[str, PaidLines],
        done: Healed,
        *,
        run: Callable[[], int],
        now_ms: int,
    ) -> None:
        self._db = db
        self._folder = folder
        self._listed = listed
        self._done = done
        self._run = run
        self._now_ms = now_ms

    def record(self, key: str, answers: Sequence[StrayAnswer], asked: Wanted | None) -> None:
        """Record answers with pictures of a stored request that it does not know: each is another take of that request.

        What the request shows stays shown, unless its line, which knows all of them, shows another one. Of a request
        without a line, a take that a receipt tells of is shown, as by the run that bought it.
        """
        row = self.open_take(key)
        if row is not None and row[1] is State.ANSWERED and not has_lost_answer(self._db, self._folder, row[0]):
            # It is about to be made a picture, and finds its bytes.
            return
        request_id = takes.first_of(self._db, key)
        known = takes.takes_of(self._db, request_id)
        before = next((one.number for one in known if one.shown), None)
        listed = self._listed.get(key)
        covered = max(0, listed.takes - len(known)) if listed else 0
        rest = self._not_recorded(listed, request_id) if listed else Bill()
        for one in answers:
            bill = rest if covered > 0 else one.receipt.bill if one.receipt else asked.bill if asked else None
            covered, rest = covered - 1, Bill(flag="recovered", source=rest.source)
            self._further_take(request_id, row[0] if row else None, one, bill)
            row = None
        shown = listed.pictures[0].sha256 if listed and listed.takes >= len(known) + len(answers) else None
        if listed is not None or answers[-1].take == 1:
            self._show(request_id, before, shown)

    def choose(self, key: str) -> None:
        """Show the take that a newer line shows, if the ledger knows all that were bought."""
        listed, request_id = self._listed[key], takes.first_of(self._db, key)
        known = takes.takes_of(self._db, request_id)
        if len(known) == listed.takes:
            before = next((one.number for one in known if one.shown), None)
            self._show(request_id, before, listed.pictures[0].sha256)

    def _further_take(self, request_id: int, open_id: int | None, answer: StrayAnswer, bill: Bill | None) -> None:
        """Record an answer as a take of a stored request: as the one that was asked for, if there is one."""
        row = request_id if open_id is None else open_id
        (state,) = self._db.execute("SELECT state FROM requests WHERE id = ?", (row,)).fetchone()
        number = takes.last_number(self._db, request_id) + 1
        if open_id is not None and state in {State.SENT, State.DOUBT}:
            transitions.settle_doubt(self._db, request_id=open_id, bill=answer.receipt.bill if answer.receipt else None)
        elif open_id is None or state is not State.ANSWERED:
            self._bill_take(row, number, bill)
        transitions.store(
            self._db, request_id=row, pictures=answer.pictures, downloads=0, now_ms=self._now_ms, takes_names=False
        )
        self._done.takes += 1

    def _bill_take(self, row: int, number: int, bill: Bill | None) -> None:
        key, estimate, source = self._db.execute(
            "SELECT key, coalesce(estimate_microusd, 0), price_source FROM requests WHERE id = ?", (row,)
        ).fetchone()
        bill = bill or Bill(estimated_microusd=estimate, flag="recovered", source=source)
        (attempts,) = self._db.execute(
            "SELECT count(*) FROM requests r JOIN attempts a ON a.request_id = r.id WHERE r.key = ?", (key,)
        ).fetchone()
        self._db.execute(
            "INSERT INTO attempts (request_id, take, run_id, ordinal, outcome, sent_ms, reserved_microusd,"
            " billed_microusd, estimated_microusd, cost_source, cost_flag)"
            " VALUES (?, ?, ?, ?, 'billed', ?, 0, ?, ?, ?, ?)",
            (
                *(row, number, self._run(), attempts + 1, self._now_ms),
                *(bill.billed_microusd, bill.estimated_microusd, bill.source, bill.flag or "recovered"),
            ),
        )

    def _not_recorded(self, listed: PaidLines, request_id: int) -> Bill:
        """Return what the line of a request says it cost beyond what the ledger knows."""
        billed, estimated = self._db.execute(
            "SELECT sum(billed_microusd), sum(estimated_microusd) FROM attempts WHERE request_id = ?", (request_id,)
        ).fetchone()
        rest = listed.bill.billed_microusd + listed.bill.estimated_microusd - (billed or 0) - (estimated or 0)
        stated = listed.bill.billed_microusd > 0
        source = listed.bill.source
        return Bill(max(0, rest), 0, source=source) if stated else Bill(0, max(0, rest), "recovered", source)

    def _show(self, request_id: int, before: int | None, sha256: str | None) -> None:
        """Show the take with these bytes, or else the one that was shown ``before``."""
        now = takes.takes_of(self._db, request_id)
        found = self._db.execute(
            "SELECT take FROM (SELECT take, sha256, ordinal FROM pictures WHERE request_id = :id UNION ALL"
            " SELECT take, sha256, ordinal FROM other_takes WHERE request_id = :id) WHERE sha256 = :sha256"
            " ORDER BY ordinal, take LIMIT 1",
            {"id": request_id, "sha256": sha256},
        ).fetchone()
        wanted = found[0] if found else before
        if wanted is not None and not any(one.shown and one.number == wanted for one in now):
            takes.show(self._db, request_id, wanted, now_ms=self._now_ms, takes_names=False)

    def open_take(self, key: str) -> tuple[int, State] | None:
        """Return the further take of a key that was asked for and is no picture yet, by its number in the ledger."""
        found = self._db.execute("SELECT id, state FROM requests WHERE key = ? AND take > 1", (key,)).fetchone()
        return None if found is None else (int(found[0]), State(found[1]))


def has_lost_answer(db: sqlite3.Connection, folder: RunFolder, request_id: int) -> bool:
    """Return whether the body of an answered request is gone, as on a second machine with an empty disk."""
    answer, in_row = db.execute("SELECT answer, body IS NOT NULL FROM requests WHERE id = ?", (request_id,)).fetchone()
    return not in_row and not (answer and folder.answer(answer).is_file())
