"""The dataset card: what a run folder holds, for people, and how to load it, for `datasets`."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping

from batchgen.money import dollars
from batchgen.store.plain import visible
from batchgen.store.records import timestamp


def card(db: sqlite3.Connection, name: str, features: Mapping[str, str], *, simulated: bool) -> bytes:
    """README.md with front matter that names the data files and their types, whatever else lies in the folder."""
    text = "\n\n".join(part for part in _parts(db, name, simulated=simulated) if part)
    return f"---\n{_front_matter(features)}---\n\n{text}\n".encode()


def _front_matter(features: Mapping[str, str]) -> str:
    import yaml

    # Types are stated because the loader guesses them from the first 10 MB, where a column may still be empty.
    types = [{"name": "image", "dtype": "image"}]
    types += [{"name": name, "dtype": kind} for name, kind in features.items() if name != "file_name"]
    configuration = {
        "config_name": "default",
        "data_files": [{"split": "train", "path": ["metadata.jsonl", "images/**"]}],
        "features": types,
    }
    # ASCII only: YAML forbids some characters that names of columns may hold.
    return str(yaml.safe_dump({"configs": [configuration]}, sort_keys=False, allow_unicode=False))


def _parts(db: sqlite3.Connection, name: str, *, simulated: bool) -> list[str]:
    first, last = db.execute(
        "SELECT min(first_sent_ms), max(coalesce(ended_ms, first_sent_ms)) FROM requests"
    ).fetchone()
    pictures = _count(db, "SELECT count(*) FROM pictures")
    failures = _count(db, "SELECT count(*) FROM requests WHERE state <> 'stored'")
    return [
        f"# {_markdown(name)}",
        "**Simulated: no real money was spent, and the pictures are drawings.**" if simulated else "",
        f"{pictures:,} pictures, made with batchgen{_period(first, last)}."
        + (f" {failures:,} requests have no picture: see `failures.jsonl`." if failures else ""),
        _models(db),
        _cost(db),
        "`metadata.jsonl` has one line per picture; your own columns are there under their own names, as text.",
        _LOADING,
    ]


_LOADING = """```python
from datasets import load_dataset

pictures = load_dataset("path/to/this/folder", split="train")
```"""


def _period(first_ms: int | None, last_ms: int | None) -> str:
    first, last = ((timestamp(moment) or "")[:10] for moment in (first_ms, last_ms))
    if not first:
        return ""
    return f" on {first}" if first == last else f" from {first} to {last}"


def _models(db: sqlite3.Connection) -> str:
    counts = db.execute(
        "SELECT model, count(*) FROM requests WHERE state = 'stored' GROUP BY model ORDER BY count(*) DESC, model"
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
        words.append(f"Estimated, where the service stated no cost: {dollars(estimated)}.")
    return " ".join(words)


def _count(db: sqlite3.Connection, query: str) -> int:
    (count,) = db.execute(query).fetchone()
    return int(count)


# What can start a tag, an entity, a link, code, emphasis or a cell in the middle of a line.
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()<>#|!&~$:@])")


def _markdown(text: str) -> str:
    """``text`` that Markdown shows as it is: no HTML, no link, no table cell of its own."""
    return _PUNCTUATION.sub(r"\\\1", visible(text))
