"""Rows that are packed, piped in, or lie elsewhere."""

import gzip
import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from batchgen.errors import ManifestError
from batchgen.manifest import Overrides, load_manifest

FLAGS = Overrides(parameters={"model": ("m",)})


def prompts(manifest):
    return [row.values["prompt"] for row in manifest.rows]


@pytest.fixture
def piped(monkeypatch, tmp_path):
    """The manifest of what is piped in."""

    def piped(content, *, terminal=False):
        stdin = SimpleNamespace(buffer=io.BytesIO(content), isatty=lambda: terminal)
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.chdir(tmp_path)
        return load_manifest("-", overrides=FLAGS)

    return piped


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv.gz", b"prompt,x\na fox,1\na mug,2\n"),
        ("p.TSV.GZ", b"x\tprompt\n1\ta fox\n2\ta mug\n"),
        ("p.jsonl.gz", b'{"prompt": "a fox"}\n{"prompt": "a mug"}\n'),
        ("p.txt.gz", b"a fox\na mug\n"),
    ],
)
def test_packed_rows_are_read_as_they_are_and_any_number_of_times(load, name, content):
    manifest = load(gzip.compress(content), file=name, overrides=FLAGS)
    assert prompts(manifest) == prompts(manifest) == ["a fox", "a mug"]
    assert manifest.rows.count() == 2
    assert manifest.name == "p"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(b"prompt\n" + b"a fox\n" * 1000, mtime=0)[:-9], "is packed by gzip, and cut short or broken"),
        (b"prompt\na fox\n", "is not packed by gzip, as its name says"),
        (gzip.compress(b"<html>", mtime=0), "is a web page"),
        (gzip.compress(b"prompt\n\xff\n", mtime=0), "byte 1 of this line (0xff) is no UTF-8"),
    ],
)
def test_packed_rows_that_can_t_be_read_say_why(load, content, said):
    with pytest.raises(ManifestError) as caught:
        prompts(load(content, file="p.csv.gz", overrides=FLAGS))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"a fox\n# not now\n\na mug\n",
        b'{"prompt": "a fox"}\n{"prompt": "a mug"}\n',
        b"\xef\xbb\xbfid,prompt\n1,a fox\n2,a mug\n",
        b"id\tprompt\n1\ta fox\n2\ta mug\n",
    ],
)
def test_what_is_piped_in_is_read_as_text_jsonl_or_csv(piped, content):
    manifest = piped(content)
    assert prompts(manifest) == prompts(manifest) == ["a fox", "a mug"]
    assert (manifest.name, manifest.folder) == ("stdin", Path.cwd())


@pytest.mark.parametrize(
    ("content", "terminal", "said"),
    [
        (b"", False, "nothing is piped in"),
        (b" \n", False, "nothing is piped in"),
        (b"", True, "reads rows from a pipe, and nothing is piped in"),
        (b"PK\x03\x04", False, "stdin: is a ZIP archive"),
        (b'["a"]', False, "stdin: is a JSON array of texts"),
        (b"provider: simulator\nrows: a.csv\n", False, "stdin: is a YAML manifest"),
        (b"a\xff\n", False, "stdin:1: byte 2 of this line (0xff) is no UTF-8"),
    ],
)
def test_what_can_t_be_read_from_a_pipe_says_why(piped, content, terminal, said):
    with pytest.raises(ManifestError) as caught:
        prompts(piped(content, terminal=terminal))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://example.org/p.csv", "download it first: curl -LO https://example.org/p.csv"),
        ("s3://bucket/p.jsonl", "copy it here first"),
        ("hf://datasets/a/b.csv", "copy it here first"),
    ],
)
def test_an_address_is_no_file_on_the_command_line_and_in_a_manifest(problems_of, address, said):
    with pytest.raises(ManifestError) as caught:
        load_manifest(address)
    assert f"{address} is an address, and no file ({said})" in str(caught.value)
    assert problems_of(f"defaults: {{model: m}}\nrows: {address}\n") == [
        (2, f"{address} is an address, and no file ({said})")
    ]


def test_a_pipe_that_can_be_read_once_says_what_to_do(tmp_path):
    os.mkfifo(tmp_path / "p.csv")
    with pytest.raises(ManifestError, match="is not a regular file but a pipe"):
        load_manifest(tmp_path / "p.csv")
