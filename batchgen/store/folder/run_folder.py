"""The run folder: the home of everything of one run, and the check that it can be written before money is spent."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchgen.errors import FolderMismatch, LedgerDamaged, NotWritable
from batchgen.store.folder.arriving_answers import take_over
from batchgen.store.folder.atomic import make_folder, publish, sync_folder, write_synced
from batchgen.store.folder.lock import locked


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run folder. Making one touches nothing; :meth:`opened` creates and locks it."""

    root: Path

    @property
    def name(self) -> str:
        """What pages and summaries call the folder."""
        return self.root.resolve().name

    @property
    def parts(self) -> tuple[tuple[str, RunFolder], ...]:
        """The folders whose pictures these are, each after what leads from here to it: several, if read together."""
        return (("", self),)

    @property
    def state(self) -> Path:
        return self.root / ".batchgen"

    @property
    def ledger(self) -> Path:
        return self.state / "ledger.db"

    @property
    def lock(self) -> Path:
        return self.state / "lock"

    @property
    def answers(self) -> Path:
        return self.state / "answers"

    # Asked for several times for each picture.
    @functools.cached_property
    def pictures(self) -> Path:
        return self.state / "pictures"

    @property
    def simulator(self) -> Path:
        return self.state / "simulator"

    @property
    def memo(self) -> Path:
        return self.state / "plan"

    @property
    def control(self) -> Path:
        return self.state / "control.jsonl"

    @property
    def progress(self) -> Path:
        return self.state / "progress.json"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def inputs(self) -> Path:
        return self.root / "inputs"

    @property
    def exists(self) -> bool:
        """Return whether a run has been here before."""
        return self.ledger.is_file()

    def original(self, name: str) -> Path:
        """Return the path of a picture that the ledger calls ``name``, such as ``9f/9f3c…-1.png``.

        Raises :class:`LedgerDamaged` for what is no such name: a ledger may be a stranger's.
        """
        if not _ORIGINAL.fullmatch(name):
            raise LedgerDamaged(f"{self.ledger}: it calls a picture {name!r}, which is no key. Nothing was touched")
        return self.pictures / name

    def answer(self, name: str) -> Path:
        """Return the path of an answer that the ledger calls ``name``. Raises :class:`LedgerDamaged` as above."""
        if not _ANSWER.fullmatch(name):
            raise LedgerDamaged(f"{self.ledger}: it calls an answer {name!r}, which is no key. Nothing was touched")
        return self.answers / name

    def refuse_links(self) -> None:
        """Raise :class:`FolderMismatch` if a link stands where a file or folder of ours belongs."""
        places = (self.state, self.images, self.inputs, self.pictures, self.answers)
        ours = (*places, self.ledger, self.lock, self.memo, self.control, self.progress)
        lists = (self.root / name for name in ("metadata.jsonl", "failures.jsonl", "summary.json", "compare"))
        # What lies in the shards is looked at if the ledger is not in step with it.
        below = (path for place in (self.pictures, self.answers) for path in _entries(place))
        for path in (*ours, *lists, *below):
            if path.is_symlink():
                raise FolderMismatch(
                    f"{path}: a link stands where a file or folder of batchgen belongs. Nothing was sent. Put what it "
                    "leads to in its place, or use another run folder: --out"
                )

    @contextlib.contextmanager
    def opened(self, *, force_unlock: str | None = None) -> Iterator[None]:
        """Hold the folder against other runs: made if it is missing, and proven writable.

        A folder that was made for a block which fails before anything is put into the folder is removed again.
        ``force_unlock`` names a dead machine whose claim on the folder counts no more.

        Raises :class:`FolderMismatch` if the path is no folder, :class:`NotWritable` if the disk takes nothing, and
        :class:`FolderInUse` if another run holds the folder.
        """
        missing = [place for place in (self.root, *self.root.parents) if not place.exists()]
        with contextlib.ExitStack() as stack:
            with _translated(self.root):
                self.refuse_links()
                self._make()
                stack.enter_context(locked(self.lock, force_unlock=force_unlock))
                stack.push(lambda kind, *_: self._remove_again(missing) if kind else None)
                for place in (self.images, self.answers):
                    _probe(place)
                self._remove_leftovers()
            yield

    def _make(self) -> None:
        make_folder(self.images, Path(self.root.anchor))
        make_folder(self.state, self.root, mode=0o750)
        make_folder(self.pictures, self.root, mode=0o750)
        make_folder(self.answers, self.root, mode=0o700)

    def _remove_again(self, missing: Sequence[Path]) -> None:
        """Remove the folders that were ``missing`` before, while nothing but the lock, which we hold, is in them."""
        found = {path for path in self.root.rglob("*") if not path.is_dir()}
        if self.root not in missing or found != {self.lock}:
            return
        with contextlib.suppress(OSError):
            self.lock.unlink()
            for place in (self.answers, self.pictures, self.state, self.images, *missing):
                place.rmdir()

    def _remove_leftovers(self) -> None:
        # A process that died between writing and publishing leaves temporary names; nothing refers to them.
        for leftover in (
            *self.images.rglob(".*.part"),
            *self.pictures.rglob(".*.part"),
            *self.answers.glob(".*.part"),
            *self.inputs.glob(".*.part"),
            *self.root.glob(".*.part"),
            *self.state.glob(".*.part"),
        ):
            leftover.unlink(missing_ok=True)
        take_over(self.answers)


# The first two digits of a key, the key, the number of the picture, and what its bytes are.
_ORIGINAL = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{30}-[1-9][0-9]{0,5}\.[a-z0-9]{2,5}")
_ANSWER = re.compile(r"[0-9a-f]{32}-[1-9][0-9]{0,18}\.body")


def _entries(place: Path) -> Iterable[Path]:
    return place.iterdir() if place.is_dir() and not place.is_symlink() else ()


def _probe(place: Path) -> None:
    """Publish a file and remove it, so that a disk that can't do so is found before any money is spent."""
    name = place / f".probe-{secrets.token_hex(4)}.part"
    content = b"batchgen"
    temporary = write_synced(place, content, mode=0o600)
    try:
        publish(temporary, name, sha256=hashlib.sha256(content).hexdigest())
        sync_folder(place)
    finally:
        temporary.unlink(missing_ok=True)
        name.unlink(missing_ok=True)


@contextlib.contextmanager
def _translated(root: Path) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise FolderMismatch(f"{root}: can't be used as a run folder: {_reason(error)}") from error
    except OSError as error:
        raise NotWritable(f"{root}: can't be written: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno and error.errno != errno.EPERM else str(error)
