"""The names of a run whose pictures rest in a bucket: the ledger's alone, since a bucket has no links."""

from __future__ import annotations

from collections.abc import Iterable

from batchgen.store.folder.view import Name, Settled, View


class LedgerNames(View):
    """The names of one run folder that has none on disk; an export gives them to copies of the pictures."""

    def settle(self, names: Iterable[Name]) -> Settled:
        """Return the names as settled, without a look at the disk."""
        wanted = list(names)
        return Settled(
            made=[(name.file, name.original, 0) for name in wanted if name.original is not None],
            removed=[name.file for name in wanted if name.original is None],
        )
