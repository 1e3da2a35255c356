"""The folder that an export goes to, and its memory of which files are finished: an export is brought up to date.

Every file has a fingerprint of what it is made from. One that is there under the same fingerprint is left alone; so an
export that was killed goes on, and one whose run has grown gets what is new. A file is written beside, synced and named
in one step; its name is remembered before, so that none of ours is ever taken for a stranger's, nor a stranger's for
ours.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import msgspec

from batchgen.encoding import json_text
from batchgen.errors import UsageError
from batchgen.store.folder.atomic import make_folder, sha256_of, sync_folder
from batchgen.store.folder.lock import locked
from batchgen.wording import counted

STATE = ".batchgen-export"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- `fingerprint` is NULL while a file is being written; `round` is the last export that wanted it.
CREATE TABLE IF NOT EXISTS files (
    file TEXT PRIMARY KEY, fingerprint TEXT, bytes INTEGER, facts TEXT, round INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""


class Done(NamedTuple):
    """A finished file: its fingerprint, its size, and what is to be known of it without reading it again."""

    file: str
    fingerprint: str
    bytes: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Spec:
    """What makes two exports the same one: the kind, the options as typed, and the folders they are made from."""

    kind: str
    options: Mapping[str, Any]
    folders: Sequence[str]


class Destination:
    """The folder of one export, held against others. Used by one thread, but for :meth:`put` and :meth:`path`.

    Raises :class:`UsageError` if the folder is not empty and holds no export, or another one.
    """

    def __init__(self, root: Path, spec: Spec) -> None:
        self.root = root
        self.state = root / STATE
        self._stack = ExitStack()
        try:
            self._open(spec)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def path(self, file: str) -> Path:
        return self.root / file

    def claim(self, wanted: Mapping[str, str]) -> dict[str, Done]:
        """Return those of the ``wanted`` files that are finished, by name; the others are to be written now.

        ``wanted`` has the fingerprint of each. Raises :class:`UsageError` if a file that is not ours has such a name.
        """
        names = json_text(list(wanted))
        rows = self._db.execute(
            "SELECT file, fingerprint, bytes, facts FROM json_each(?) w JOIN files f ON f.file = w.value", (names,)
        ).fetchall()
        known = {file: (fingerprint, size, facts) for file, fingerprint, size, facts in rows}
        done: dict[str, Done] = {}
        for file, fingerprint in wanted.items():
            there = _size(self.path(file))
            if file not in known:
                if there is not None:
                    raise UsageError(f"{self.path(file)}: a file that no export made stands where one belongs; move it")
                continue
            recorded, size, facts = known[file]
            if recorded == fingerprint and there == size:
                done[file] = Done(file, fingerprint, size, msgspec.json.decode(facts))
        open_again = [file for file in wanted if file not in done]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("UPDATE files SET round = ? WHERE file = ?", [(self._round, file) for file in done])
        self._db.executemany(
            "INSERT OR REPLACE INTO files (file, round) VALUES (?, ?)", [(file, self._round) for file in open_again]
        )
        self._db.execute("COMMIT")
        return done

    def record(self, finished: Iterable[Done]) -> None:
        """Remember files whose bytes and names are durable."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(
            "UPDATE files SET fingerprint = ?, bytes = ?, facts = ? WHERE file = ?",
            [(done.fingerprint, done.bytes, json_text(done.facts), done.file) for done in finished],
        )
        self._db.execute("COMMIT")

    def forget(self, files: Iterable[str]) -> None:
        """Have files that could not be written taken away at the end, with what earlier exports wrote under them."""
        self._db.executemany("UPDATE files SET round = -1 WHERE file = ?", [(file,) for file in files])

    @contextlib.contextmanager
    def writing(self, file: str) -> Iterator[BinaryIO]:
        """Open a new file that is durable and gets its name once the block ends well; for any thread.

        The folder of the name is still to be synced.
        """
        temporary = self.state / f"{secrets.token_hex(8)}.part"
        target = self.path(file)
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        try:
            with os.fdopen(handle, "w+b", buffering=1 << 20) as stream:
                yield stream
                stream.flush()
                os.fsync(handle)
            self.make(target.parent)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    @contextlib.contextmanager
    def table(self, file: str) -> Iterator[BinaryIO]:
        """Open a file whose fingerprint is that of its bytes; the one that is there stays if it has the same."""
        temporary = self.state / f"{secrets.token_hex(8)}.part"
        try:
            with temporary.open("xb", buffering=1 << 20) as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            digest = sha256_of(temporary)
            if file not in self.claim({file: digest}):
                target = self.path(file)
                self.make(target.parent)
                size = temporary.stat().st_size
                temporary.replace(target)
                self.sync([file])
                self.record([Done(file, digest, size, {})])
        finally:
            temporary.unlink(missing_ok=True)

    def make(self, folder: Path) -> None:
        """Make a folder below the destination, durable; for any thread."""
        make_folder(folder, self.root)

    def sync(self, files: Iterable[str]) -> None:
        """Make the names of ``files`` durable."""
        for folder in {self.path(file).parent for file in files}:
            sync_folder(folder)

    def drop_stale(self) -> int:
        """Take away the files of earlier exports that this one does not want, and return how many there were."""
        stale = [
            file
            for (file,) in self._db.execute("SELECT file FROM files WHERE round <> ? ORDER BY file", (self._round,))
        ]
        for file in stale:
            path = self._own(file)
            path.unlink(missing_ok=True)
            level = path.parent
            while level != self.root:
                try:
                    level.rmdir()
                except OSError:
                    break
                level = level.parent
        self._db.execute("DELETE FROM files WHERE round <> ?", (self._round,))
        return len(stale)

    def _own(self, file: str) -> Path:
        """Return the path of a file to be taken away; the list may be a stranger's, and so may links below it.

        Raises :class:`UsageError` for what an export makes no file of.
        """
        path = self.path(file)
        if not _FILE.fullmatch(file) or any(level.is_symlink() for level in path.parents if level != self.root):
            raise UsageError(
                f"{self.state}: its list of files names {file!r}, which no export makes. Nothing was touched"
            )
        return path

    def finish(self) -> None:
        """Remember that the export is whole."""
        self._say("whole", "1")

    def _open(self, spec: Spec) -> None:
        if self.root.exists() and not self.root.is_dir():
            raise UsageError(f"{self.root}: is no folder")
        if not self.state.is_dir() and self.root.is_dir() and any(self.root.iterdir()):
            raise UsageError(f"{self.root}: is not empty, and holds no export; give an empty or a new folder")
        if self.state.is_symlink():
            raise UsageError(f"{self.state}: a link stands where a folder of batchgen belongs")
        make_folder(self.state, Path(self.root.absolute().anchor))
        self._stack.enter_context(locked(self.state / "lock"))
        self._db = self._stack.enter_context(closing(sqlite3.connect(self.state / "files.db", isolation_level=None)))
        try:
            self._db.executescript(_SCHEMA)
            self._match(spec)
        except sqlite3.DatabaseError as error:
            raise UsageError(
                f"{self.state}: its list of files can't be read ({error}); export into a new folder"
            ) from error
        self._remove_leftovers()
        self._say("whole", "0")

    def _match(self, spec: Spec) -> None:
        """Raise :class:`UsageError` if another export is here; begin a new round of this one."""
        facts = dict(self._db.execute("SELECT name, value FROM facts"))
        self._was_whole = facts.get("whole") == "1"
        if "kind" in facts:
            if facts["kind"] != spec.kind:
                raise UsageError(
                    f"{self.root}: holds an export as {facts['kind']}; give another folder for {spec.kind}"
                )
            if facts["options"] != json_text(spec.options):
                raise UsageError(
                    f"{self.root}: was exported with other options ({_told(facts['options'])}); use those, or another "
                    "folder"
                )
            gone = [one for one in msgspec.json.decode(facts["folders"]) if one not in spec.folders]
            if gone:
                raise UsageError(
                    f"{self.root}: was made from {counted(len(gone), 'folder')} more, such as {gone[0]}; name all of "
                    "them, or give another destination"
                )
        self._round = int(facts.get("round", 0)) + 1
        for name, value in {
            "kind": spec.kind,
            "options": json_text(spec.options),
            "folders": json_text(spec.folders),
            "round": str(self._round),
        }.items():
            self._say(name, value)

    def _say(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _remove_leftovers(self) -> None:
        """Remove what a process left that died between writing and naming; nothing refers to it."""
        for leftover in self.state.glob("*.part"):
            leftover.unlink(missing_ok=True)
        if not self._was_whole:
            for leftover in self.root.rglob(".*.part"):
                leftover.unlink(missing_ok=True)


# Names of files and folders that exports make: none is hidden, none leads upward.
_FILE = re.compile(r"[A-Za-z0-9][\w-]*(/[A-Za-z0-9][\w-]*)*\.[a-z0-9]+", re.ASCII)


def _size(path: Path) -> int | None:
    try:
        return path.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return None


def _told(options: str) -> str:
    said = [f"{name} {value}" for name, value in msgspec.json.decode(options).items()]
    return ", ".join(said) or "none"
