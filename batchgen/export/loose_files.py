"""Exports of one file per picture: `imagefolder`, and `captions` with a text beside each picture.

Pictures are linked if the file system can: a million of them take no room and no time to copy. Captions lie flat, since
trainers (kohya's sd-scripts) look into no folder below the one they are given.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import BinaryIO

import msgspec

from batchgen.encoding import json_text
from batchgen.export.contents import extension_of, is_converted, read_content, untouched_columns
from batchgen.export.destination import Destination, Done
from batchgen.export.interface import (
    DAMAGED,
    ExportCounts,
    ExportKind,
    ExportOptions,
    ExportPace,
    ExportSample,
    Unusable,
)
from batchgen.store.folder.view import Links

_BATCH = 1_000
# Syncs and copies wait for the disk, not for a processor.
_THREADS = 8


def write_loose(
    samples: Iterable[ExportSample],
    destination: Destination,
    options: ExportOptions,
    tally: ExportCounts,
    pace: ExportPace,
) -> None:
    """Write every sample as a file of its own, with one ``metadata.jsonl`` for each split."""
    writer = _Writer(destination, options)
    rest = iter(samples)
    with ThreadPoolExecutor(_THREADS) as pool, ExitStack() as stack:
        tables: dict[str, BinaryIO] = {}
        while batch := list(islice(rest, _BATCH)):
            lines: dict[str, list[Mapping[str, object]]] = {}
            for split, line in writer.write(batch, pool, tally):
                lines.setdefault(split, []).append(line)
            for split, some in lines.items():
                if split not in tables:
                    tables[split] = stack.enter_context(destination.table(f"{_prefix(options, split)}metadata.jsonl"))
                tables[split].write(_encoder.encode_lines(some))
            pace.step(len(batch))
    tally.files += len(tables)


_encoder = msgspec.json.Encoder()


def _prefix(options: ExportOptions, split: str) -> str:
    """Return the folder of a split; an export without splits has none."""
    return f"{split}/" if options.fractions else ""


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of one sample below the destination; ``caption`` is empty if there is none."""

    sample: ExportSample
    picture: str
    caption: str


class _Writer:
    def __init__(self, destination: Destination, options: ExportOptions) -> None:
        self._destination = destination
        self._options = options
        self._links = Links()
        self._captions = options.kind is ExportKind.CAPTIONS
        self._spec = json_text(options.conversion)

    def write(
        self, batch: list[ExportSample], pool: ThreadPoolExecutor, tally: ExportCounts
    ) -> Iterator[tuple[str, Mapping[str, object]]]:
        """Write what is not there yet, and return the lines of what is there now, each with its split."""
        files = [self._files(sample) for sample in batch]
        wanted = dict(item for one in files for item in self._wanted(one))
        done = self._destination.claim(wanted)
        open_again = [one for one in files if one.picture not in done or (one.caption and one.caption not in done)]
        written: dict[str, Done] = {}
        failed: list[str] = []
        for one, outcome in zip(
            open_again, pool.map(lambda one: self._write(one, wanted, done), open_again), strict=True
        ):
            if isinstance(outcome, Unusable):
                tally.leave_out(DAMAGED, str(outcome))
                failed += filter(None, (one.picture, one.caption))
            else:
                written.update((file.file, file) for file in outcome)
        self._destination.sync(written)
        self._destination.record(written.values())
        self._destination.forget(failed)
        tally.written += len(written)
        tally.kept += len(done)
        now = done | written
        for one in files:
            if one.picture in now and one.picture not in failed:
                tally.files += 2 if one.caption else 1
                yield one.sample.split, self._line(one, now[one.picture], tally)

    def _files(self, sample: ExportSample) -> _Files:
        stem = _prefix(self._options, sample.split)
        stem += sample.name if self._captions else f"images/{sample.name[:2]}/{sample.name}"
        extension = extension_of(sample, self._options.conversion)
        return _Files(sample, f"{stem}.{extension}", f"{stem}.txt" if self._captions else "")

    def _wanted(self, one: _Files) -> Iterator[tuple[str, str]]:
        yield one.picture, f"{one.sample.picture.sha256} {self._spec}"
        if one.caption:
            yield one.caption, blake2b(one.sample.caption.encode(), digest_size=16).hexdigest()

    def _write(self, one: _Files, wanted: Mapping[str, str], done: Mapping[str, Done]) -> list[Done] | Unusable:
        """Write the files of one sample that are not done; for any thread."""
        finished = []
        if one.picture not in done:
            try:
                columns, size = self._picture(one)
            except Unusable as error:
                return error
            finished.append(Done(one.picture, wanted[one.picture], size, columns))
        if one.caption and one.caption not in done:
            text = f"{one.sample.caption}\n".encode()
            with self._destination.writing(one.caption) as stream:
                stream.write(text)
            finished.append(Done(one.caption, wanted[one.caption], len(text), {}))
        return finished

    def _picture(self, one: _Files) -> tuple[Mapping[str, object], int]:
        conversion = self._options.conversion
        is_away = one.sample.originals is not None
        if is_away or self._options.copies or is_converted(one.sample.picture, conversion):
            content = read_content(one.sample, conversion)
            with self._destination.writing(one.picture) as stream:
                stream.write(content.data)
            return content.columns, len(content.data)
        columns = untouched_columns(one.sample, conversion)
        target = self._destination.path(one.picture)
        self._destination.make(target.parent)
        handle = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._links.place(one.sample.path, handle, target.name, replace=target.exists())
        finally:
            os.close(handle)
        return columns, one.sample.picture.bytes

    def _line(self, one: _Files, done: Done, tally: ExportCounts) -> Mapping[str, object]:
        tally.count(one.sample.split, one.picture.rpartition(".")[2], done.bytes, done.facts)
        file = one.picture.removeprefix(_prefix(self._options, one.sample.split))
        return {"file_name": file, **one.sample.line, **done.facts}
