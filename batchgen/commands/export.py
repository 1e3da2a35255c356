"""Exports the pictures of run folders as a dataset, brought up to date in a folder of its own."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from batchgen.errors import ExitCode, StoppedEarly, UsageError
from batchgen.export.destination import Destination, Spec
from batchgen.export.export_card import columns_of, export_card
from batchgen.export.interface import DAMAGED, ExportCounts, ExportKind, ExportOptions, ExportPace, ExportSample
from batchgen.export.loose_files import write_loose
from batchgen.export.parquet import ParquetPacker, refuse_without_pyarrow
from batchgen.export.shards import write_shards
from batchgen.export.sources import OpenFolders
from batchgen.export.webdataset import WebDatasetPacker
from batchgen.manifest.file_names import elsewhere_problem
from batchgen.store.folder.disk_space import is_full
from batchgen.wording import counted

CARD = "README.md"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to: its folder, what is in it, and what is to be told of it."""

    root: Path
    tally: ExportCounts
    notices: tuple[str, ...]

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.FAILURES if self.tally.left_out[DAMAGED] else ExitCode.OK


def export(
    folders: Sequence[Path],
    options: ExportOptions,
    destination: Path,
    *,
    begin: Callable[[int], None] = lambda _: None,
    listen: Callable[[int], None] = lambda _: None,
) -> Exported:
    """Bring ``destination`` up to date with what is stored in the run ``folders``.

    ``begin`` hears how many rows there are, ``listen`` how many more of them are dealt with. Raises
    :class:`UsageError` for what can't be exported, or not there; :class:`StoppedEarly` if the disk fails, after which
    the same call goes on.
    """
    _refuse(folders, options, destination)
    pace, tally = ExportPace(listen), ExportCounts()
    with OpenFolders(folders, options) as sources:
        begin(sources.rows)
        samples = sources.samples(tally, pace)
        first = next(samples, None)
        if first is None:
            raise UsageError(_nothing(tally, folders))
        with _translated(destination, tally), Destination(destination, _spec(folders, options)) as place:
            columns = columns_of(sources.words, options)
            _write(chain([first], samples), place, options, columns, tally, pace)
            with place.table(CARD) as stream:
                name = (folders[0] if len(folders) == 1 else destination).resolve().name
                stream.write(export_card(name, columns, options, tally, simulated=sources.simulated))
            tally.files += 1
            tally.removed = place.drop_stale()
            place.finish()
        return Exported(destination, tally, tuple(chain(sources.notices, _notices(options, tally))))


def _write(
    samples: Iterable[ExportSample],
    place: Destination,
    options: ExportOptions,
    columns: dict[str, str],
    tally: ExportCounts,
    pace: ExportPace,
) -> None:
    match options.kind:
        case ExportKind.CAPTIONS | ExportKind.IMAGEFOLDER:
            write_loose(samples, place, options, tally, pace)
        case ExportKind.PARQUET:
            write_shards(samples, place, ParquetPacker(columns), options, tally, pace, threads=_THREADS)
        case ExportKind.WEBDATASET:
            write_shards(samples, place, WebDatasetPacker(), options, tally, pace, threads=_THREADS)


# Each packs a shard, and holds a row group of Parquet in memory.
_THREADS = min(4, os.cpu_count() or 1)


def _refuse(folders: Sequence[Path], options: ExportOptions, destination: Path) -> None:
    if problem := elsewhere_problem(str(destination)):
        raise UsageError(f"the destination {problem}")
    for place, folder in enumerate(folders):
        if folder.resolve() in {other.resolve() for other in folders[:place]}:
            raise UsageError(f"{folder}: is named twice, and would be exported twice")
        if destination.resolve().is_relative_to(folder.resolve()):
            raise UsageError(
                f"{destination}: lies in the run folder {folder}, which is batchgen's own; give another one"
            )
    if options.kind is ExportKind.PARQUET:
        refuse_without_pyarrow()


def _spec(folders: Sequence[Path], options: ExportOptions) -> Spec:
    conversion = options.conversion
    said: dict[str, Any] = {
        "--only": {name: list(values) for name, values in options.only.items()},
        "--without": list(options.without.words),
        "--split": dict(options.fractions),
        "--group-by": options.group_by if options.fractions else None,
        "--caption": options.caption.text if options.captioned or options.kind is not ExportKind.PARQUET else None,
        "--format": conversion.format if conversion else None,
        "--size": "x".join(map(str, conversion.size)) if conversion and conversion.size else None,
        "--quality": conversion.quality if conversion else None,
        "--copy": options.copies,
        "--paths": options.paths,
        "--shard-pictures": options.shard_pictures,
        "--shard-mb": options.shard_bytes // 1_000_000,
        "--license": options.license,
    }
    given = {name: value for name, value in said.items() if value not in (None, False, [], {})}
    # A folder's name may be no UTF-8.
    return Spec(options.kind, given, [os.fsencode(folder.resolve()).decode(errors="replace") for folder in folders])


def _nothing(tally: ExportCounts, folders: Sequence[Path]) -> str:
    why = ", ".join(f"{count:,} {reason}" for reason, count in tally.left_out.items())
    where = counted(len(folders), "folder")
    return f"nothing to export from {where}: " + (why or "no picture is stored there")


def _notices(options: ExportOptions, tally: ExportCounts) -> Iterator[str]:
    if options.kind is ExportKind.WEBDATASET and len(tally.formats) > 1:
        yield (
            f"the tars hold {', '.join(sorted(tally.formats))} files; `datasets` and some trainers read sets of one "
            "format only: --format converts them"
        )
    if tally.credentials_lost:
        lost = counted(tally.credentials_lost, "picture")
        yield f"{lost} had Content Credentials (C2PA), which conversion removed"


@contextmanager
def _translated(destination: Path, tally: ExportCounts) -> Iterator[None]:
    """Raise errors of the disk as :class:`StoppedEarly`, with how far the export got."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        done = counted(tally.pictures.total(), "picture")
        why = "the disk is full" if is_full(error) else f"the disk gave an error: {error}"
        raise StoppedEarly(
            f"{destination}: {why} after {done}. What is finished is kept: make room and run the same command again"
        ) from error
