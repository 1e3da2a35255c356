"""Parquet with pictures in it, as `datasets` has its Image feature: a struct of `bytes` and `path`.

Row groups are small, so that a reader of one picture reads no more than some others; their boundaries follow the
content, so that a store that keeps differences (the Hub's Xet) takes little for a dataset that grew.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from batchgen.encoding import json_text
from batchgen.errors import UsageError
from batchgen.export.shards import Packed

if TYPE_CHECKING:
    import pyarrow as pa

# What a row group holds at most: of pictures of 1.5 MB some ten.
_GROUP_BYTES = 16_000_000
_GROUP_ROWS = 1_000


def refuse_without_pyarrow() -> None:
    """Raise :class:`UsageError` if the library that writes Parquet is not installed, or too old for it."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise UsageError(f"exports as parquet need pyarrow: {_PIP}") from error
    if int(pa.__version__.partition(".")[0]) < _SINCE:
        raise UsageError(f"exports as parquet need pyarrow {_SINCE} or newer, found {pa.__version__}: {_PIP}")


_PIP = "pip install 'batchgen-runner[export]'"
# The first with chunks that are cut by content.
_SINCE = 21


class ParquetPacker:
    """Packs samples with the ``columns``, by name with their types in the terms of `datasets`, into Parquet files."""

    version = "parquet 1"

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = columns

    def name(self, split: str, number: int) -> str:
        return f"data/{split}-{number:05d}.parquet"

    def pack(self, packed: Iterable[Packed], stream: BinaryIO) -> None:
        from pyarrow import parquet, record_batch

        schema = _schema(self._columns)
        # Pictures are compressed as they are.
        compression = {"image.bytes": "NONE", "image.path": "ZSTD", **dict.fromkeys(self._columns, "ZSTD")}
        with parquet.ParquetWriter(
            stream,
            schema,
            compression=compression,
            use_dictionary=list(self._columns),
            use_content_defined_chunking=True,
            write_page_index=True,
        ) as writer:
            for group in _groups(packed):
                writer.write_batch(record_batch(self._values(group), schema=schema))
                # The next group is gathered before this name is given away: two would be in memory.
                group.clear()

    def _values(self, group: list[Packed]) -> dict[str, list[Any]]:
        rows = [{**one.sample.line, **one.columns} for one in group]
        columns = {name: [row.get(name) for row in rows] for name in self._columns}
        return {"image": [_image(one) for one in group], **columns}


def _image(one: Packed) -> dict[str, Any]:
    if one.content is None:
        return {"bytes": None, "path": str(one.sample.path.absolute())}
    return {"bytes": one.content.data, "path": f"{one.sample.name}.{one.extension}"}


def _groups(packed: Iterable[Packed]) -> Iterator[list[Packed]]:
    group: list[Packed] = []
    size = 0
    for one in packed:
        group.append(one)
        size += len(one.content.data) if one.content else 0
        if size >= _GROUP_BYTES or len(group) >= _GROUP_ROWS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _schema(columns: Mapping[str, str]) -> pa.Schema:
    import pyarrow as pa

    types = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features: dict[str, object] = {"image": {"_type": "Image"}}
    features |= {name: {"dtype": kind, "_type": "Value"} for name, kind in columns.items()}
    fields = [pa.field("image", image), *(pa.field(name, types[kind]) for name, kind in columns.items())]
    return pa.schema(fields, metadata={"huggingface": json_text({"info": {"features": features}})})
