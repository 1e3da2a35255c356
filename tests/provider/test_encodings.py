import gzip
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.provider import encodings
from batchgen.provider.encodings import inflated, text_of

brotli = pytest.importorskip("brotli")
zstd = pytest.importorskip("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")

PACKERS = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstd.compress}


@pytest.mark.parametrize("coding", PACKERS)
def test_what_inflates_beyond_the_cap_is_left_as_it_is(coding, monkeypatch):
    monkeypatch.setattr(encodings, "LARGEST_BYTES", 1000)
    small, large = PACKERS[coding](b"a" * 999), PACKERS[coding](b"a" * 1_000_000)
    assert inflated(small, coding) == b"a" * 999
    assert inflated(large, coding) is large


@pytest.mark.parametrize("coding", PACKERS)
def test_a_library_that_is_missing_leaves_the_answer_as_it_is(coding, monkeypatch):
    monkeypatch.setattr(encodings, "_library", lambda name: None)
    body = PACKERS[coding](b"{}")
    assert inflated(body, coding) == (b"{}" if coding in {"gzip", "deflate"} else body)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_files_one_behind_the_other_are_read_on(coding):
    assert inflated(PACKERS[coding](b"a") + PACKERS[coding](b"b"), coding) == b"ab"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_cut_body_gives_what_came_of_it(coding):
    body = PACKERS[coding](bytes(range(256)) * 100)
    assert bytes(range(256)).startswith(inflated(body[:-2], coding)[:256])


@given(st.binary(max_size=100), st.sampled_from([*PACKERS, "x-gzip", "identity", "", "a,b,c,d,e,f", "gzip," * 99]))
def test_no_bytes_whatsoever_raise(body, coding):
    assert isinstance(inflated(body, coding), bytes)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_text_is_read_in_every_character_set(text):
    stated = f'{{"a": "{text}"}}'
    for charset in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        assert text_of(stated.encode(charset)) == stated
    assert text_of("café".encode("latin-1")) == "café"
