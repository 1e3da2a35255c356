"""WebDataset: tars in which `KEY.png`, `KEY.json` and `KEY.txt` of a sample follow each other.

Equal rows make equal bytes: no times, no owners. Keys have no dot, since all behind the first one is a member's kind.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec

from batchgen.export.shards import Packed

_BLOCK = 512


class WebDatasetPacker:
    """Packs samples into tars."""

    version = "webdataset 1"

    def name(self, split: str, number: int) -> str:
        return f"{split}-{number:06d}.tar"

    def pack(self, packed: Iterable[Packed], stream: BinaryIO) -> None:
        for one in packed:
            for extension, content in _members(one):
                _add(stream, f"{one.sample.name}.{extension}", content)
        # The end of an archive: two blocks of zeros, and zeros up to a whole record.
        stream.write(bytes(2 * _BLOCK))
        stream.write(bytes(-stream.tell() % tarfile.RECORDSIZE))


_encoder = msgspec.json.Encoder()


def _members(one: Packed) -> Iterator[tuple[str, bytes]]:
    assert one.content is not None
    yield one.extension, one.content.data
    yield "json", _encoder.encode({**one.sample.line, **one.columns})
    yield "txt", one.sample.caption.encode()


def _add(stream: BinaryIO, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o644
    stream.write(member.tobuf(tarfile.USTAR_FORMAT))
    stream.write(content)
    stream.write(bytes(-len(content) % _BLOCK))
