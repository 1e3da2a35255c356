"""Exports of many pictures per file: `parquet` and `webdataset`.

A shard is a run of rows of one split, as many as fit. What a shard is made from is known before any picture is read, so
shards that are there already cost no reading; the others are packed side by side, each in a thread of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, BinaryIO, Protocol

import msgspec

from batchgen.errors import Interrupted
from batchgen.export.contents import Content, extension_of, read_content, untouched_columns
from batchgen.export.destination import Destination, Done
from batchgen.export.interface import (
    DAMAGED,
    Conversion,
    ExportCounts,
    ExportOptions,
    ExportPace,
    ExportSample,
    Unusable,
)


class Packer(Protocol):
    """The maker of shards of one kind; ``version`` is raised when equal rows would make other bytes."""

    version: str

    def name(self, split: str, number: int) -> str:
        """Return the file of a shard, relative to the destination."""
        ...

    def pack(self, packed: Iterable[Packed], stream: BinaryIO) -> None:
        """Write a whole shard, with no more than a few pictures in memory at a time."""
        ...


@dataclass(frozen=True, slots=True)
class Packed:
    """A sample on its way into a shard; ``content`` is ``None`` if the shard only has its path."""

    sample: ExportSample
    content: Content | None
    columns: dict[str, Any]
    extension: str


@dataclass(slots=True)
class _Shard:
    split: str
    number: int
    samples: list[ExportSample] = field(default_factory=list)
    bytes: int = 0

    def has_room(self, sample: ExportSample, options: ExportOptions) -> bool:
        if not self.samples:
            return True
        fits = self.bytes + sample.picture.bytes <= options.shard_bytes
        return fits and len(self.samples) < options.shard_pictures


def write_shards(
    samples: Iterable[ExportSample],
    destination: Destination,
    packer: Packer,
    options: ExportOptions,
    tally: ExportCounts,
    pace: ExportPace,
    *,
    threads: int,
) -> None:
    """Write the shards that are not there yet, ``threads`` at a time."""
    writer = _Writer(destination, packer, options, pace)
    waiting: deque[tuple[_Shard, Future[Done]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for shard in _shards(samples, options):
                if done := writer.there(shard):
                    tally.kept += 1
                    _count(tally, shard, done)
                    pace.step(len(shard.samples))
                    continue
                waiting.append((shard, pool.submit(writer.write, shard)))
                if len(waiting) > threads:
                    _landed(destination, tally, waiting)
            while waiting:
                _landed(destination, tally, waiting)
        except BaseException:
            pace.stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


def _landed(destination: Destination, tally: ExportCounts, waiting: deque[tuple[_Shard, Future[Done]]]) -> None:
    shard, future = waiting.popleft()
    done = future.result()
    destination.sync([done.file])
    destination.record([done])
    tally.written += 1
    _count(tally, shard, done)


def _shards(samples: Iterable[ExportSample], options: ExportOptions) -> Iterator[_Shard]:
    """Return the samples as shards, one at a time open for each split."""
    filling: dict[str, _Shard] = {}
    for sample in samples:
        shard = filling.setdefault(sample.split, _Shard(sample.split, 0))
        if not shard.has_room(sample, options):
            yield shard
            shard = filling[sample.split] = _Shard(sample.split, shard.number + 1)
        shard.samples.append(sample)
        shard.bytes += sample.picture.bytes
    yield from filling.values()


def _count(tally: ExportCounts, shard: _Shard, done: Done) -> None:
    facts = done.facts
    tally.files += 1
    tally.pictures[shard.split] += facts["pictures"]
    tally.formats.update(facts["formats"])
    tally.bytes += facts["bytes"]
    tally.credentials += facts["credentials"]
    tally.credentials_lost += facts["credentials_lost"]
    for problem in facts["problems"]:
        tally.leave_out(DAMAGED, problem)


class _Writer:
    def __init__(self, destination: Destination, packer: Packer, options: ExportOptions, pace: ExportPace) -> None:
        self._destination = destination
        self._packer = packer
        self._options = options
        self._pace = pace

    def there(self, shard: _Shard) -> Done | None:
        """Return the shard's file if it is finished; else the file is to be written now."""
        file = self._packer.name(shard.split, shard.number)
        return self._destination.claim({file: self._fingerprint(shard)}).get(file)

    def write(self, shard: _Shard) -> Done:
        """Write a shard; for any thread."""
        file = self._packer.name(shard.split, shard.number)
        facts = ExportCounts()
        with self._destination.writing(file) as stream:
            self._packer.pack(self._packed(shard, facts), stream)
            size = stream.tell()
        # A shard that lacks a picture is packed again by the next export.
        fingerprint = "damaged" if facts.problems else self._fingerprint(shard)
        return Done(
            file,
            fingerprint,
            size,
            {
                "pictures": facts.pictures.total(),
                "formats": facts.formats,
                "bytes": facts.bytes,
                "credentials": facts.credentials,
                "credentials_lost": facts.credentials_lost,
                "problems": facts.problems,
            },
        )

    def _packed(self, shard: _Shard, facts: ExportCounts) -> Iterator[Packed]:
        conversion = self._options.conversion
        for sample in shard.samples:
            if self._pace.stopped.is_set():
                raise Interrupted("the export was stopped")
            try:
                packed = self._one(sample, conversion)
            except Unusable as error:
                facts.problems.append(str(error))
            else:
                size = sample.picture.bytes if packed.content is None else len(packed.content.data)
                facts.count(shard.split, packed.extension, size, packed.columns)
                yield packed
            self._pace.step()

    def _one(self, sample: ExportSample, conversion: Conversion | None) -> Packed:
        if self._options.paths:
            return Packed(sample, None, untouched_columns(sample, conversion), sample.extension)
        content = read_content(sample, conversion)
        return Packed(sample, content, content.columns, extension_of(sample, conversion))

    def _fingerprint(self, shard: _Shard) -> str:
        said = blake2b(
            f"{self._packer.version} {self._options.conversion} {self._options.paths}".encode(), digest_size=16
        )
        for sample in shard.samples:
            said.update(_encoder.encode((sample.name, sample.extension, sample.caption, sample.line)))
            if self._options.paths:
                said.update(bytes(sample.path))
        return said.hexdigest()


_encoder = msgspec.json.Encoder()
