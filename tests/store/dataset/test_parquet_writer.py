"""Parquet of ours, read with the readers our users have."""

import pytest

from batchgen.store.dataset.parquet_writer import ParquetWriter
from tests.loaders import by_duckdb, by_pandas

pq = pytest.importorskip("pyarrow.parquet")

COLUMNS = {"text": "string", "count": "int64", "cost": "float64", "simulated": "bool"}


@pytest.fixture
def write(tmp_path):
    def write(columns, *groups):
        path = tmp_path / "table.parquet"
        with path.open("wb") as stream:
            writer = ParquetWriter(stream, columns)
            for lines in groups:
                writer.write(lines)
            writer.close()
        return path

    return write


def line(text, count=1, cost=0.5, simulated=False):
    return {"text": text, "count": count, "cost": cost, "simulated": simulated}


def by_arrow(path):
    return pq.read_table(path).to_pylist()


GROUPS = {
    "no group": [],
    "one line": [[line("a")]],
    "every value is missing": [[line(None, None, None, None)] * 3],
    "values are missing here and there": [[line("a"), line(None, 2, None, True), line("", None, 0.0, None)] * 7],
    "several groups": [[line("a"), line("b")], [line(None)], [line("c" * 100_000, 2**62, -1e300, True)]],
    "no line in a group": [[], [line("a")]],
}


@pytest.mark.parametrize("read", [by_arrow, by_pandas, by_duckdb])
@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
def test_every_reader_finds_the_lines_as_they_were_written(write, groups, read):
    assert read(write(COLUMNS, *groups)) == [line for lines in groups for line in lines]


LISTS = [["a", "b"], [], None, ["c"], ["", "d", "e" * 300], [], ["f"]]


@pytest.mark.parametrize("read", [by_arrow, by_duckdb])
@pytest.mark.parametrize("kind", ["strings", "images"])
def test_lists_of_texts_come_back_as_lists_also_empty_and_missing_ones(write, read, kind):
    lines = [{"files": files, "text": str(number)} for number, files in enumerate(LISTS)]
    path = write({"files": kind, "text": "string"}, lines, lines[:2])
    assert read(path) == lines + lines[:2]


def test_types_are_those_that_were_stated_also_where_nothing_is_there(write):
    path = write(COLUMNS, [line(None, None, None, None)])
    assert list(map(str, pq.read_schema(path).types)) == ["string", "int64", "double", "bool"]


def test_more_columns_and_groups_than_a_short_list_of_headers_holds(write):
    columns = {f"Spalte {number} 列": "string" for number in range(40)}
    groups = [[dict.fromkeys(columns, f"{number}")] for number in range(20)]
    path = write(columns, *groups)
    assert pq.read_table(path).to_pylist() == [line for lines in groups for line in lines]
    assert pq.ParquetFile(path).num_row_groups == 20


def test_what_repeats_takes_little_room(write):
    path = write(COLUMNS, [line("the same prompt with many words")] * 10_000)
    assert path.stat().st_size < 10_000
