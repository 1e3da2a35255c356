"""The dataset card of an export: how to load it, what is in it, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchgen.export.content_credentials import SOURCE_COLUMN
from batchgen.export.contents import columns_added
from batchgen.export.interface import ExportCounts, ExportKind, ExportOptions
from batchgen.export.prompt_splits import REST
from batchgen.export.sources import TEXT_COLUMN
from batchgen.store.dataset.metadata import AFTER_WORDS, BEFORE_WORDS
from batchgen.wording import counted

# The classes of the Hub.
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


def columns_of(words: tuple[str, ...], options: ExportOptions) -> dict[str, str]:
    """Return the columns of an export, but for the picture, with their types in the terms of `datasets`."""
    before = {name: kind for name, kind in BEFORE_WORDS.items() if name != "file_name"}
    text = {TEXT_COLUMN: "string"} if options.captioned else {}
    added = {SOURCE_COLUMN: "string", **text, **columns_added(options.conversion)}
    return {**before, **dict.fromkeys(words, "string"), **AFTER_WORDS, **added}


def export_card(
    name: str, columns: Mapping[str, str], options: ExportOptions, tally: ExportCounts, *, simulated: bool
) -> bytes:
    """Return README.md with the front matter that the Hub and `datasets` read."""
    import yaml

    # ASCII only: YAML forbids some characters that names of columns may hold.
    front = yaml.safe_dump(_front_matter(name, columns, options, tally), sort_keys=False, allow_unicode=False)
    parts = [
        f"# {name}",
        "**Simulated: no real money was spent, and the pictures are drawings.**" if simulated else "",
        f"{_splits(tally)}, made with batchgen and exported as {options.kind}.",
        _LOADING[options.kind].format(split=max(tally.pictures, key=lambda split: (split == REST, split))),
        _provenance(tally),
    ]
    text = "\n\n".join(part for part in parts if part)
    return f"---\n{front}---\n\n{text}\n".encode()


def _front_matter(name: str, columns: Mapping[str, str], options: ExportOptions, tally: ExportCounts) -> dict[str, Any]:
    total = tally.pictures.total()
    size = next((word for most, word in _SIZES if total < most), "n>10M")
    card: dict[str, Any] = {"pretty_name": name}
    if options.license:
        card["license"] = options.license
    card |= {"task_categories": ["text-to-image"], "tags": ["synthetic", "batchgen"], "size_categories": [size]}
    configuration: dict[str, Any] = {
        "config_name": "default",
        "data_files": [{"split": split, "path": _paths(split, options, tally)} for split in sorted(tally.pictures)],
    }
    if options.kind in {ExportKind.IMAGEFOLDER, ExportKind.CAPTIONS}:
        # Types are stated because the loader guesses them from the first 10 MB, where a column may still be empty.
        types = [{"name": "image", "dtype": "image"}]
        types += [{"name": column, "dtype": kind} for column, kind in columns.items()]
        configuration["features"] = types
    return card | {"configs": [configuration]}


def _paths(split: str, options: ExportOptions, tally: ExportCounts) -> list[str]:
    folder = f"{split}/" if options.fractions else ""
    match options.kind:
        case ExportKind.PARQUET:
            return [f"data/{split}-*.parquet"]
        case ExportKind.WEBDATASET:
            return [f"{split}-*.tar"]
        case ExportKind.IMAGEFOLDER:
            return [f"{folder}metadata.jsonl", f"{folder}images/**"]
        case ExportKind.CAPTIONS:
            return [f"{folder}metadata.jsonl", *(f"{folder}*.{extension}" for extension in sorted(tally.formats))]


_LOAD = """```python
from datasets import load_dataset

pictures = load_dataset("path/to/this/folder", split="{split}")
```"""

_LOADING = {
    ExportKind.CAPTIONS: "Beside each picture stands a text of the same name with its caption. Trainers that look for "
    "another extension have to be told: `--caption_extension .txt` for kohya's sd-scripts.\n\n" + _LOAD,
    ExportKind.IMAGEFOLDER: _LOAD,
    ExportKind.PARQUET: _LOAD,
    ExportKind.WEBDATASET: _LOAD,
}


def _splits(tally: ExportCounts) -> str:
    counts = [f"{counted(count, 'picture')} ({split})" for split, count in sorted(tally.pictures.items())]
    return ", ".join(counts) if len(counts) > 1 else counted(tally.pictures.total(), "picture")


def _provenance(tally: ExportCounts) -> str:
    said = [f"Every picture is made by a machine: the column `{SOURCE_COLUMN}` has IPTC's term for how."]
    kept = tally.credentials - tally.credentials_lost
    if kept:
        said.append(f"{counted(kept, 'picture carries', 'pictures carry')} Content Credentials (C2PA), untouched.")
    if tally.credentials_lost:
        said.append(
            f"{counted(tally.credentials_lost, 'picture')} had Content Credentials (C2PA), which conversion removed."
        )
    return " ".join(said)
