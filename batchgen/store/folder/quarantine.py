"""Renames files that only a lost ledger could make sense of, so that nothing takes them for its successor's."""

from __future__ import annotations

from pathlib import Path

from batchgen.store.folder.run_folder import RunFolder

OF_THE_LOST = ".of-the-lost-ledger"


def set_aside_bodies(folder: RunFolder) -> list[Path]:
    """The spooled answers that a lost ledger leaves, where no attempt of a new one can be taken for theirs.

    The numbers in their names were the lost ledger's; a new one counts from 1 again.
    """
    if folder.ledger.is_file() and folder.ledger.stat().st_size:
        return []
    old = [path for path in folder.spool.iterdir() if path.suffix in {".body", ".unbilled"}]
    kept = [_set_aside(path) for path in old]
    return [path for path in kept if ".body" in path.suffixes]


def set_aside_logs(ledger: Path) -> None:
    """Keeps the logs of the lost ledger from being played into the new one."""
    for suffix in ("-wal", "-shm", "-journal"):
        log = Path(f"{ledger}{suffix}")
        if log.exists():
            _set_aside(log)


def _set_aside(path: Path) -> Path:
    return path.replace(path.with_name(f"{path.name}{OF_THE_LOST}"))
