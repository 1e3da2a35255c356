"""JSON for SQLite and for lines of output: one line without white space, and text as it is."""

import pytest

from batchgen.encoding import json_text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ([1, 2, 3], "[1,2,3]"),
        ({"shelf": "é\n"}, '{"shelf":"é\\n"}'),
        (("a", None, True), '["a",null,true]'),
    ],
)
def test_json_is_one_line_without_white_space(value, written):
    assert json_text(value) == written
