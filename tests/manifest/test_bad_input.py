"""Every wrong job file a person can write gets its line, what was found, and what is allowed."""

import os
import subprocess
import sys

import pytest

from batchgen.errors import ExitCode, ManifestError
from batchgen.manifest import Overrides, load_manifest

SOUND = "defaults: {model: test/test}\nprompt: a cat\n"

# What stands in the job file below two sound lines, the line to be named, and what must be said.
MISTAKES = [
    ("promt: x", 3, "did you mean 'prompt'?"),
    ("size: 512x512", 3, "put it under 'defaults:'"),
    ("budget_usd: 5", 3, "put it under 'limits:'"),
    ("reuse: yes", 3, "reuse must be a list"),
    ("ranges: {a: 1..5}", 3, "unknown key 'ranges'"),
    ("prompt: a dog", 3, "duplicate key 'prompt'; it also stands on line 2"),
    ("matrix: {size: [16:9]}", 3, "must be 'auto' or a text like 1024x1024"),
    ("matrix: {size: [0x0]}", 3, "found '0x0'"),
    ("matrix: {size: [-1x5]}", 3, "found '-1x5'"),
    ("matrix: {size: [1024]}", 3, "found '1024'"),
    ("matrix: {size: [1024x]}", 3, "found '1024x'"),
    ("matrix: {size: [0512x512]}", 3, "found '0512x512'"),
    ("matrix: {size: [99999999x1]}", 3, "sides from 1 to 16384"),
    ("matrix: {size: [16385x1]}", 3, "sides from 1 to 16384"),
    ("matrix: {size: ['512x512 ']}", 3, "found '512x512 '"),
    ("matrix: {quality: [ultra]}", 3, "auto, low, medium, high"),
    ("matrix: {quality: [no]}", 3, "found 'no'"),
    ("matrix: {output_format: [PNG]}", 3, "did you mean 'png'?"),
    ("matrix: {response_format: [base64]}", 3, "b64_ephemeral"),
    ("matrix: {seconds: ['61']}", 3, "from 1 to 60"),
    ("matrix: {model: ['']}", 3, "model is blank"),
    ('matrix: {model: ["a\\nb"]}', 3, "one line"),
    ("matrix: {mask: [[a.png, b.png]]}", 3, "mask takes one text, not a list"),
    ("matrix: {quality: []}", 3, "is empty: 0 requests"),
    ("matrix:\n  quality:", 4, "matrix.quality is empty"),
    ("matrix: {quality: low}", 3, "write [low]"),
    ("matrix:\n  quality:\n  - low\n  - low", 6, "lists 'low' twice"),
    ("matrix: {a: [b]}\nzip: [{a: [c]}]", 4, "'a' is an axis twice"),
    ("zip: [{a: [b, c], d: [e]}]", 3, "equally long"),
    ("zip: [{a: []}]", 3, "the zip is empty"),
    ("matrix: {key: [a]}", 3, "taken by the outputs' own field"),
    ("matrix: {src_file_name: [a]}", 3, "read as a picture by dataset loaders"),
    ("matrix: {repeat: ['2']}", 3, "put 'repeat:' at the top level"),
    ("repeat: 0", 3, "from 1 to 10000"),
    ("repeat: 1e3", 3, "found '1e3'"),
    *((f"limits: {{concurrency: {text}}}", 3, f"found {text!r}") for text in ("0", "-1", "1e9", "nan", "true", "many")),
    *((f"retry: {{deadline: {text}}}", 3, f"found {text!r}") for text in ("0s", "-5s", "inf", "660", "soon", "0.5s")),
    ("retry: {attempts: 0}", 3, "from 1 to 100"),
    ("retry: {on_doubt: maybe}", 3, "'retry' or 'hold'"),
    ("limits: {rate: 0/s}", 3, "such as 5/s"),
    ("limits: {budget_usd: $5}", 3, "without a currency sign"),
    ("limits: {budget_usd: nan}", 3, "an amount in US dollars"),
    ("limits: {night_budget_usd: $5}", 3, "limits.night_budget_usd must be an amount in US dollars"),
    *((f"limits: {{deadline: {text}}}", 3, "such as 05:30") for text in ("25:00", "5", "0m", "[05:30]", "05:30:00")),
    *((f"limits: {{max_failures: {text}}}", 3, "such as 10, or") for text in ("0", "-1", "101%", "some", "1.5")),
    ("limits: {max_failure: 5}", 3, "did you mean 'max_failures'?"),
    ("night_budget: 5", 3, "unknown key 'night_budget'"),
    ("night_budget_usd: 5", 3, "put it under 'limits:'"),
    ("retry: {on_doubt: Hold}", 3, "did you mean 'hold'?"),
    ("kind: videos", 3, "did you mean 'video'?"),
    ("limits: {adaptive: no}", 3, "must be true or false"),
    ("limits: {lanes: {'openai/*': {conc: 4}}}", 3, "unknown key 'conc' under limits.lanes.'openai/*'"),
    ("limits: 5", 3, "limits must be a mapping"),
    ("prices: {'openai/*': 0.04}", 3, "give the price of each model by its name"),
    ("matrix: {look: {a: {prompt: b}, c: {prompt: d}}}", 3, "the axis 'look' changes nothing"),
    ("matrix: {'': [a]}", 3, "a column has no name"),
    ("prices: {a: free}", 3, "an amount in US dollars"),
    ("prices: {a: {hihg: 0.2}}", 3, "'hihg' is neither a quality such as high nor a size such as 1024x1024"),
    ("prices: {a: {per_million_tokens: {text_in: 5, image_out: 40}}}", 3, "image_in is missing"),
    ("prices: {a: {text_in: 5, image_in: 10, image_out: 40}}", 3, "or tokens: `{per_million_tokens: {text_in: 5"),
    ("provider: opnai", 3, "did you mean 'openai'?"),
    ("provider: {base_url: https://a.example}", 3, "provider.kind is missing"),
    ("provider: {kind: openai, base_url: 'https://me:pw@a.example'}", 3, "must not carry a user name"),
    ("provider: {kind: openai, base_url: a.example}", 3, "must be a URL"),
    ("provider: {kind: openai, simulator: {latency_s: 1}}", 3, "only for the kind simulator"),
    ("name: ../../x", 3, "outside the output folder"),
    ("name: /etc/x", 3, "outside the output folder"),
    ("name: 'C:\\x'", 3, "outside the output folder"),
    ("name: ..", 3, "outside the output folder"),
    ("name: ~x", 3, "outside the output folder"),
    ("name: CON", 3, "device on Windows"),
    ("name: nul.txt", 3, "device on Windows"),
    ("name: 'a:b'", 3, "not portable"),
    ("name: 'x.'", 3, "end with a dot"),
    ("name: 'x '", 3, "a space"),
    ("name: -rf", 3, "must not begin with '-'"),
    ("name: " + "é" * 150, 3, "has 300 bytes"),
    ('name: "a\\nb"', 3, "does not print"),
    ('name: "a\\eb"', 3, r"\x1b"),
    ('name: "a\\u202eb"', 3, r"\u202e"),
    ("name: report.html", 3, "reserved"),
    ("output: {path: .batchgen/x}", 3, "reserved"),
    ("output: {path: ../x}", 3, "must not hold '..'"),
    ("output: {path: /etc/x}", 3, "inside the output folder"),
    ("output: {path: '{colour}'}", 3, "which nothing sets"),
    ("output: {folder: ../x}", 3, "must not hold '..'"),
    ("output: {folder: ~/x}", 3, "'~' is not replaced"),
    ("output: {folder: s3://x/y}", 3, "must be a folder on this machine"),
    ("exclude: [{modle: x}]", 3, "did you mean 'model'?"),
    ("matrix: {quality: [low]}\nexclude: [{quality: high}]", 4, "no value of the axis 'quality' matches 'high'"),
    ("matrix: {look: {a: {size: 1x1}}}\ninclude: [{look: b}]", 4, "no value of the axis 'look' matches 'b'"),
    ("exclude: [{}]", 3, "is empty"),
    ("include: [{size: big}]", 3, "found 'big'"),
    ("rows: []", 3, "rows is empty"),
    ("rows: prompts.parquet", 3, "rows come from .csv, .tsv, .jsonl, .txt"),
    ("rows: missing.csv", 3, "not found"),
    ("rows: [{a: {b: c}}]", 3, "must be a text, found a mapping"),
    ("rows:\n- {mood: [a, b]}", 4, "row 1: mood takes one text, not a list"),
    ("rows:\n- {size: big}", 4, "row 1: size must be"),
    ("rows:\n- {image: []}", 4, "must be a text, found a list"),
    ("rows:\n- {image: 'file:///etc/passwd'}", 4, "the scheme 'file:'"),
    ("rows:\n- {image: 'ftp://a.example/b.png'}", 4, "the scheme 'ftp:'"),
    ("rows:\n- {image: 'https://127.0.0.1/b.png'}", 4, "must be at a public host"),
    ("rows:\n- {image: 'https://2130706433/b.png'}", 4, "must be at a public host"),
    ("rows:\n- {image: 'https://[::1]/b.png'}", 4, "must be at a public host"),
    ("rows:\n- {image: 'https://localhost/b.png'}", 4, "must be at a public host"),
    ("rows:\n- {image: 'data:image/png;base64,%%%'}", 4, "damaged base64"),
    ("rows:\n- {image: 'data:text/html,x'}", 4, "data:image/png;base64"),
]


@pytest.mark.parametrize(("text", "line", "said"), MISTAKES, ids=[text[:60] for text, _, _ in MISTAKES])
def test_a_mistake_is_told_with_its_line_and_what_is_allowed(problems_of, text, line, said):
    found = problems_of(f"{SOUND}{text}\n")
    assert any(where == line and said in told for where, told in found), found


# Whole files in which nothing can be understood beyond the mistake.
UNREADABLE = [
    (b"", 0, "is empty"),
    (b"# nothing\n", 0, "the job file is empty"),
    (b"---\n", 0, "the job file is empty"),
    (b"- a\n- b\n", 1, "a mapping such as"),
    (b"just text\n", 1, "a mapping such as"),
    (b"prompt: a\n\tmodel: b\n", 2, "not with a tab"),
    (b"prompt: 'a\n", 2, "no YAML"),
    (b"prompt: {a}, b\n", 1, "quote a text that begins with '{'"),
    (b"prompt: a\n---\nprompt: b\n", 2, "one document"),
    (b"prompt: !!python/object/apply:os.system [true]\n", 1, "the tag '!!python/object/apply:os.system' is refused"),
    (b"prompt: !!str a\n", 1, "the tag '!!str' is refused"),
    (b"defaults: &a {model: b}\n", 1, "the anchor '&a' is refused"),
    (b"defaults: *a\n", 1, "the alias '*a' is refused"),
    (b"defaults: {<<: {model: b}}\n", 1, "the merge key"),
    (b"? [a, b]\n: c\n", 1, "a key must be a plain text"),
    (b"prompt: " + b"[" * 2000 + b"]" * 2000, 1, "nested more than 50 deep"),
    (b'prompt: "a\\0b"\n', 1, "character 2"),
    (b"prompt: a\nname: \x1b[31m\n", 2, r"'\x1b'"),
    (b"prompt: caf\xe9\n", 1, "0xe9"),
    ("prompt: a\n".encode("utf-16"), 1, "UTF-16"),
]


@pytest.mark.parametrize(("content", "line", "said"), UNREADABLE, ids=[repr(one[0][:40]) for one in UNREADABLE])
def test_a_file_that_is_no_job_says_why(problems_of, content, line, said):
    found = problems_of(content)
    assert any(where == line and said in told for where, told in found), found


def test_syntax_errors_name_the_column(write):
    with pytest.raises(ManifestError, match=r"job\.yaml:2:1: no YAML"):
        load_manifest(write("job.yaml", "a: b\n\tc: d\n"))


def test_nothing_in_a_tag_is_run(problems_of, tmp_path):
    problems_of(f"prompt: !!python/object/apply:os.mkdir ['{tmp_path}/made']\n")
    assert not (tmp_path / "made").exists()


def test_the_billion_laughs_are_refused_at_their_first_anchor(problems_of):
    laughs = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True))
    assert problems_of(laughs)[0][0] == 1


def test_twelve_mistakes_are_found_at_once_with_their_lines(problems_of):
    job = """\
name: ../../x
promt: hello
prompt: "{subject}, {style} {"
defaults:
  size: 16:9
  api_key: sk-canary
matrix:
  model: [a/b, a/b]
  style: []
zip:
  - {subject: [a, b], image: [x.png]}
limits: {concurrency: nan, budget_usd: 5}
retry: {deadline: 0s}
output: {path: "/etc/{subject}"}
rows:
  - {prompt: hello, quality: low}
  - {prompt: "", quality: ultra}
"""
    found = problems_of(job)
    assert [line for line, _ in found] == [1, 2, 3, 5, 6, 8, 9, 11, 11, 12, 13, 14, 17, 17]
    assert "sk-canary" not in str(found)


@pytest.mark.parametrize(
    ("job", "lines"),
    [
        # A base that is not there, and what stands beside it.
        ("extends: nope.yaml\npromt: a\nlimits: {concurrency: many}\n", [1, 2, 3]),
        # Marks that are refused, and what is wrong without them.
        (
            "promt: a\nlimits: {concurrency: many}\nlimits: 5\ndefaults: &d {model: !!str m, size: 12}\n",
            [3, 4, 4, 1, 2, 4],
        ),
        # One row that is none among others.
        ("defaults: {model: m}\nrows:\n- a\n- {prompt: a, size: [b]}\n- {prompt: '', size: 1}\n", [3, 4, 5, 5]),
        # A template with several mistakes.
        ("defaults: {model: m}\nprompt: '{ a } {} {b.c} }'\n", [2, 2, 2, 2]),
    ],
)
def test_one_mistake_hides_no_other(problems_of, job, lines):
    assert [line for line, _ in problems_of(job)] == lines


@pytest.mark.parametrize(
    "text",
    [
        "api_key: sk-canary",
        "provider: {kind: openai, api_key: sk-canary}",
        "provider: {kind: openai, api_key_env: sk-canary}",
        "provider: {kind: openai, base_url: 'https://a.example/?key=sk-canary'}",
        "defaults: {OPENAI_API_KEY: sk-canary}",
        "provider: {kind: simulator, simulator: {api-key: sk-canary}}",
        "rows: [{api_key: sk-canary}]",
        "matrix: {api_key: [sk-canary]}",
        "provider: {kind: openai, simulator: {a: [{authorization: sk-canary}]}}",
    ],
)
def test_a_key_in_a_job_file_is_refused_and_never_shown(problems_of, text):
    assert "sk-canary" not in str(problems_of(text))


def test_a_column_with_a_taken_name_is_told_at_the_header(problems_of):
    found = problems_of("\nprompt,model,sha256,Api-Key\na,b,c,sk-canary\n", file="job.csv")
    assert [line for line, _ in found] == [2, 2]
    assert "'sha256' is taken" in found[0][1]
    assert "'Api-Key' is refused" in found[1][1]
    assert "sk-canary" not in str(found)


@pytest.mark.parametrize("text", ["rows: [{x: a}]", "matrix: {subject: [a]}"])
def test_a_template_name_that_nothing_gives_names_the_nearest(problems_of, text):
    found = problems_of(f"prompt: '{{subjekt}}'\ndefaults: {{model: a}}\n{text}\n")
    assert found[0][0] == 1
    assert "'{subjekt}', which nothing sets" in found[0][1]


def test_a_job_without_model_and_prompt_says_so(problems_of):
    told = [text for _, text in problems_of("repeat: 2\n")]
    assert "no model is given" in told[0]
    assert "no prompt is given" in told[1]


def test_a_column_in_another_case_is_offered_as_a_template(problems_of):
    found = problems_of("Prompt,model\na cat,b\n", file="job.csv")
    assert "use --prompt '{Prompt}'" in found[0][1]


def test_a_missing_file_names_its_nearest_neighbour(write):
    with pytest.raises(ManifestError, match=r"not found \(did you mean 'prompts\.csv'\?\)"):
        load_manifest(write("prompts.csv", "prompt\na\n").with_name("promts.csv"))


def test_a_folder_is_no_job(tmp_path):
    (tmp_path / "job.yaml").mkdir()
    with pytest.raises(ManifestError, match="is a directory"):
        load_manifest(tmp_path / "job.yaml")


def test_a_pipe_is_no_job_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "job.yaml")
    with pytest.raises(ManifestError, match="not a regular file"):
        load_manifest(tmp_path / "job.yaml")


def test_a_job_file_that_is_too_large_is_not_read(tmp_path):
    job = tmp_path / "job.yaml"
    job.touch()
    os.truncate(job, 200_000_000)
    with pytest.raises(ManifestError, match=r"has 200,000,000 bytes.*put the rows into a CSV"):
        load_manifest(job)


def test_a_file_of_another_kind_is_no_job(write):
    with pytest.raises(ManifestError, match="is of no known type"):
        load_manifest(write("job.ini", "[job]"))


def test_the_rows_of_a_broken_job_are_looked_at_too(write):
    write("rows.csv", "prompt,size\na,big\nb\n")
    with pytest.raises(ManifestError) as caught:
        load_manifest(write("job.yaml", "defaults: {model: a, quality: ultra}\nrows: rows.csv\n"))
    assert [one.place.rpartition("/")[2] for one in caught.value.problems] == ["job.yaml:1", "rows.csv:2", "rows.csv:3"]


def test_a_wrong_flag_is_named_as_the_place(write):
    with pytest.raises(ManifestError, match=r"^--size: size must be"):
        load_manifest(write("job.yaml", SOUND), overrides=Overrides(parameters={"size": ("big",)}))


def test_a_bad_manifest_ends_the_program_as_wrong_usage():
    assert ManifestError(()).exit_code is ExitCode.USAGE


def test_reading_a_manifest_loads_neither_pandas_nor_a_network_library():
    code = "import sys, batchgen.manifest; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pandas", "numpy", "httpx", "httpcore", "anyio", "aiohttp", "jinja2", "rich"} & set(loaded)
    assert {"pydantic", "yaml", "msgspec"} <= set(loaded)
