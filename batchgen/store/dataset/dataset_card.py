"""The dataset card: what a run folder holds, for people, and how to load it, for `datasets`."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from batchgen.money import dollars
from batchgen.store.ledger.records import timestamp
from batchgen.store.media.sniff import FILMS
from batchgen.wording import counted, visible


def card(
    db: sqlite3.Connection, name: str, features: Mapping[str, str], *, simulated: bool, copies: bool = False
) -> bytes:
    """Return README.md; its front matter names the data files and their types, whatever else lies in the folder.

    ``copies`` says that there are some of the pictures which were edited.
    """
    kept = _kept(db)
    text = "\n\n".join(part for part in _parts(db, name, kept, simulated=simulated) if part)
    return f"---\n{_front_matter(features, kept, copies=copies)}---\n\n{text}\n".encode()


@dataclass(frozen=True, slots=True)
class _FileCounts:
    """How many files of each sort lie in the folder."""

    pictures: int
    films: int
    webm: bool

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
    return _FileCounts(sum(counts.values()) - films, films, "webm" in counts)


def _front_matter(features: Mapping[str, str], kept: _FileCounts, *, copies: bool) -> str:
    import yaml

    # Types are stated because the loader guesses them from the first 10 MB, where a column may still be empty.
    types: list[dict[str, object]] = [{"name": kept.column, "dtype": kept.column}]
    types += [_feature(name, kind) for name, kind in features.items() if name != "file_name"]
    configuration = {
        "config_name": "default",
        "data_files": [{"split": "train", "path": ["metadata.jsonl", "images/**", *(["inputs/**"] if copies else [])]}],
        "features": types,
    }
    # ASCII only: YAML forbids some characters that names of columns may hold.
    return str(yaml.safe_dump({"configs": [configuration]}, sort_keys=False, allow_unicode=False))


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


_LOADING = """```python
from datasets import load_dataset

pictures = load_dataset("path/to/this/folder", split="train")
```"""

_COLUMNS = "your own columns are there under their own names, as text."

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
