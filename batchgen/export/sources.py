"""The run folders that an export is made from, and their pictures as a stream of samples.

Which requests are exported is decided at one moment. Their rows are read a thousand at a time and no reader stays open
in between: beside a run, a reader of hours would let the ledger's log grow, or, without a log, stop the run.
"""

from __future__ import annotations

import stat
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from batchgen.errors import UsageError, nearest
from batchgen.export.content_credentials import (
    CREDENTIALS_COLUMN,
    DRAWN,
    MADE_BY_MODEL,
    MADE_FROM_PICTURES,
    ORIGINAL_COLUMN,
    SOURCE_COLUMN,
)
from batchgen.export.interface import (
    DAMAGED,
    Caption,
    ExportCounts,
    ExportKind,
    ExportOptions,
    ExportPace,
    ExportSample,
)
from batchgen.export.prompt_splits import split_of
from batchgen.request import State
from batchgen.store.dataset.metadata import MetadataLine, lines_of, listed_words
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.records import Record, Share, Sharing, is_simulated, record_numbers, records_of, word_names
from batchgen.store.ledger.schema import connect_read_only, reading
from batchgen.store.looks.flags import Checks, Flag, read_checks
from batchgen.store.media.sniff import FILMS
from batchgen.store.pictures.original_files import OriginalFiles
from batchgen.wording import counted, shown

_BATCH = 1_000
_ALIKE = Flag.DUPLICATE | Flag.NEAR_DUPLICATE

TEXT_COLUMN = "text"


class _Source:
    """One run folder, as it was at the moment it was opened. Used by one thread."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.folder = RunFolder(root)
        if not self.folder.exists:
            raise UsageError(f"{root}: there is no ledger here; is this a run folder?")
        self.folder.refuse_links()
        self._db = stack.enter_context(closing(connect_read_only(self.folder.ledger)))
        with self._moment():
            self.simulated = is_simulated(self._db)
            self.words = listed_words(self._db)
            self.names = word_names(self._db, (State.STORED,))
            self.numbers: array[int] = record_numbers(self._db, (State.STORED,))
            self.checks: Checks = read_checks(self._db, self.folder)
            self._sharing = Sharing(self._db)
            self.originals = OriginalFiles(self.folder)
            (self.rows,) = self._db.execute(_COUNT).fetchone()

    def records(self) -> Iterator[tuple[Record, Sequence[Share]]]:
        """Return the requests of that moment in the order of the plan, without those that lost their pictures since."""
        for start in range(0, len(self.numbers), _BATCH):
            with self._moment():
                found = records_of(self._db, self.numbers[start : start + _BATCH])
                batch = [(record, self._sharing.of(record)) for record in found]
            yield from batch

    def has(self, key: str) -> bool:
        """Return whether the folder has pictures of the request ``key`` too."""
        with reading(self.folder.ledger):
            return self._db.execute(_HAS, (key,)).fetchone() is not None

    @contextmanager
    def _moment(self) -> Iterator[None]:
        with reading(self.folder.ledger):
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("ROLLBACK")


_COUNT = """
SELECT count(*) FROM names n JOIN requests r ON r.id = n.request_id
WHERE n.state IN ('wanted', 'made') AND r.state = 'stored' AND r.retired_ms IS NULL
"""
_HAS = "SELECT 1 FROM requests WHERE key = ? AND take = 1 AND state = 'stored' AND retired_ms IS NULL"


@dataclass(slots=True)
class _Alike:
    """Pictures of one folder that are the same or nearly so, as groups of which one picture is exported."""

    checks: Checks
    without: Flag
    _heads: dict[str, str] = field(default_factory=dict)
    _chosen: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for file, twin in self.checks.twins.items():
            if self.checks.of(file) & self.without & _ALIKE:
                self._heads[self._head(file)] = self._head(twin)

    def is_chosen(self, file: str) -> bool:
        """Return whether the picture is exported: the first of its group is, with all its rows."""
        if not self.checks.of(file) & self.without & _ALIKE:
            return True
        return self._chosen.setdefault(self._head(file), file) == file

    def _head(self, file: str) -> str:
        while (above := self._heads.get(file, file)) != file:
            self._heads[file] = self._heads.get(above, above)
            file = above
        return file


class OpenFolders:
    """Run folders that are exported together, open for reading. Raises :class:`UsageError` if they can't be."""

    def __init__(self, roots: Sequence[Path], options: ExportOptions) -> None:
        self._options = options
        with ExitStack() as stack:
            self._sources = [_Source(root, stack) for root in roots]
            self._refuse()
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def rows(self) -> int:
        """Return how many pictures there are before any of them is left out."""
        return sum(source.rows for source in self._sources)

    @property
    def simulated(self) -> bool:
        return self._sources[0].simulated

    @property
    def words(self) -> tuple[str, ...]:
        """Return the names of the words in a line, of all folders."""
        return tuple(dict.fromkeys(word for source in self._sources for word in source.words))

    @property
    def notices(self) -> Iterator[str]:
        """Return what is to be said before an export that leaves pictures out by their flags."""
        for source in self._sources:
            if self._options.without and source.checks.unseen:
                unseen = counted(source.checks.unseen, "picture was", "pictures were")
                root = source.folder.root
                yield f"{root}: {unseen} not looked at yet, so some flags are missing: batchgen report {root}"

    def samples(self, tally: ExportCounts, pace: ExportPace) -> Iterator[ExportSample]:
        """Return what is exported, in the order of the folders and their plans; what is not is counted in ``tally``."""
        words = self.words
        for place, source in enumerate(self._sources):
            alike = _Alike(source.checks, self._options.without)
            for record, shares in source.records():
                # The same request may be stored in several folders, as one that reused another's pictures.
                again = sum(other.has(record.key) for other in self._sources[:place])
                for line in lines_of(record, shares, words, simulated=source.simulated, flags=source.checks):
                    try:
                        yield self._sample(source, line, alike, again)
                    except _LeftOut as left:
                        tally.leave_out(left.why, left.problem)
                        pace.step()

    def _sample(self, source: _Source, line: MetadataLine, alike: _Alike, again: int) -> ExportSample:
        """Return one line as a sample. Raise :class:`_LeftOut` if it is not exported."""
        options, picture = self._options, line.picture
        if any(_value(line, name) not in values for name, values in options.only.items()):
            raise _LeftOut("not asked for")
        if picture.format in FILMS and options.kind in _PICTURES_ONLY:
            raise _LeftOut("films")
        if found := source.checks.of(picture.file) & options.without & ~_ALIKE:
            raise _LeftOut(", ".join(found.words))
        path = source.folder.original(picture.original)
        problem = _lacking(path, picture.bytes)
        # What waits on this disk for its bucket is read here.
        is_away = problem is not None and source.originals.address is not None
        if problem and not is_away:
            raise _LeftOut(DAMAGED, f"{path}: {problem}")
        # Behind all other reasons: of pictures that are alike one is chosen among those that can be exported.
        if not alike.is_chosen(picture.file):
            raise _LeftOut(", ".join((source.checks.of(picture.file) & options.without).words))
        name = f"{line.asked.key}-{picture.ordinal}" + (f"-{line.place + 1}" if line.place else "")
        return ExportSample(
            name=name + (f"-f{again + 1}" if again else ""),
            path=path,
            picture=picture,
            line=self._columns(line, simulated=source.simulated),
            caption=_caption(options.caption, line),
            originals=source.originals if is_away else None,
            split=split_of(_value(line, options.group_by) or line.asked.key, options.fractions),
        )

    def _columns(self, line: MetadataLine, *, simulated: bool) -> dict[str, object]:
        fields = {name: value for name, value in line.fields.items() if name != "file_name"}
        made = MADE_FROM_PICTURES if "inputs" in line.asked.parameters else MADE_BY_MODEL
        fields[SOURCE_COLUMN] = DRAWN if simulated else made
        if self._options.captioned:
            fields[TEXT_COLUMN] = _caption(self._options.caption, line)
        return fields

    def _refuse(self) -> None:
        """Raise :class:`UsageError` for what the folders don't have, or must not have together."""
        away = next((one for source in self._sources if (one := source.originals.address)), None)
        if self._options.paths and away:
            raise UsageError(f"--paths names files on this disk, and the pictures rest in {away}; leave it out")
        held = {source.simulated: source.folder.root for source in self._sources if source.rows}
        if len(held) > 1:
            raise UsageError(
                f"{held[True]} holds simulated pictures and {held[False]} real ones; the two are never mixed: export "
                "each into a destination of its own"
            )
        known = {name for source in self._sources for name in source.names} | {*_OWN_NAMES}
        asked = {
            "--only": self._options.only,
            "--group-by": (self._options.group_by,) if self._options.fractions else (),
            "--caption": self._options.caption.names,
        }
        for option, names in asked.items():
            for name in names:
                if name not in known and name != "prompt":
                    hint = nearest(name, known)
                    raise UsageError(
                        f"{option}: no picture has {shown(name)}"
                        + (f" ({hint})" if hint else f"; there are {_list(known)}")
                    )
        taken = {
            SOURCE_COLUMN,
            CREDENTIALS_COLUMN,
            ORIGINAL_COLUMN,
            *([TEXT_COLUMN] if self._options.captioned else []),
        }
        if clash := taken & {*self.words}:
            raise UsageError(
                f"your column {shown(min(clash))} has the name of a column that the export adds; rename it in the "
                "manifest, which buys nothing again"
            )


_OWN_NAMES = ("prompt", "model", "provider", "key", "row", "repeat", "format", "width", "height")
_PICTURES_ONLY = frozenset({ExportKind.IMAGEFOLDER, ExportKind.PARQUET})


class _LeftOut(Exception):
    """A line that is not exported: ``why`` in the words of the summary, and the ``problem`` if something is wrong."""

    def __init__(self, why: str, problem: str | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.problem = problem


def _value(line: MetadataLine, name: str) -> str | None:
    """Return what a line has under ``name``: the title of an axis before the text that the title stands for."""
    found = line.asked.axes.get(name) or line.fields.get(name)
    return None if found is None else str(found)


def _caption(caption: Caption, line: MetadataLine) -> str:
    """Return the caption in one line: trainers read no further than the first."""
    values = {name: str(value) for name in caption.names if (value := line.fields.get(name)) is not None}
    return " ".join(caption.render(defaultdict(str, values)).split())


def _lacking(path: Path, size: int) -> str | None:
    """Return what is wrong with the file of a picture, without reading it."""
    try:
        found = path.stat(follow_symlinks=False)
    except OSError as error:
        return error.strerror
    if not stat.S_ISREG(found.st_mode):
        return "is no plain file"
    return None if found.st_size == size else f"{counted(found.st_size, 'byte')}, {size:,} were stored"


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(shown, sorted(names)))
