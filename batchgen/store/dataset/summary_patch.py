"""summary.json after a run that changed nothing: all its figures still hold, only the newest run is another one.

So a night that buys nothing needs none of what reports are made with, and is over in a moment.
"""

from __future__ import annotations

from typing import Any

import msgspec

from batchgen.store.dataset.mark import mark_of
from batchgen.store.folder.atomic import replace_synced
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import names
from batchgen.store.ledger.records import snapshot, timestamp
from batchgen.store.ledger.run_counts import read_counts, shown_counts

_NEWEST = "SELECT started_ms, ended_ms, planned, exit_code, reason FROM runs ORDER BY id DESC LIMIT 1"

_ORPHANS = "SELECT orphans FROM runs WHERE orphans IS NOT NULL ORDER BY id DESC LIMIT 1"


def renew_summary(folder: RunFolder) -> bool:
    """Bring the run in summary.json up to date; return whether there was one that could be. Raises :class:`OSError`."""
    path = folder.root / "summary.json"
    try:
        said = msgspec.json.decode(path.read_bytes())
        renewed = said | _newest(folder) | {"last_run": said["last_run"] | _newest_run(folder)}
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError, TypeError, KeyError):
        return False
    replace_synced(path, msgspec.json.format(msgspec.json.encode(renewed), indent=2) + b"\n")
    return True


def _newest(folder: RunFolder) -> dict[str, Any]:
    with snapshot(folder.ledger) as db:
        (runs,) = db.execute("SELECT count(*) FROM runs").fetchone()
        (ended_ms,) = db.execute("SELECT ended_ms FROM runs ORDER BY id DESC LIMIT 1").fetchone()
        found = db.execute(_ORPHANS).fetchone()
        deleted, mark = len(names.deleted(db)), mark_of(db)
    orphans = msgspec.json.decode(found[0]) if found else None
    return {"runs": runs, "ended_at": timestamp(ended_ms), "orphans": orphans, "deleted": deleted, "mark": mark}


def _newest_run(folder: RunFolder) -> dict[str, Any]:
    with snapshot(folder.ledger) as db:
        started_ms, ended_ms, planned, exit_code, reason = db.execute(_NEWEST).fetchone()
        counts = read_counts(db)
    return {
        "started_at": timestamp(started_ms),
        "ended_at": timestamp(ended_ms),
        "planned": planned,
        "exit_code": exit_code,
        "reason": reason,
        "attempts": 0,
        "billed_usd": 0.0,
        "maybe_billed_usd": 0.0,
        "estimated_usd": 0.0,
        **shown_counts(counts),
    }
