"""Run folders that are read together: several parts of one plan, and which parts are not among them."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from batchgen.commands.job import run_folder_at
from batchgen.errors import UsageError
from batchgen.store.folder.joined_folder import JoinedFolder, prefixes
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.joined_ledger import join_ledgers
from batchgen.store.ledger.made_by import shard_in
from batchgen.store.ledger.schema import connect_read_only, reading
from batchgen.wording import counted

# So many missing shards are named one by one.
_NAMED = 8


def run_folders(paths: Sequence[Path]) -> tuple[RunFolder, ...]:
    """Return the run folders at ``paths``. Raise :class:`UsageError` for one that is none, or is named twice."""
    folders = tuple(run_folder_at(path) for path in paths)
    for place, path in enumerate(paths):
        if path.resolve() in {other.resolve() for other in paths[:place]}:
            raise UsageError(f"{path}: is named twice, and would be counted twice")
    return folders


@contextmanager
def read_together(paths: Sequence[Path], into: Path | None = None) -> Iterator[RunFolder]:
    """Open the run folders at ``paths`` as one; what is made of them goes ``into`` another folder.

    One folder is itself. Raise :class:`UsageError` as :func:`run_folders`, and :class:`LedgerDamaged`.
    """
    folders = run_folders(paths)
    if len(folders) == 1:
        yield folders[0]
        return
    if into is not None and RunFolder(into).state.is_dir():
        raise UsageError(f"{into}: is a run folder; what is made of several goes into a folder of its own")
    root = into or Path()
    with tempfile.TemporaryDirectory(prefix="batchgen-") as place:
        ledger = Path(place) / "ledger.db"
        ledgers = (folder.ledger for folder in folders)
        join_ledgers(dict(zip(prefixes(root, folders), ledgers, strict=True)), ledger)
        yield JoinedFolder(root, folders, ledger)


def missing_shards(folders: Sequence[RunFolder]) -> tuple[str, ...]:
    """Return a sentence for each number of shards of which some are not among ``folders``, or twice."""
    counts: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for folder in folders:
        with closing(connect_read_only(folder.ledger)) as db, reading(folder.ledger):
            shard = shard_in(db)
        index, _, count = shard.partition("/")
        if index.isdecimal() and count.isdecimal():
            counts[int(count)][int(index)] += 1
    return tuple(line for count, found in sorted(counts.items()) for line in _told(count, found))


def _told(count: int, found: Counter[int]) -> Iterator[str]:
    missing = [f"{index}/{count}" for index in range(count) if index not in found]
    if missing:
        more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
        verb = "is" if len(missing) == 1 else "are"
        yield f"{counted(len(missing), 'shard')} of {count:,} {verb} missing here: {', '.join(missing[:_NAMED])}{more}"
    twice = [f"{index}/{count}" for index, times in sorted(found.items()) if times > 1]
    if twice:
        verb = "is" if len(twice) == 1 else "are"
        yield f"{', '.join(twice[:_NAMED])} {verb} here in more than one folder; equal requests count once"
