"""A file is what its bytes are, whatever its name says."""

import gzip
import io
import json
import sqlite3
import tarfile
import zipfile

import pytest

from batchgen.errors import ManifestError
from batchgen.manifest import Overrides

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:9f3c\nsize 12\n"
OPTIONS = "defaults: {model: m}\n"


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return file.getvalue()


def tarred():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("prompts.csv"))
    return file.getvalue()


WORKBOOK = zipped(xl__workbook="<x/>")
SHEET = zipped(mimetype="application/vnd.oasis.opendocument.spreadsheet")


def refused(load, name, content):
    with pytest.raises(ManifestError) as caught:
        load(content, file=name)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("name", ["p.csv", "p.txt", "p.jsonl", "p.tsv", "p.yaml", "p.xlsx", "p.data", "p"])
@pytest.mark.parametrize(
    ("content", "said", "way"),
    [
        (WORKBOOK, "is an Excel workbook", "export it as CSV"),
        (SHEET, "is an OpenDocument spreadsheet", "export it as CSV"),
        (zipped(word__document="x"), "is a Word document", "save it as plain text"),
        (zipped(**{"Index__Document.iwa": "x"}), "is a Numbers or Pages document", "export it as CSV"),
        (zipped(prompts="x"), "is a ZIP archive", "unpack it"),
        (WORKBOOK[:40], "is a ZIP archive that is cut short or broken", "copy or download it again"),
        (tarred(), "is a tar archive", "unpack it"),
        (gzip.compress(b"prompt\na\n", mtime=0), "is packed by gzip", "rename it to end in .gz"),
        (b"\x28\xb5\x2f\xfd\x00rest", "is packed by zstd", "zstd -d "),
        (b"7z\xbc\xaf\x27\x1c\x00", "is a 7z archive", "unpack it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", "is an old Office file", "export it as CSV"),
        (b"PAR1\x15\x04", "is a Parquet file", "duckdb -c"),
        (b"%PDF-1.7\n", "is a PDF", "one a line"),
        (b"{\\rtf1\\ansi a fox}", "is a rich text document", "save it as plain text"),
        (b"\x89PNG\r\n\x1a\n", "is a picture (PNG)", "a column 'image'"),
        (LFS.encode(), "is a Git LFS pointer, not the file", "git lfs pull"),
        (b"/annex/objects/SHA256E-s12--9f3c.csv\n", "is a git-annex pointer", "git annex get "),
        (b"\xef\xbb\xbf\n<!DOCTYPE html>\n<title>Sign in</title>", "is a web page", "download the file itself"),
        (b'<?xml version="1.0"?>\n<html></html>', "is a web page", "download the file itself"),
        (b'<?xml version="1.0"?>\n<Workbook></Workbook>', "is XML", "export it as CSV"),
    ],
)
def test_what_is_no_text_is_named_under_any_name_with_the_way_out(load, name, content, said, way):
    problem = refused(load, name, content)
    assert problem.message.startswith(said)
    assert way in problem.suggestion
    assert problem.place.endswith(name)


@pytest.mark.parametrize(
    ("name", "content", "said", "way"),
    [
        ("p.txt", '[\n  "a fox",\n  "a mug"\n]\n', "is a JSON array of texts", "jq -r '.[]' "),
        ("p.csv", '[{"prompt": "a fox"}]', "is a JSON array", "jq -c '.[]' "),
        ("p.jsonl", '[\n{"prompt": "a fox"}\n]', "is a JSON array", "jq -c '.[]' "),
        ("p.json", '[{"prompt": "a fox"}]', "is a JSON array", "jq -c '.[]' "),
        ("p.json", '{"prompt": "a fox"}\n', "is a JSON object", "one object a line"),
        ("p.json", '{"prompt": "a fox"}\n{"prompt": "a mug"}\n', "is JSONL", "rename it to end in .jsonl"),
        ("p.txt", '{\n"prompt": "a fox"\n}', "is a JSON object", "one object a line"),
        ("p.txt", '{"prompt":"a fox"}\n{"prompt":"a mug"}\n', "is JSONL", "rename it to end in .jsonl"),
        ("p.csv", '\ufeff{"prompt":"a fox"}\n', "is JSONL", "rename it to end in .jsonl"),
        ("p.txt", "id,prompt\n1,a fox\n", "is CSV, with a header", "rename it to end in .csv"),
        ("p.txt", "prompt\na fox\n", "is CSV, with a header", "rename it to end in .csv"),
        ("p.txt", "\nid\tprompt\n1\ta fox\n", "is tab-separated, with a header", "rename it to end in .tsv"),
        ("p.jsonl", "prompt;size\na fox;1x1\n", "is CSV, with a header", "rename it to end in .csv"),
        ("p.tsv", "prompt,size\na fox,1x1\n", "is CSV, with a header", "rename it to end in .csv"),
        ("p.txt", "provider: simulator\nprompt: a fox\n", "is a YAML manifest", "rename it to end in .yaml"),
    ],
)
def test_rows_of_another_kind_are_named(load, name, content, said, way):
    problem = refused(load, name, content)
    assert problem.message == said
    assert way in problem.suggestion


@pytest.mark.parametrize(
    "text", ["[art deco] a fox", "{a fox}", "a fox, size of a mug", "name: a fox", "<lora:x> a fox"]
)
def test_prompts_that_look_like_something_else_are_prompts(load, text):
    rows = load(f"{text}\na mug\n", file="p.txt", overrides=Overrides(parameters={"model": ("m",)})).rows
    assert [row.values["prompt"] for row in rows] == [text, "a mug"]


@pytest.mark.parametrize("name", ["p.txt", "p.csv", "p.jsonl", "p.yaml"])
def test_a_merge_that_was_left_unfinished_is_told_at_its_line(load, name):
    problem = refused(load, name, "a hat\r\n<<<<<<< HEAD\r\na fox\r\n=======\r\na red fox\r\n>>>>>>> branch\r\n")
    assert problem.place.endswith(f"{name}:2")
    assert "a merge conflict of git begins here" in problem.message


def test_files_of_rows_and_axes_are_named_where_a_manifest_asks_for_them(load, write):
    write("p.csv", LFS)
    problem = refused(load, "job.yaml", f"{OPTIONS}rows: p.csv\n")
    assert problem.place.endswith("job.yaml:2")
    assert problem.message.endswith("p.csv is a Git LFS pointer, not the file")
    problem = refused(load, "job.yaml", f"{OPTIONS}prompt: '{{x}}'\nmatrix: {{x: {{file: p.csv}}}}\n")
    assert problem.message.endswith("p.csv is a Git LFS pointer, not the file")


def test_a_database_is_named(load, tmp_path):
    with sqlite3.connect(tmp_path / "p.db") as db:
        db.execute("CREATE TABLE prompts (prompt)")
    problem = refused(load, "p.csv", (tmp_path / "p.db").read_bytes())
    assert problem.message == "is an SQLite database"


def test_a_batch_file_is_jsonl(load):
    body = {"model": "m", "prompt": "a fox"}
    line = json.dumps({"custom_id": "1", "method": "POST", "url": "/v1/images/generations", "body": body})
    assert load(f"{line}\n", file="p.jsonl").rows.count() == 1


@pytest.mark.parametrize(
    "line", [json.dumps({"prompt": "x" * 3_000_000}), '{"prompt": "a\u2028b"}'], ids=["long", "U+2028"]
)
def test_one_line_of_jsonl_is_jsonl_however_long_it_is_and_whatever_it_holds(load, line):
    assert load(f"{line}\n", file="p.jsonl", overrides=Overrides(parameters={"model": ("m",)})).rows.count() == 1
