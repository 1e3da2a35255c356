"""What the parts of an export say to each other: what is asked for, one sample of it, and what became of the whole."""

from __future__ import annotations

import enum
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from batchgen.export.content_credentials import CREDENTIALS_COLUMN, SIGNED
from batchgen.store.ledger.records import RecordedPicture
from batchgen.store.looks.flags import NONE, Flag
from batchgen.store.pictures.original_files import OriginalFiles


class ExportKind(enum.StrEnum):
    """The forms a dataset is exported in."""

    CAPTIONS = "captions"
    IMAGEFOLDER = "imagefolder"
    PARQUET = "parquet"
    WEBDATASET = "webdataset"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What pictures become that are not exported as they are: a ``format``, at most so large, or both."""

    format: str | None = None
    size: tuple[int, int] | None = None
    quality: int = 95


@dataclass(frozen=True, slots=True)
class Caption:
    """The text that goes with a picture: the template as its user wrote it, its names, and what fills it."""

    text: str
    names: tuple[str, ...]
    render: Callable[[Mapping[str, str]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What is exported, and how. ``fractions`` are the parts of the prompts that further splits get, by name.

    ``only`` has the values that a column may have; ``without`` the flags that keep a picture out.
    """

    kind: ExportKind
    caption: Caption
    captioned: bool = False
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    without: Flag = NONE
    fractions: Mapping[str, float] = field(default_factory=dict)
    group_by: str = "prompt"
    conversion: Conversion | None = None
    copies: bool = False
    paths: bool = False
    shard_pictures: int = 10_000
    shard_bytes: int = 1_000_000_000
    license: str | None = None


class ExportSample(msgspec.Struct, frozen=True, gc=False):
    """One picture under one of its rows. ``name`` is unique in an export and has no dot; ``path`` is the original's.

    ``line`` has the columns of the row as ``metadata.jsonl`` has them, without a file's name. The bytes of a picture
    that rests in a bucket are read from ``originals``.
    """

    name: str
    path: Path
    picture: RecordedPicture
    line: Mapping[str, object]
    caption: str
    split: str
    originals: OriginalFiles | None = None

    @property
    def extension(self) -> str:
        return self.path.suffix[1:]


class Unusable(Exception):
    """A picture that can't be exported; the message says why."""


@dataclass(slots=True)
class ExportCounts:
    """What became of an export. ``left_out`` counts pictures by why they are not in it; ``problems`` names some.

    ``written`` and ``removed`` are files of this call, ``kept`` those that were there already.
    """

    pictures: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    files: int = 0
    written: int = 0
    kept: int = 0
    removed: int = 0
    credentials: int = 0
    credentials_lost: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    MOST_PROBLEMS = 20

    def count(self, split: str, form: str, size: int, columns: Mapping[str, object]) -> None:
        """Count a picture that is exported, with the ``columns`` that say where its bytes come from."""
        self.pictures[split] += 1
        self.formats[form] += 1
        self.bytes += size
        signed = columns[CREDENTIALS_COLUMN]
        self.credentials += signed is not None
        self.credentials_lost += signed is not None and signed != SIGNED

    def leave_out(self, why: str, problem: str | None = None) -> None:
        """Count a picture that is not exported; ``problem`` says which one and what is wrong with it."""
        self.left_out[why] += 1
        if problem is not None and len(self.problems) < self.MOST_PROBLEMS:
            self.problems.append(problem)


# Why a picture is left out against its user's wish.
DAMAGED = "missing or altered"


class ExportPace:
    """How many rows are dealt with; heard by ``listen`` from several threads, one at a time.

    ``stopped`` is set when the export is given up: whoever packs for long looks at it between pictures.
    """

    def __init__(self, listen: Callable[[int], None]) -> None:
        self._listen = listen
        self._lock = threading.Lock()
        self.stopped = threading.Event()

    def step(self, rows: int = 1) -> None:
        """Tell that so many more ``rows`` are dealt with."""
        with self._lock:
            self._listen(rows)
