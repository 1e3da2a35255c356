"""Answers at rest: paid bodies, whole, until their pictures are published, and notes of attempts that cost nothing."""

from __future__ import annotations

from pathlib import Path

from batchgen.store.folder.arriving_answers import viewed
from batchgen.store.folder.atomic import write_synced
from batchgen.store.folder.run_folder import RunFolder

# Answers up to this size are kept in the ledger itself; larger ones get a file.
LARGEST_ROW_BYTES = 64 * 1024


def write_answer(folder: RunFolder, key: str, attempt_id: int, body: bytes) -> Path:
    """Write the body of an answer to a durable file; return its path. For a thread, not for the event loop."""
    target = folder.answers / f"{key}-{attempt_id}.body"
    write_synced(folder.answers, body, mode=0o600).replace(target)
    return target


def kept_answers(folder: RunFolder) -> dict[tuple[str, int], Path]:
    """Return the bodies below ``answers/``, by key and attempt."""
    return _noted(folder, ".body")


def read_kept(path: Path) -> bytes | memoryview | None:
    """Return the answer at ``path``, a large one as a view of its file; ``None`` if there is no plain file."""
    if not path.is_file() or path.is_symlink():
        return None
    with path.open("rb") as file:
        size = path.stat().st_size
        return viewed(file.fileno(), size) if size > LARGEST_ROW_BYTES else file.read()


def mark_unbilled(folder: RunFolder, key: str, attempt_id: int) -> None:
    """Note beside the ledger that an attempt was surely not billed. For a thread, not for the event loop."""
    # An empty file: there is room for its name if there is none for anything else.
    (folder.answers / f"{key}-{attempt_id}.unbilled").touch(mode=0o600)


def unbilled(folder: RunFolder) -> dict[tuple[str, int], Path]:
    """Return the notes of attempts that were surely not billed, by key and attempt."""
    return _noted(folder, ".unbilled")


def _noted(folder: RunFolder, suffix: str) -> dict[tuple[str, int], Path]:
    found = {}
    for path in folder.answers.glob(f"*{suffix}"):
        key, _, attempt = path.stem.rpartition("-")
        if key and attempt.isdecimal():
            found[key, int(attempt)] = path
    return found
