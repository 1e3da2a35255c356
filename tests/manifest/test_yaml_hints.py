"""What a person forgot in a line of YAML is said in words that mend it."""

import pytest

from batchgen.errors import ManifestError
from batchgen.manifest.yaml import read_yaml

FORGOTTEN = [
    ("prompt: 'it's a fox'\n", 1, "an apostrophe ends a text in '…'; write the text in \"…\""),
    ("rows:\n  - {prompt: 'don't go'}\n", 2, "an apostrophe ends a text"),
    ("matrix: {style: ['it's', b]}\n", 1, "an apostrophe ends a text"),
    ("rows:\n- @home\n", 2, "quote a text that begins with '@'"),
    ("prompt: `a`\n", 1, "quote a text that begins with '`'"),
    ("prompt: %a\n", 1, "quote a text that begins with '%'"),
    ('prompt: "a "red" fox"\n', 1, 'a quote ends a text in "…"'),
    ("prompt: 'a fox' in snow\n", 1, "a text in quotes goes to its last quote"),
    ("prompt: [x] a\n", 1, "quote a text that begins with '['"),
    ("prompt: a: b\n", 1, "quote a text that holds ': '"),
    ("prompt:a\nrows: b\n", 2, "write a blank behind the colon of a key"),
    ('prompt: "C:\\pics"\n', 1, "a backslash escapes"),
    ("prompt: 'a\n", 2, "a quote that opens before is never closed"),
]


@pytest.mark.parametrize(("text", "line", "said"), FORGOTTEN, ids=[text for text, *_ in FORGOTTEN])
def test_what_was_forgotten_is_said_at_its_line(text, line, said):
    with pytest.raises(ManifestError) as caught:
        read_yaml(text, "job.yaml")
    (problem,) = caught.value.problems
    assert problem.place.startswith(f"job.yaml:{line}:")
    assert said in problem.suggestion
