"""The content of a report, read from the ledger once: the same numbers for terminal, page and summary.json."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from batchgen.report.curves import Curves, read_curves
from batchgen.report.lists import (
    Flagged,
    Ranked,
    RunEntry,
    Sample,
    Unstored,
    active_ms,
    read_errors,
    read_flagged,
    read_orphans,
    read_ranked,
    read_runs,
    read_samples,
    read_unstored,
)
from batchgen.report.shown_pictures import ShownPictures
from batchgen.report.summary import Summary, summary_of
from batchgen.report.tables import Group, crossed, dearest, overall, per_axis, per_model, slowest, spread
from batchgen.request import State
from batchgen.store.dataset.mark import mark_of
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.inputs.copies import InputCopies
from batchgen.store.ledger import names
from batchgen.store.ledger.made_by import shard_in
from batchgen.store.ledger.reader import COUNT_UNREAD
from batchgen.store.ledger.records import is_simulated
from batchgen.store.ledger.run_counts import read_counts
from batchgen.store.looks.flags import Checks

_SAMPLES = 12
_RANKED = 10
_FLAGGED = 24
# So many models beside the values of an axis can be read; report.csv has all.
_CROSSED = 6
_ROWS = 100
# The place of a folder in a command that is to be typed for one of several.
_EACH = Path("FOLDER")


@dataclass(frozen=True, slots=True)
class Report:
    """How a run folder's requests ended. ``doubts`` and ``failures`` are the first ones; ``total`` counts all.

    ``folder`` is FOLDER if several were read together; ``shard`` is the part of a plan that one is for, such as
    ``0/4``, empty for a whole plan. ``crossed`` has for each value of each axis the groups of the first few ``models``.
    ``doubt_microusd`` is what the requests now in doubt may have cost, a part of the maybe billed sum. ``flagged`` are
    some of the pictures with flags in ``checks``.
    """

    folder: Path
    shard: str
    summary: Summary
    total: Group
    models: tuple[Group, ...]
    axes: Mapping[str, tuple[Group, ...]]
    crossed: Mapping[str, tuple[tuple[Group | None, ...], ...]]
    runs: tuple[RunEntry, ...]
    doubts: tuple[Unstored, ...]
    doubt_microusd: int
    failures: tuple[Unstored, ...]
    samples: tuple[Sample, ...]
    curves: Curves
    slowest: tuple[Ranked, ...]
    dearest: tuple[Ranked, ...]
    checks: Checks
    flagged: tuple[Flagged, ...]

    def _repr_html_(self) -> str:
        return self.summary._repr_html_()


def read_report(db: sqlite3.Connection, frame: pd.DataFrame, folder: RunFolder, checks: Checks) -> Report:
    """Return the report of ``folder`` from a snapshot of its ledger, the frame read from it, and the checks."""
    runs = read_runs(db)
    working_ms = active_ms(runs)
    total = overall(frame, active_ms=working_ms)
    starts = [run.started_ms for run in runs]
    models = per_model(frame, starts=starts)
    shown = ShownPictures(folder, db)
    samples = read_samples(db, spread(frame, _SAMPLES), InputCopies(folder))
    return Report(
        folder=folder.root if len(folder.parts) == 1 else _EACH,
        shard=shard_in(db),
        summary=summary_of(
            folder.name,
            simulated=is_simulated(db),
            total=total,
            models=models,
            runs=runs,
            errors=read_errors(db),
            orphans=read_orphans(db),
            withdrawn=int(frame["state"].isna().sum()),
            unread=db.execute(COUNT_UNREAD).fetchone()[0],
            deleted=len(names.deleted(db)),
            mark=mark_of(db),
            counts=read_counts(db),
            checks=checks,
        ),
        total=total,
        models=models,
        axes=per_axis(frame, starts=starts),
        crossed=crossed(frame, [group.name for group in models[:_CROSSED]], values=_ROWS, starts=starts),
        runs=runs,
        doubts=read_unstored(db, (State.DOUBT,)),
        doubt_microusd=int(frame.loc[frame["state"] == State.DOUBT, "maybe_microusd"].sum()),
        failures=read_unstored(db, (State.REFUSED, State.SPOILED, State.WAITING)),
        samples=tuple(replace(sample, file=file) for sample in samples if (file := shown.of(sample.file))),
        curves=read_curves(frame, [group.name for group in models], runs),
        slowest=read_ranked(db, slowest(frame, _RANKED), shown),
        dearest=read_ranked(db, dearest(frame, _RANKED), shown),
        checks=checks,
        flagged=tuple(replace(one, file=shown.of(one.file) or one.file) for one in read_flagged(db, checks, _FLAGGED)),
    )
