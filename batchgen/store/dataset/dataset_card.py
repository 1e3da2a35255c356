"""The dataset card: what a run folder holds, for people, and how to load it, for `datasets`."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batchgen.money import dollars
from batchgen.store.ledger.pictures_at import pictures_at
from batchgen.store.ledger.records import timestamp
from batchgen.store.media.sniff import FILMS
from batchgen.wording import counted, visible

TABLE = "dataset.parquet"


def card(
    db: sqlite3.Connection,
    name: str,
    features: Mapping[str, str],
    *,
    table_sha256: str,
    simulated: bool,
    copies: bool = False,
    before: bytes | None = None,
) -> bytes:
    """Return README.md; its front matter names the data files and their types, whatever else lies in the folder.

    ``table_sha256`` is the digest of the table, and ``copies`` says that there are some of the pictures which were
    edited. The licence is that of the card that stood there ``before``: a person may have put it in.
    """
    kept = _kept(db)
    licence = _licence(before or b"")
    front = _front_matter(
        db, name, features, kept, table_sha256=table_sha256, licence=licence, simulated=simulated, copies=copies
    )
    text = "\n\n".join(part for part in _parts(db, name, kept, simulated=simulated) if part)
    return f"---\n{front}---\n\n{text}\n".encode()


@dataclass(frozen=True, slots=True)
class _FileCounts:
    """How many files of each sort lie in the folder; ``alike`` is how many the most common format has."""

    pictures: int
    films: int
    webm: bool
    alike: int

    @property
    def column(self) -> str:
        """Return what `datasets` calls the column of files, which goes by what most files are."""
        return "video" if self.films > self.pictures else "image"

    def __str__(self) -> str:
        films = counted(self.films, "film")
        if self.films and not self.pictures:
            return films
        return counted(self.pictures, "picture") + (f" and {films}" if self.films else "")


def _kept(db: sqlite3.Connection) -> _FileCounts:
    counts = dict(db.execute("SELECT format, count(*) FROM kept_pictures GROUP BY format"))
    films = sum(count for name, count in counts.items() if name in FILMS)
    return _FileCounts(sum(counts.values()) - films, films, "webm" in counts, max(counts.values(), default=0))


def _front_matter(
    db: sqlite3.Connection,
    name: str,
    features: Mapping[str, str],
    kept: _FileCounts,
    *,
    table_sha256: str,
    licence: str,
    simulated: bool,
    copies: bool,
) -> str:
    import yaml

    # The loader is chosen by the most common suffix, and Parquet's wins a draw: files of few pictures are listed twice.
    files = ["pictures/**" if pictures_at(db) else "images/**"] * (1 if kept.alike > 1 else 2)
    files += ["inputs/**"] if copies else []
    # Types are stated because the loader guesses them where a column may still be empty.
    types: list[dict[str, object]] = [{"name": kept.column, "dtype": kept.column}]
    types += [_feature(column, kind) for column, kind in features.items() if column != "file_name"]
    described: dict[str, Any] = {
        "pretty_name": name,
        "license": licence,
        "task_categories": _tasks(db, kept),
        "tags": ["synthetic", "batchgen", *(["simulated"] if simulated else [])],
        "size_categories": [_size_category(kept.pictures + kept.films)],
        "configs": [
            {
                "config_name": "default",
                # `datasets` keeps what it loaded under a hash of this entry alone, whatever became of the files since.
                "description": f"{TABLE}, sha256 {table_sha256}",
                "data_files": [{"split": "train", "path": [TABLE, *files]}],
                # Another name than `metadata.parquet`: beside metadata.jsonl, `imagefolder` refuses the folder for it.
                "metadata_filenames": [TABLE],
                "features": types,
            }
        ],
    }
    # ASCII only: YAML forbids some characters that names of columns may hold.
    return str(yaml.safe_dump(described, sort_keys=False, allow_unicode=False))


_LICENCE = re.compile(rb"^license: *([\w.+-]{1,60}) *$", re.MULTILINE)


def _licence(before: bytes) -> str:
    """Return the licence that a card states in its front matter; whose the pictures are is not for us to say."""
    front = before.split(b"\n---", 1)[0] if before.startswith(b"---") else b""
    found = _LICENCE.search(front)
    return found[1].decode("ascii", errors="ignore") if found else "unknown"


def _tasks(db: sqlite3.Connection, kept: _FileCounts) -> list[str]:
    """Return the Hub's words for what was asked for."""
    what = "video" if kept.column == "video" else "image"
    edits = "SELECT json_type(canonical, '$.image') IS NOT NULL FROM requests WHERE state = 'stored' GROUP BY 1"
    return [f"{'image' if edited else 'text'}-to-{what}" for (edited,) in db.execute(edits)] or [f"text-to-{what}"]


def _size_category(rows: int) -> str:
    bounds = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}
    return next((category for bound, category in bounds.items() if rows < bound), "1M<n<10M")


def _feature(name: str, kind: str) -> dict[str, object]:
    """Return a column as `datasets` knows it: the name of a list of files becomes that of a list of pictures."""
    match kind:
        case "images":
            return {"name": name.removesuffix("_file_names"), "list": "image"}
        case "strings":
            return {"name": name, "list": "string"}
        case _:
            return {"name": name, "dtype": kind}


def _parts(db: sqlite3.Connection, name: str, kept: _FileCounts, *, simulated: bool) -> list[str]:
    first, last = db.execute(
        "SELECT min(first_sent_ms), max(coalesce(ended_ms, first_sent_ms)) FROM requests"
    ).fetchone()
    failures = _count(db, "SELECT count(*) FROM requests WHERE state <> 'stored'")
    return [
        f"# {_markdown(name)}",
        "**Simulated: no real money was spent, and the pictures are drawings.**" if simulated else "",
        f"{kept}, made with batchgen{_period(first, last)}."
        + (
            f" {counted(failures, 'request has', 'requests have')} no picture: see `failures.jsonl`."
            if failures
            else ""
        ),
        _models(db),
        _cost(db),
        f"`metadata.jsonl` has one line per {'film' if kept.films and not kept.pictures else 'picture'}; {_COLUMNS}",
        _LOADING,
        _MIXED if kept.films and kept.pictures else "",
        _WEBM if kept.webm else "",
    ]


_LOADING = """With `datasets` 4.0 or newer, pandas (with pyarrow) or DuckDB, every column comes back as it was written:

```python
from datasets import load_dataset

pictures = load_dataset("path/to/this/folder", split="train")
```

```python
import pandas

table = pandas.read_parquet("path/to/this/folder/dataset.parquet")
```

```sql
SELECT * FROM 'path/to/this/folder/dataset.parquet';
```

JSON lines can't say that `2024-01-02` is text, so readers of `metadata.jsonl` have to be told to convert nothing
(pandas 3.1 and later: `dtype=False` alone does it):

```python
lines = pandas.read_json("path/to/this/folder/metadata.jsonl", lines=True, dtype=False, convert_dates=False)
```"""

_COLUMNS = f"your own columns are there under their own names, as text. `{TABLE}` is the same table with its types."

# Measured with datasets 5.2: `.webm` is an extension of its loader for sound, and not of the one for films.
_WEBM = (
    "`datasets` finds no film in a `.webm` file and leaves its column empty. Read the table alone, and the files by "
    '`file_name`: `load_dataset("json", data_files="metadata.jsonl")`.'
)

_MIXED = (
    "Pictures and films lie side by side, and a loader takes all for what most of them are. Pick one sort by `format` "
    "before anything is decoded: `pictures.cast_column(...)` with `decode=False`, then `filter`."
)


def _period(first_ms: int | None, last_ms: int | None) -> str:
    first, last = ((timestamp(moment) or "")[:10] for moment in (first_ms, last_ms))
    if not first:
        return ""
    return f" on {first}" if first == last else f" from {first} to {last}"


def _models(db: sqlite3.Connection) -> str:
    counts = db.execute(
        "SELECT model, count(*) FROM requests WHERE state = 'stored' AND retired_ms IS NULL"
        " GROUP BY model ORDER BY count(*) DESC, model"
    ).fetchall()
    if not counts:
        return ""
    lines = [f"| {_markdown(model)} | {count:,} |" for model, count in counts]
    return "\n".join(["| model | requests with pictures |", "| --- | ---: |", *lines])


def _cost(db: sqlite3.Connection) -> str:
    billed, maybe, estimated = db.execute(
        "SELECT coalesce(sum(billed_microusd), 0), coalesce(sum(maybe_microusd), 0),"
        " coalesce(sum(estimated_microusd), 0) FROM attempts"
    ).fetchone()
    words = [f"Billed: {dollars(billed)}."]
    if maybe:
        words.append(f"Maybe billed, because no answer arrived: {dollars(maybe)}.")
    if estimated:
        words.append(f"Estimated, because the service stated no cost: {dollars(estimated)}.")
    return " ".join(words)


def _count(db: sqlite3.Connection, query: str) -> int:
    (count,) = db.execute(query).fetchone()
    return int(count)


# What can start a tag, an entity, a link, code, emphasis or a cell in the middle of a line.
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#|!&~$:@])")


def _markdown(text: str) -> str:
    """Return ``text`` escaped so that Markdown shows it as it is: no HTML, no link, no table cell of its own."""
    return _PUNCTUATION.sub(r"\\\1", visible(text))
