import base64

import pytest

from batchgen.manifest import check_value, normalised

PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", "auto"),
        ("size", "1x1"),
        ("size", "16384x16384"),
        ("quality", "auto"),
        ("output_format", "jpg"),
        ("response_format", "b64_ephemeral"),
        ("seconds", "60"),
        ("seconds", "auto"),
        ("model", "black-forest-labs/FLUX-1-schnell:free"),
        ("prompt", "x" * 20_000),
        ("prompt", "two\nlines"),
        ("image", "inputs/mug.png"),
        ("image", "https://images.example.com/mug.png"),
        ("image", PNG),
        ("image", ("a.png", "b.png")),
        ("repeat", "10000"),
        ("my column", ""),
        ("my column", "\x1b is kept, and escaped where it is shown"),
    ],
)
def test_what_the_service_takes_is_taken(name, value):
    assert check_value(name, value) is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("prompt", "", "blank"),
        ("prompt", " \n\t", "blank"),
        ("prompt", "x" * 20_001, "20,001 characters; 20,000 at most"),
        ("prompt", "a\0b", r"'\x00' at character 2"),
        ("prompt", "ab\ud800", r"'\ud800' at character 3"),
        ("my column", "a\0b", "character 2"),
        ("size", "٣x٣", "size must be"),
        ("size", "1024X1024", "size must be"),
        ("seconds", "0", "1 to 60"),
        ("model", " a", "spaces around it"),
        ("model", "a\u2028b", "one line"),
        ("repeat", "+1", "whole number"),
        ("image", tuple("abcdefghijklmnopq"), "1 to 16 inputs, found 17"),
        ("image", ("a.png", ""), "blank"),
        ("image", "http://a.example.com/b.png", "the scheme 'http:'"),
        ("image", "https://user:pw@a.example.com/b.png", "user name or password"),
        ("image", "https://0x7f.1/b.png", "public host"),
        ("image", "https://printer.local/b.png", "public host"),
        ("image", "https:///b.png", "no host"),
        ("image", "https://[::1/b.png", "no valid URL"),
        ("image", "data:image/png;base64,", "without content"),
        ("mask", ("a.png",), "not a list"),
    ],
)
def test_what_is_refused_says_what_is_allowed(name, value, said):
    assert said in check_value(name, value)


def test_a_long_value_is_shown_short():
    assert len(check_value("size", "9" * 100_000)) < 200


def test_a_data_uri_over_the_upload_limit_is_refused():
    assert "25,000,000 bytes" in check_value("image", "data:image/png;base64," + "A" * 34_000_000)


def test_jpg_is_sent_as_jpeg():
    assert normalised("output_format", "jpg") == "jpeg"
    assert normalised("my column", "jpg") == "jpg"
