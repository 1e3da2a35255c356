"""A manifest that editors, git, Excel and other spreadsheets write anew asks for the same pictures: every key stays.

Bought again would be what is there already, for nothing but other line ends.
"""

import csv
import io
import json
import unicodedata

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen.manifest import load_manifest
from batchgen.planning.plan import make_plan

letters = st.sampled_from([*"abcdefg ,;'\"|.-", "é", "ü", "赤", "🦊", "\n", "한"])
prompts = st.text(letters, min_size=1, max_size=30).filter(lambda text: text.strip() and '"' not in text.strip()[:1])
tables = st.lists(
    st.fixed_dictionaries(
        {"prompt": prompts, "size": st.sampled_from(["64x64", "128x64"]), "note": st.sampled_from(["", "a b", "007"])}
    ),
    min_size=1,
    max_size=4,
)
rewritings = st.fixed_dictionaries(
    {
        "line_end": st.sampled_from(["\n", "\r\n", "\r"]),
        "mark": st.sampled_from(["", "\ufeff"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        "delimiter": st.sampled_from([",", ";", "\t"]),
        "columns": st.permutations(["prompt", "size", "note"]),
        "empty_columns": st.integers(0, 3),
        "empty_rows": st.integers(0, 2),
        "form": st.sampled_from(["NFC", "NFD"]),
        "around": st.sampled_from(["", " ", "\n", "\u00a0", "  \t"]),
    }
)


def keys_of(path, content):
    path.write_bytes(content.encode())
    return [request.key for request in make_plan(load_manifest(path))]


def sheet(rows, how):
    """Write the rows as a spreadsheet does."""
    text = io.StringIO()
    # Python's own writer leaves a bare carriage return without quotes.
    quoting = csv.QUOTE_ALL if how["line_end"] == "\r" else how["quoting"]
    writer = csv.writer(text, delimiter=how["delimiter"], quoting=quoting, lineterminator=how["line_end"])
    more = [""] * how["empty_columns"]
    writer.writerow([*how["columns"], "model", *more])
    for row in rows:
        prompt = how["around"] + row["prompt"].replace("\n", how["line_end"]) + how["around"]
        cells = {**row, "prompt": unicodedata.normalize(how["form"], prompt)}
        writer.writerow([*(cells[name] for name in how["columns"]), "m", *more])
    for _ in range(how["empty_rows"]):
        writer.writerow(["" for _ in [*how["columns"], "model", *more]])
    return how["mark"] + text.getvalue()


PLAIN = {
    "line_end": "\n",
    "mark": "",
    "quoting": csv.QUOTE_MINIMAL,
    "delimiter": ",",
    "columns": ["prompt", "size", "note"],
    "empty_columns": 0,
    "empty_rows": 0,
    "form": "NFC",
    "around": "",
}


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables, rewritings)
def test_a_table_that_was_saved_anew_keeps_every_key(tmp_path, rows, how):
    before = keys_of(tmp_path / "job.csv", sheet(rows, PLAIN))
    assert keys_of(tmp_path / "job.csv", sheet(rows, how)) == before


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables)
def test_another_kind_of_file_keeps_every_key(tmp_path, rows):
    rows = [{"prompt": row["prompt"], "size": row["size"], "model": "m"} for row in rows]
    table = io.StringIO()
    writer = csv.DictWriter(table, ["prompt", "size", "model"])
    writer.writeheader()
    writer.writerows(rows)
    before = keys_of(tmp_path / "job.csv", table.getvalue())
    assert keys_of(tmp_path / "job.jsonl", "\r\n".join(map(json.dumps, rows))) == before
    assert keys_of(tmp_path / "job.yaml", yaml.safe_dump({"rows": rows}, allow_unicode=True)) == before


FORMS = [
    'prompt: "a fox in snow\\nat dusk"\n',
    "prompt: |\n  a fox in snow\n  at dusk\n",
    "prompt: |-\n  a fox in snow\n  at dusk\n",
    "prompt: |+\n  a fox in snow\n  at dusk\n\n",
    "prompt: >\n  a fox in snow\n\n  at dusk\n",
    'prompt: "  a fox in snow\\r\\nat dusk "\n',
    "prompt: |\r\n  a fox in snow\r\n  at dusk\r\n",
]


@pytest.mark.parametrize("text", FORMS)
def test_a_block_scalar_and_a_quoted_text_have_one_key(tmp_path, text):
    assert keys_of(tmp_path / "job.yaml", f"defaults: {{model: m}}\n{text}") == keys_of(
        tmp_path / "job.yaml", f"defaults: {{model: m}}\n{FORMS[0]}"
    )


def test_what_is_sent_is_what_the_key_says(tmp_path):
    path = tmp_path / "job.csv"
    path.write_bytes('prompt,model\r\n" cafe\u0301\r\nat night ",m\r\n'.encode())
    (request,) = make_plan(load_manifest(path))
    assert request.parameters["prompt"] == "café\nat night"
    assert b"caf\xc3\xa9\\nat night" in request.canonical


def test_white_space_within_a_prompt_is_the_user_s_own(tmp_path):
    path = tmp_path / "job.csv"
    assert keys_of(path, "prompt,model\na  fox,m\n") != keys_of(path, "prompt,model\na fox,m\n")
