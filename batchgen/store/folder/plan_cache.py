"""What a plan asked to be kept for the next one, in the run folder: a file that can be lost without loss."""

from __future__ import annotations

from contextlib import suppress

from batchgen.store.folder.atomic import replacing
from batchgen.store.folder.run_folder import RunFolder

# That of a plan of twenty millions, which is the largest there is.
_LARGEST_BYTES = 300 << 20


def memo_in(folder: RunFolder) -> bytes | None:
    """Return the memo of an earlier plan, if there is one."""
    try:
        if folder.memo.stat().st_size > _LARGEST_BYTES:
            return None
        return folder.memo.read_bytes()
    except OSError:
        return None


def keep_memo(folder: RunFolder, memo: bytes | None) -> None:
    """Write ``memo``, if there is one, over an earlier one; a failure of the disk is not reported."""
    if memo is None:
        return
    with suppress(OSError), replacing(folder.memo) as stream:
        stream.write(memo)
