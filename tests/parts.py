"""A run folder divided into those of its shards, with the same content: what is read together is tested on them."""

import shutil
import sqlite3
from contextlib import closing

from batchgen.encoding import json_text
from batchgen.manifest import Shard, folder_beside
from batchgen.request import number_of
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.made_by import made_by

_LEFT_OUT = "(SELECT id FROM requests WHERE key IN (SELECT value FROM json_each(?)))"


def divided(folder, count):
    """Return the folders of ``count`` shards, which stand beside ``folder`` and hold together what it holds."""
    return [_part(folder, Shard(index, count)) for index in range(count)]


def _part(folder, shard):
    part = RunFolder(folder_beside(folder.root, shard))
    shutil.copytree(folder.root, part.root)
    with closing(sqlite3.connect(part.ledger, isolation_level=None)) as db:
        keys = [key for (key,) in db.execute("SELECT key FROM requests")]
        others = json_text([key for key in keys if not shard.has(number_of(key))])
        for (file,) in db.execute(f"SELECT file FROM names WHERE request_id IN {_LEFT_OUT}", (others,)):
            (part.root / file).unlink(missing_ok=True)
        for (original,) in db.execute(f"SELECT original FROM pictures WHERE request_id IN {_LEFT_OUT}", (others,)):
            part.original(original).unlink(missing_ok=True)
        db.execute("PRAGMA foreign_keys = OFF")
        for table in ("attempts", "pictures", "names"):
            db.execute(f"DELETE FROM {table} WHERE request_id IN {_LEFT_OUT}", (others,))
        db.execute("DELETE FROM shares WHERE key IN (SELECT value FROM json_each(?))", (others,))
        db.execute("DELETE FROM requests WHERE key IN (SELECT value FROM json_each(?))", (others,))
        for run, planned, estimate in db.execute("SELECT id, planned, estimate_microusd FROM runs").fetchall():
            share = (shard.part_of(planned), shard.part_of(estimate), run)
            db.execute("UPDATE runs SET planned = ?, estimate_microusd = ? WHERE id = ?", share)
        owner = made_by(folder.root / "job.yaml", part.root, shard=str(shard))
        db.execute("INSERT OR REPLACE INTO facts VALUES ('manifest', ?)", (json_text(owner),))
    return part
