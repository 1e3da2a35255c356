"""The readers that users of a run folder have: each gives the table's lines, or skips the test if it is missing."""

import contextlib
import os
from unittest import mock

import pandas as pd
import pytest


def by_datasets(folder, *words, **options):
    """`load_dataset`, as a user without network calls it; without words, of the folder by its card."""
    cache = f"{folder}-cache"
    with mock.patch.dict(os.environ, {"HF_HOME": cache, "HF_DATASETS_CACHE": cache, "HF_HUB_OFFLINE": "1"}):
        datasets = pytest.importorskip("datasets")
        datasets.disable_progress_bars()
        found = datasets.load_dataset(*(words or (str(folder),)), split="train", cache_dir=cache, **options)
        # Pictures are drawn lazily, from files that the cache refers to.
        yield from (found[place] for place in range(len(found)))


def by_pandas(path):
    """`pandas.read_parquet`, with what is missing as ``None``."""
    pytest.importorskip("pyarrow")
    table = pd.read_parquet(path).astype(object)
    return table.where(table.notna(), None).to_dict("records")


def by_duckdb(path):
    """`SELECT * FROM 'path'`."""
    duckdb = pytest.importorskip("duckdb")
    with contextlib.closing(duckdb.connect()) as connection:
        found = connection.execute(f"SELECT * FROM '{path}'")
        names = [column[0] for column in found.description]
        return [dict(zip(names, line, strict=True)) for line in found.fetchall()]
