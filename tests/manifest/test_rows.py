import csv
import io
import itertools
import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen.errors import ManifestError
from batchgen.manifest import Row, RowCheck
from batchgen.manifest.rows import open_rows


@pytest.fixture
def rows(write):
    """The rows of a file with this name and content."""
    return lambda name, content: open_rows(write(name, content), name)


def values(rows):
    return [dict(row.values) for row in rows]


def problems(read):
    """What ``read`` says is wrong, one text per problem."""
    with pytest.raises(ManifestError) as caught:
        read()
    return [str(one) for one in caught.value.problems]


def test_rows_know_their_number_and_place(rows):
    read = rows("a.csv", 'prompt,x\na,1\n\n"b\nb",2\nc,3\n')
    assert list(read) == [
        Row(1, "a.csv", 2, {"prompt": "a", "x": "1"}),
        Row(2, "a.csv", 4, {"prompt": "b\nb", "x": "2"}),
        Row(3, "a.csv", 6, {"prompt": "c", "x": "3"}),
    ]
    assert read.columns == ("prompt", "x")


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", "prompt\na\n\nb\n"), ("a.jsonl", '{"prompt": "a"}\n\n{"prompt": "b"}\n'), ("a.txt", "a\n\n b \n")],
)
def test_rows_can_be_counted_and_read_twice(rows, name, content):
    read = rows(name, content)
    assert read.count() == 2
    assert values(read) == values(read) == [{"prompt": "a"}, {"prompt": "b"}]


@pytest.mark.parametrize("text", ["NA", "null", "None", "007", "1e5", "TRUE", "=1+1", " x ", "16:9", "a'b"])
def test_a_csv_value_stays_the_text_it_is(rows, text):
    assert values(rows("a.csv", f"prompt,x\na,{text}\n")) == [{"prompt": "a", "x": text}]


def test_an_empty_parameter_is_not_given_and_an_empty_column_is_kept(rows):
    assert values(rows("a.csv", "prompt,size,repeat,note\na,,,\n")) == [{"prompt": "a", "note": ""}]


def test_lines_of_nothing_but_commas_are_no_rows(rows):
    read = rows("a.csv", "prompt,x\na,1\n,\n,\n")
    assert read.count() == len(list(read)) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bom.csv", b"\xef\xbb\xbfprompt,x\na,1\n"),
        ("semicolon.csv", b"prompt;x\na;1\n"),
        ("tab.csv", b"prompt\tx\na\t1\n"),
        ("tab.tsv", b"prompt\tx\na\t1\n"),
        ("crlf.csv", b"prompt,x\r\na,1\r\n"),
        ("mac.csv", b"prompt,x\ra,1\r"),
        ("spaced.csv", b'prompt, x\na, "1"\n'),
        ("quoted.csv", b'"prompt","x"\n"a","1"\n'),
        ("bom.jsonl", b'\xef\xbb\xbf{"prompt": "a", "x": 1}\n'),
    ],
)
def test_what_spreadsheets_write_is_read(rows, name, content):
    assert values(rows(name, content)) == [{"prompt": "a", "x": "1"}]


def test_all_broken_rows_are_told_and_sound_ones_come_first(rows):
    read = iter(rows("a.csv", "prompt,x\na,1\nb\nc,1,2\nd,4\n"))
    assert [next(read).number, next(read).number] == [1, 4]
    short, long = problems(lambda: next(read))
    assert short == "a.csv:3: row 2 has 1 field, the header has 2 (no value for 'x')"
    assert long == "a.csv:4: row 3 has 3 fields, the header has 2 (put quotes around a value that holds ',')"


def test_a_thousand_broken_rows_are_enough(rows):
    assert len(problems(lambda: list(rows("a.csv", "prompt,x\n" + "a\n" * 5000)))) == 1000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('prompt,x\na,1\n"b,2\nc,3\n', "a.csv:3: a quote that opens in the row that begins here is never closed"),
        (
            'prompt,x\na,1\n"b,2\nc,"3"\n',
            "a.csv:3: a quote that opens in the row that begins here is closed wrongly on",
        ),
        ('prompt,x\n"b"c,2\n', "a.csv:2: a quote that opens in the row that begins here is closed wrongly on line 2"),
        (b"prompt,x\na,1\nb,\xff\n", "a.csv:3: byte 3 of this line (0xff) is no UTF-8"),
    ],
)
def test_a_row_that_ends_the_reading_is_named(rows, content, said):
    assert problems(lambda: list(rows("a.csv", content)))[-1].startswith(said)
    assert problems(lambda: rows("a.csv", content).count())[-1].startswith(said)


def test_a_value_that_no_picture_is_as_long_as_is_named(rows):
    before = csv.field_size_limit(1_000)
    try:
        told = problems(lambda: list(rows("a.csv", f'prompt,x\n"{"b" * 1_400}",1\n')))
    finally:
        csv.field_size_limit(before)
    assert told[-1].startswith("a.csv:2: a value of the row that begins here has more than 1,000 characters")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("prompt,x,prompt\na,b,c\n", "a.csv:1: column 3 of the header repeats 'prompt'"),
        ("prompt,,x\na,b,c\n", "a.csv:1: column 2 of the header has no name"),
        ("\n\n", "a.csv: the file has no header and no rows"),
        ("prompt,x\n", "a.csv: the file has no rows"),
        ("", "a.csv: is empty"),
        ("prompt,x\n".encode("utf-16"), "a.csv:1: the file is UTF-16"),
    ],
)
def test_a_header_that_names_nothing_is_refused(rows, content, said):
    assert problems(lambda: rows("a.csv", content))[0].startswith(said)


def test_a_cell_may_hold_a_list_of_pictures(rows):
    read = rows("a.csv", 'prompt,image\na,"[""x.png"", ""y.png""]"\nb,z.png\n')
    assert [row["image"] for row in values(read)] == [("x.png", "y.png"), "z.png"]


def test_a_cell_may_hold_several_pictures_between_bars(rows):
    read = rows("a.csv", "prompt,image,mood\na,x.png | y.png,calm|wild\n")
    assert values(read) == [{"prompt": "a", "image": ("x.png", "y.png"), "mood": "calm|wild"}]


def test_a_broken_list_of_pictures_is_told(rows):
    for cell in ("[x", "a.png|", "|", "[]", "[1]"):
        (told,) = problems(lambda cell=cell: list(rows("a.csv", f"prompt,image\na,{cell}\n")))
        assert told.startswith("a.csv:2: image must be one path, several as a.png|b.png, or a list")


def test_jsonl_values_become_text_with_their_digits(rows):
    line = '{"prompt": "a", "n": 1e5, "id": 007.0, "ok": true, "none": null, "image": ["x"], "tags": [{"n": 1}]}'
    read = rows("a.jsonl", line.replace("007.0", "7.0"))
    expected = {"n": "1e5", "id": "7.0", "ok": "true", "image": ("x",), "tags": '[{"n": 1}]'}
    assert values(read) == [{"prompt": "a", **expected}]
    assert read.columns is None


def test_openai_batch_lines_are_read_as_they_are(rows):
    body = {"model": "gpt-image-1", "prompt": "a", "size": "1024x1024", "n": 3}
    line = {"custom_id": "r-1", "method": "POST", "url": "/v1/images/generations", "body": body}
    expected = {"custom_id": "r-1", "model": "gpt-image-1", "prompt": "a", "size": "1024x1024", "repeat": "3"}
    assert values(rows("a.jsonl", json.dumps(line))) == [expected]


def test_what_stands_beside_the_body_of_a_batch_line_is_a_column_of_one_s_own(rows):
    line = {
        "custom_id": "r-1",
        "mood": "calm",
        "body": {"model": "m", "prompt": "a", "n": 1, "user": "me", "mask": None},
    }
    assert values(rows("a.jsonl", json.dumps(line))) == [
        {"custom_id": "r-1", "mood": "calm", "model": "m", "prompt": "a"}
    ]


def test_a_field_that_the_service_does_not_take_is_told_once_for_all_lines(rows):
    body = {"model": "m", "prompt": "a", "background": "transparent"}
    lines = [json.dumps({"custom_id": str(number), "body": body}) for number in range(50)]
    lines.append(json.dumps({"custom_id": "x", "body": {"model": "m", "sise": "1x1"}}))
    told = problems(lambda: list(rows("a.jsonl", "\n".join(lines))))
    assert len(told) == 2
    assert told[0].startswith(
        "a.jsonl:1: body.background is not supported: the service takes no 'background' (it may hold"
    )
    assert told[1] == "a.jsonl:51: body.sise is not supported: the service takes no 'sise' (did you mean 'size'?)"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"custom_id": "1", "body": "a cat"}', "body must be an object with the request's parameters, found 'a cat'"),
        ('{"custom_id": "1", "method": "GET", "body": {}}', "method must be POST, found 'GET'"),
        ('{"custom_id": "1", "prompt": "a", "body": {}}', "prompt must stand inside of body"),
        ('{"prompt": "a",}', "a.jsonl:2:"),
        ('["a"]', "an object is expected, found a list (write one object a line"),
        ('{"prompt": "a", "prompt": "b"}', "the name 'prompt' stands twice"),
        ('{"prompt": {"a": 1}}', "prompt must be a text, found a mapping"),
        ('{"x": "\\ud800"}', r"'\ud800', half a character"),
        ("[" * 100_000, "nested too deep"),
        ('{"custom_id": "1", "url": "/v1/chat/completions", "body": {}}', "url must end in /images/generations"),
        ('{"custom_id": "1", "body": {"n": [1]}}', "repeat must be a text"),
    ],
)
def test_a_broken_jsonl_line_is_told_and_the_others_are_read(rows, line, said):
    read = iter(rows("a.jsonl", f'{{"prompt": "a"}}\n{line}\n{{"prompt": "b"}}\n'))
    assert len(list(itertools.islice(read, 2))) == 2
    (told,) = problems(lambda: next(read))
    assert told.startswith("a.jsonl:2")
    assert said in told


def test_a_row_check_judges_every_prompt_and_each_other_value_once():
    check = RowCheck()
    bad = {"prompt": "", "size": "big", "key": "x"}
    assert len(check(Row(1, "a", 1, bad))) == 3
    assert [one.message for one in check(Row(2, "a", 2, bad))] == ["row 2: prompt is blank"]


# A row of nothing but empty fields is no row.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(texts, texts, texts), min_size=1), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_rows_that_a_csv_writer_wrote_come_back_unchanged(rows, written, quoting):
    # Not every version of the writer quotes a carriage return that stands alone, which ends a line to any reader.
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=quoting)
    writer.writerow(["a", "b", "c"])
    clean = [tuple(text.replace("\r", "") or "x" for text in row) for row in written]
    writer.writerows(clean)
    assert [tuple(row.values()) for row in values(rows("a.csv", file.getvalue()))] == clean


def cpu_s(work):
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_row_of_many_thousand_columns_takes_time_in_proportion(tmp_path, suffix):
    path = tmp_path / f"wide.{suffix}"
    names = [f"c{number}" for number in range(40_000)]
    if suffix == "csv":
        path.write_text(",".join(names) + "\n" + ",".join("v" * len(names)) + "\n", encoding="utf-8")
    else:
        path.write_text(json.dumps({name: [1] for name in names}) + "\n", encoding="utf-8")
    # Looking through all columns for each of them takes a minute.
    assert cpu_s(lambda: list(open_rows(path, path.name))) < 5
