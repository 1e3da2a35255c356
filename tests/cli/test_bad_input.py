"""Every wrong input a person or a spreadsheet makes: told with its place, exit 2, nothing sent, no traceback."""

import copy
import json
import os

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen import plan
from batchgen.testing.loopback import loopback
from tests.photos import mask
from tests.program import run_here

PNG = mask()
SERVICE = "provider: {kind: openai, base_url: 'ADDRESS/v1', api_key_env: A_SERVICE}\n"
SOUND = f"{SERVICE}defaults: {{model: m}}\nprompt: a cat\nprices: {{m: 0.01}}\n"
HEADER = "prompt,model"


@pytest.fixture(scope="module")
def shop():
    """A service without a catalogue that remembers every post."""
    with loopback() as service:
        yield service


@pytest.fixture
def batchgen(tmp_path, monkeypatch):
    """Run the program in the test's folder; return its exit code and what it said."""
    monkeypatch.setenv("A_SERVICE", "sk-canary-7f3a")

    def run(*words):
        done = run_here(tmp_path, *words)
        return done.returncode, done.stdout, done.stderr

    return run


def write(folder, files, service="http://127.0.0.1:0"):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.replace("ADDRESS", service).encode() if isinstance(content, str) else content)


def job(text, **files):
    """A sound manifest with ``text`` below its first four lines, and files beside it."""
    return {"job.yaml": f"{SOUND}{text}\n", **files}


def rows(text, name="rows.csv"):
    return job(f"rows: {name}", **{name: text})


COMMANDS = {"job.csv": "check job.csv", "job.jsonl": "check job.jsonl"}


def everything(folder):
    """All there is in a folder, what the program keeps for itself included."""
    return sorted(folder.rglob("*"))


# What is wrong; the files; what must be said; the words of the command line, where they are not plainly the file's.
MISTAKES = [
    ("a manifest that is not there", {"jobs.yaml": "a"}, "job.yaml: not found (did you mean 'jobs.yaml"),
    ("a folder for a manifest", {"job.yaml/x": "a"}, "job.yaml: is a directory, not a file"),
    ("an empty manifest", {"job.yaml": ""}, "job.yaml: is empty"),
    ("a manifest of comments", {"job.yaml": "# a\n"}, "the job file is empty: nothing to generate"),
    ("a tab in YAML", job("matrix:\n\tsize: [1x1]"), "job.yaml:6:1: no YAML"),
    ("broken YAML", job("matrix: {size: [1x1"), "job.yaml:6:1: no YAML"),
    ("a key that stands twice", job("prompt: b"), "job.yaml:5: duplicate key 'prompt'; it also stands on line 3"),
    (
        "a tag that runs a command",
        job("name: !!python/object/apply:os.system [touch made]"),
        "job.yaml:5: the tag '!!python/object/apply:os.system' is refused",
    ),
    ("the billion laughs", job("a: &a [x, x]\nb: [*a, *a]"), "job.yaml:5: the anchor '&a' is refused"),
    ("2,000 brackets", job(f"matrix: {'[' * 2000}"), "job.yaml:5: nested more than 50 deep"),
    ("several documents", job("---\nprompt: b"), "job.yaml:5: one document is expected"),
    ("a list for a manifest", {"job.yaml": "- a\n"}, "job.yaml:1: a mapping such as 'prompt: …' is expected"),
    ("a text for a manifest", {"job.yaml": "a\n"}, "job.yaml:1: a mapping such as 'prompt: …' is expected"),
    ("an unknown key", job("promt: b"), "job.yaml:5: unknown key 'promt' (did you mean 'prompt'?)"),
    ("a ratio for a size", job("matrix: {size: [16:9]}"), "job.yaml:5: size must be 'auto' or a text like 1024x1024"),
    ("an octal number for a size", job("matrix: {size: [012]}"), "found '012'"),
    ("a word for a truth", job("matrix: {quality: [no]}"), "found 'no'"),
    ("a date for a size", job("matrix: {size: [2026-01-02]}"), "found '2026-01-02'"),
    *(
        (f"{size} for a size", job(f"matrix: {{size: ['{size}']}}"), f"found '{size}'")
        for size in ("0x0", "-1x5", "1024", "1024x", "99999999x1", "1024 x 1024", "1024X1024", "１０２４x1024")
    ),
    ("an unknown quality", job("matrix: {quality: [ultra]}"), "must be one of auto, low, medium, high, found 'ultra'"),
    ("an unknown response format", job("matrix: {response_format: [b64]}"), "url, b64_json, b64_ephemeral"),
    ("an unknown output format", job("matrix: {output_format: [gif]}"), "webp, jpeg, jpg, png"),
    ("no model", {"job.yaml": f"{SERVICE}prompt: a\n"}, "no model is given (give --model"),
    ("a blank model", rows(f"{HEADER}\na,  \n"), "rows.csv:2: row 1: model is blank"),
    ("a model with a line break", rows(f'{HEADER}\na,"a\nb"\n'), "rows.csv:2: row 1: model must be one line"),
    ("no prompt", {"job.yaml": f"{SERVICE}defaults: {{model: m}}\n"}, "no prompt is given"),
    ("a blank prompt", {"job.csv": f'{HEADER}\n" ",m\n'}, "job.csv:2: row 1: prompt is blank"),
    (
        "a prompt that nobody sees",
        {"job.csv": f"{HEADER}\n\u200b \ufeff,m\n"},
        "job.csv:2: row 1: prompt is blank: it holds nothing but '\\u200b \\ufeff'",
    ),
    (
        "a prompt that is too long",
        {"job.csv": f"{HEADER}\n{'a' * 20_001},m\n"},
        "job.csv:2: row 1: prompt has 20,001 characters",
    ),
    (
        "a prompt with a NUL",
        {"job.csv": f"{HEADER}\na\0b,m\n"},
        "job.csv:2: row 1: prompt holds '\\x00' at character 2",
    ),
    (
        "a prompt with half a character",
        {"job.jsonl": '{"prompt": "a\\ud800", "model": "m"}\n'},
        "job.jsonl:1: the line holds '\\ud800', half a character",
    ),
    (
        "a quote that is never closed",
        {"job.csv": f'{HEADER}\n"a,m\nb,m\n'},
        "job.csv:2: a quote that opens in the row that begins here is never closed",
    ),
    (
        "a row that is too short",
        {"job.csv": f"{HEADER},size\na,m\n"},
        "job.csv:2: row 1 has 2 fields, the header has 3",
    ),
    ("a row that is too long", {"job.csv": f"{HEADER}\na,m,b\n"}, "job.csv:2: row 1 has 3 fields, the header has 2"),
    (
        "a column that stands twice",
        {"job.csv": f"{HEADER},prompt\na,m,b\n"},
        "job.csv:1: column 3 of the header repeats 'prompt'",
    ),
    ("a column without a name", {"job.csv": f"{HEADER},\na,m,b\n"}, "job.csv:1: column 3 of the header has no name"),
    ("a path for a name", job("name: ../../x"), "job.yaml:5: name must be a plain name"),
    ("a drive for a name", job("name: 'C:\\x'"), "job.yaml:5: name must be a plain name"),
    ("a home for a name", job("name: ~me"), "job.yaml:5: name must be a plain name"),
    ("a device for a name", job("name: nul.txt"), "is a device on Windows"),
    ("a name with a colon", job("name: 'a:b'"), "holds ':', which is not portable"),
    ("a name that ends in a dot", job("name: a."), "end with a dot"),
    ("a name that is too long", job("name: " + "é" * 150), "name has 300 bytes; 200 at most"),
    ("a name with an escape", job('name: "a\\e[2J"'), "'a\\x1b[2J'"),
    ("a name that turns text around", job('name: "a\\u202eb"'), "'a\\u202eb'"),
    ("a name like an option", job("name: -rf"), "must not begin with '-'"),
    ("a name among our own", job("output: {path: .batchgen/x}"), "reserved for batchgen's own files"),
    ("a file for an output folder", job("", out="x"), "out", "run job.yaml --out out"),
    ("an input that is not there", job("rows: [{image: a.png}]"), "job.yaml:5: 'a.png': there is no such file"),
    ("a folder for an input", job("rows: [{image: a}]", **{"a/b": "x"}), "job.yaml:5: 'a' is no regular file"),
    ("an empty input", job("rows: [{image: a.png}]", **{"a.png": ""}), "job.yaml:5: 'a.png' is empty"),
    (
        "a text for an input",
        job("rows: [{image: a.png}]", **{"a.png": "hello"}),
        "'a.png' is no picture (png, jpeg, webp, gif, tiff)",
    ),
    ("an SVG for an input", job("rows: [{image: a.png}]", **{"a.png": "<svg/>"}), "'a.png' is no picture"),
    *(
        (f"an input of {source[:12]}", job(f"rows: [{{image: '{source}'}}]"), said)
        for source, said in (
            ("file:///etc/hostname", "found the scheme 'file:'"),
            ("ftp://a.example/b.png", "found the scheme 'ftp:'"),
            ("http://127.0.0.1/b.png", "found the scheme 'http:'"),
            ("https://127.0.0.1/b.png", "must be at a public host, found '127.0.0.1'"),
            ("data:image/png;base64,%%", "damaged base64"),
            ("data:image/png;base64," + "A" * 33_400_000, "more than 25,000,000 bytes"),
            ("../a.png", "outside the manifest's folder"),
            ("/etc/hostname", "outside the manifest's folder"),
        )
    ),
    (
        "17 inputs",
        {"job.csv": f"{HEADER},image\na,m,{'|'.join(['a.png'] * 17)}\n"},
        "job.csv:2: row 1: image takes 1 to 16 inputs, found 17",
    ),
    (
        "an input that is too large",
        {"job.csv": f"{HEADER},image\na,m,a.png\n", "a.png": PNG.ljust(25_000_001)},
        "job.csv:2: 'a.png' has 25,000,001 bytes, the service takes up to 25,000,000",
    ),
    (
        "a variable that nothing gives",
        {"job.yaml": f"{SERVICE}defaults: {{model: m}}\nprompt: '{{subjct}}'\nrows: [{{subject: a}}]\n"},
        "job.yaml:3: prompt uses '{subjct}', which nothing sets (did you mean 'subject'?)",
    ),
    (
        "a variable in another Unicode form",
        {"job.yaml": f"{SERVICE}defaults: {{model: m}}\nprompt: '{{caf\u00e9}}'\nrows: [{{cafe\u0301: a}}]\n"},
        "which nothing sets (one looks the same and is written in another Unicode form: copy it from there)",
    ),
    (
        "a long prompt above a quote that is never closed",
        {"job.csv": f'{HEADER}\n{"a" * 20_001},m\n"b,m\n'},
        "job.csv:2: row 1: prompt has 20,001 characters; 20,000 at most\nbatchgen: job.csv:3: a quote that opens",
    ),
    (
        "a template that evaluates",
        {"job.yaml": f"{SERVICE}defaults: {{model: m}}\nprompt: \"{{''.__class__}}\"\n"},
        "only names are replaced and nothing is evaluated",
    ),
    (
        "10,002 requests without --yes",
        job("matrix: {seconds: [auto], size: [1x1, 2x2]}\nkind: image\nrepeat: 5001"),
        "--yes",
    ),
    ("a name with a line break", job('name: "a\\nb"'), "name holds a character that does not print: 'a\\nb'"),
    ("a base that leads back", job("extends: job.yaml"), "job.yaml:5: extends leads back to where it began"),
    (
        "a variable of the environment in a value",
        job("matrix: {size: ['${HOME}']}"),
        "job.yaml:5: matrix.size.0 holds '${HOME}', and variables of the environment are not read here",
    ),
    ("a folder without pictures", job("matrix: {image: {files: in/*.png}}"), "there is no folder"),
    ("an empty axis", job("matrix: {quality: []}"), "job.yaml:5: the axis 'quality' is empty: 0 requests"),
    *(
        (
            f"{text} at once",
            job(f"limits: {{concurrency: {text}}}"),
            f"must be a whole number from 1 to 10000, found '{text}'",
        )
        for text in ("0", "-1", "1e9", "nan", "true", "many")
    ),
    *(
        (
            f"a deadline of {text}",
            job(f"retry: {{deadline: {text}}}"),
            f"must be a duration such as 90s, 15min or 2h, from 1s to 86400s, found '{text}'",
        )
        for text in ("0", "-5s", "inf")
    ),
    (
        "a key in a manifest",
        job("api_key: sk-canary-7f3a"),
        "job.yaml:5: api_key is refused: a job file is no place for a key",
    ),
    ("an unknown command", {}, "No such command 'rnu'", "rnu job.yaml"),
    ("an unknown option", job(""), "No such option: --modle", "run job.yaml --modle x"),
    ("an option without its value", job(""), "Option '--budget' requires an argument", "run job.yaml --budget"),
    (
        "a word for a budget",
        job(""),
        "--budget: limits.budget_usd must be an amount in US dollars",
        "run job.yaml --budget lots",
    ),
    ("an unknown state to retry", job(""), "did you mean 'refused'?", "run job.yaml --retry refusd"),
    ("a setting without a value", job(""), "write --set NAME=VALUE", "run job.yaml --set style"),
    ("a setting that stands twice", job(""), "--set look: look lists '' twice", "check job.yaml --set look=,"),
    ("a blank for an output folder", job(""), "--out is blank", ["run", "job.yaml", "--out", ""]),
    ("a setting with half a quote", job(""), "a quote is unbalanced", 'run job.yaml --set style="a'),
    (
        "rows of another kind",
        job("rows: rows.xlsx", **{"rows.xlsx": "PK"}),
        "job.yaml:5: rows.xlsx is of no known type",
    ),
    (
        "a spreadsheet's UTF-16",
        {"job.csv": "prompt,model\n".encode("utf-16")},
        "job.csv:1: the file is UTF-16, not UTF-8",
    ),
    (
        "a spreadsheet's Latin-1",
        {"job.csv": b"prompt,model\ncaf\xe9,m\n"},
        "job.csv:2: byte 4 of this line (0xe9) is no UTF-8",
    ),
    (
        "a spreadsheet's UTF-16 without a mark",
        {"job.csv": "prompt,model\na,m\n".encode("utf-16-le")},
        "holds a character that does not print (is the file UTF-16? save it as UTF-8)",
    ),
    (
        "a manifest in UTF-16 without a mark",
        {"job.yaml": "prompt: a\n".encode("utf-16-le")},
        "job.yaml:1:2: no YAML: '\\x00' control characters are not allowed (is the file UTF-16? save it as UTF-8)",
    ),
    (
        "Excel's line of its own",
        {"job.csv": f"sep=;\r\n{HEADER}\r\n"},
        "job.csv:1: 'sep=' is Excel's own line and no header (remove it",
    ),
    (
        "a header in typographic quotes",
        {"job.csv": "“prompt”,model\na,m\n"},
        "write straight quotes, or none, around '“prompt”'",
    ),
    (
        "JSON over several lines",
        {"job.jsonl": '{\n"prompt": "a"\n}\n'},
        "job.jsonl: is a JSON object (write one object a line",
    ),
    (
        "a glob for a model",
        job("matrix: {model: ['openai/*', m]}"),
        "model must be the name of one model, found the glob",
    ),
    (
        "a space in an address",
        job("rows: [{image: 'https://a b.example/c.png'}]"),
        "holds a space in its URL, which is written %20",
    ),
    ("an address without https", job("rows: [{image: www.a.example/c.png}]"), "an address begins with https://"),
    (
        "a setting that no simulator has",
        {
            "job.csv": f"{HEADER}\na,test/test\n",
            "job.yaml": "provider: {kind: simulator, simulator: {speed: 1}}\nrows: job.csv",
        },
        "job.yaml:1: provider.simulator: unknown option 'speed'",
        "check job.yaml",
    ),
    ("a header without rows", {"job.csv": f"{HEADER}\n"}, "job.csv: the file has no rows"),
    ("everything excluded", job("matrix: {quality: [low]}\nexclude: [{quality: low}]"), "nothing to generate"),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake[0])
def test_it_is_told_and_nothing_is_sent(batchgen, shop, tmp_path, mistake):
    _, files, said, *others = mistake
    (words,) = others or [next((words for name, words in COMMANDS.items() if name in files), "run job.yaml")]
    write(tmp_path, files, shop.url)
    before = everything(tmp_path)
    code, out, err = batchgen(*(words.split() if isinstance(words, str) else words))
    assert code == 2, err
    assert said in err
    assert "Traceback" not in err
    assert "sk-canary-7f3a" not in out + err
    assert not out
    # A longer line would be a value that is shown whole.
    assert max(map(len, err.splitlines())) < 400
    assert everything(tmp_path) == before
    assert not shop.posts


def test_a_pipe_is_no_manifest_and_is_not_waited_for(batchgen, tmp_path):
    os.mkfifo(tmp_path / "job.yaml")
    code, _, err = batchgen("run", "job.yaml")
    assert code == 2
    assert err.startswith("batchgen: job.yaml: is not a regular file but a pipe, which can be read only once (write it")


@pytest.mark.slow
def test_twenty_thousand_rows_of_yaml_are_read(batchgen, tmp_path):
    rows = "".join(f"- {{subject: mug {number}, mood: 'calm'}}\n" for number in range(20_000))
    write(tmp_path, {"job.yaml": f"defaults: {{model: m}}\nprompt: '{{subject}}'\nrows:\n{rows}"})
    assert batchgen("check", "job.yaml") == (0, "job.yaml: no mistakes; 20,000 requests to 1 model\n", "")


@pytest.mark.parametrize("key", ["", "  ", "sk-canary\n7f3a", "schlüssel-7f3a", "'sk-canary-7f3a'"])
def test_a_key_that_can_t_be_one_is_told_by_its_variable_only(batchgen, shop, tmp_path, monkeypatch, key):
    write(tmp_path, job(""), shop.url)
    monkeypatch.setenv("A_SERVICE", key)
    code, out, err = batchgen("run", "job.yaml")
    assert code == 2, err
    assert "A_SERVICE" in err
    assert "7f3a" not in out + err
    assert not shop.posts


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeff{HEADER}\na,m\n",
        "prompt;model\na;m\n",
        "prompt\tmodel\na\tm\n",
        f"{HEADER}\r\na,m\r\n",
        f"{HEADER}\n\na,m\n\n",
        "prompt, model\na, m\n",
    ],
    ids=["a byte order mark", "semicolons", "tabs", "line ends of Windows", "a blank line", "spaces after commas"],
)
def test_what_a_spreadsheet_writes_is_read(batchgen, tmp_path, content):
    write(tmp_path, {"job.csv": content})
    assert batchgen("check", "job.csv") == (0, "job.csv: no mistakes; 1 request to 1 model\n", "")


def test_words_that_look_like_something_else_stay_words(tmp_path):
    odd = ["NA", "null", "None", "007", "1e5", "no", "TRUE", "1,5", "=1+1"]
    lines = [f'a,m,"{word}"' for word in odd]
    write(tmp_path, {"job.csv": "\n".join([f"{HEADER},note", *lines])})
    assert [request.columns["note"] for request in plan(tmp_path / "job.csv")] == odd


def test_rows_that_ask_for_the_same_are_bought_once_and_said_to_be(batchgen, tmp_path):
    write(tmp_path, {"job.csv": f"{HEADER}\na,test/test\na,test/test\n"})
    code, out, _ = batchgen("plan", "job.csv", "--provider", "simulator")
    assert code == 0
    assert "1 new, 1 equal to another one, bought once" in out


def test_trying_again_what_nothing_failed_of_sends_nothing(batchgen, tmp_path):
    write(tmp_path, {"job.csv": f"{HEADER},size\na,test/test,64x64\n"})
    assert batchgen("run", "job.csv", "--provider", "simulator")[0] == 0
    before = (tmp_path / "outputs/job/metadata.jsonl").read_bytes()
    assert batchgen("run", "job.csv", "--provider", "simulator", "--retry", "refused")[0] == 0
    assert (tmp_path / "outputs/job/metadata.jsonl").read_bytes() == before


TWELVE = """\
name: ../../x
promt: hello
prompt: "{subject} {style} {"
defaults:
  size: 16:9
  api_key: sk-canary-7f3a
matrix:
  model: [a/b, a/b]
  style: []
  guidance: {from: 1, to: 5, step: 0}
  image: {files: inputs/*.png}
zip:
  - {subject: [a, b], seconds: [x]}
limits: {concurrency: nan}
retry: {deadline: 0s}
output: {path: "/etc/{subject}"}
rows:
  - {prompt: hello, quality: low}
  - {prompt: "", quality: ultra}
"""


@pytest.mark.parametrize("command", ["check", "plan", "run"])
def test_every_planted_mistake_is_told_at_once_in_the_order_of_the_file(batchgen, shop, tmp_path, command):
    write(tmp_path, {"job.yaml": f"{SERVICE}{TWELVE}", "input/a.png": PNG}, shop.url)
    code, out, err = batchgen(command, "job.yaml")
    told = err.splitlines()
    assert (code, out) == (2, "")
    assert [int(line.split(":")[2]) for line in told] == [2, 3, 4, 6, 7, 9, 10, 11, 12, 14, 14, 15, 16, 17, 20, 20]
    for said in (
        "(did you mean 'prompt'?)",
        "write '{{' for a brace",
        "must be 'auto' or a text like 1024x1024",
        "a job file is no place for a key",
        "lists 'a/b' twice (use 'repeat:'",
        "must have a step other than 0",
        "did you mean 'input'?",
        "must be equally long: 'subject' has 2, 'seconds' has 1",
        "found 'nan'",
        "one of auto, low, medium, high",
    ):
        assert said in err
    assert "sk-canary-7f3a" not in err
    assert not shop.posts


def test_of_many_mistakes_the_first_twenty_are_told_and_the_rest_counted(batchgen, tmp_path):
    write(tmp_path, {"job.csv": f"{HEADER},quality\n" + "".join(f"a,m,bad-{number}\n" for number in range(57))})
    code, _, err = batchgen("check", "job.csv")
    assert code == 2
    assert len(err.splitlines()) == 21
    assert err.endswith("batchgen: … and 37 more\n")


KEYS = "name provider kind prompt rows defaults matrix zip include exclude repeat limits lanes rate retry output path"
MORE = "folder extends file files from to step column prices model size quality image mask seconds api_key reuse"
VALUES = "simulator openai job.yaml data.csv m 1 0 -1 1e9 5/s 10s auto 64x64 {a} {{ ${HOME} ${a} * ../x .. ~ é \x07"
words = st.sampled_from([*KEYS.split(), *MORE.split(), *VALUES.split()])
trees = st.recursive(
    st.none() | words | st.text(max_size=4) | st.integers(-2, 3) | st.floats() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)
sound = {
    "provider": {"kind": "simulator"},
    "prompt": "{subject} in {style}",
    "rows": [{"subject": "mug"}, {"subject": "cup", "size": "64x64"}],
    "defaults": {"model": "test/test"},
    "matrix": {"style": ["ink", "oil"], "quality": {"fast": "low", "slow": {"quality": "high", "size": "2x2"}}},
    "zip": [{"a": {"from": 1, "to": 3}, "image": ["a.png", "a.png", "a.png"]}],
    "exclude": [{"style": "i*", "quality": "fast"}],
    "include": [{"style": "oil", "a": "2"}],
    "limits": {"lanes": {"*": {"rate": "5/s"}}, "budget_usd": 1},
    "output": {"path": "{subject}-{style}-{row}-{repeat}-{key}"},
}


@st.composite
def manifests(draw):
    """A sound manifest in which some parts were replaced, renamed, added or lost."""
    data = copy.deepcopy(sound)
    for _ in range(draw(st.integers(0, 2))):
        inside = data
        while isinstance(inside, dict) and inside:
            key = draw(st.sampled_from(sorted(inside, key=str)))
            if not isinstance(inside[key], dict) or draw(st.booleans()):
                break
            inside = inside[key]
        if not isinstance(inside, dict) or not inside:
            continue
        match draw(st.integers(0, 3)):
            case 0:
                inside[key] = draw(trees)
            case 1:
                inside[draw(words)] = inside.pop(key)
            case 2:
                inside[draw(words)] = draw(trees)
            case _:
                del inside[key]
    return yaml.safe_dump(data, allow_unicode=True).encode("utf-8", "surrogatepass")


cells = st.sampled_from(
    ['"', ",", "\n", ";", "\t", "prompt", "model", "image", "repeat", "m", "\x00", "\ufeff", "a|", "é"]
)
tables = st.lists(cells | st.text(max_size=3), max_size=20).map(lambda parts: "".join(parts).encode("utf-8", "replace"))
lines = st.lists(
    st.dictionaries(words, trees, max_size=4).map(lambda one: json.dumps(one, default=str)) | st.text(max_size=9),
    max_size=4,
).map(lambda texts: "\n".join(texts).encode("utf-8", "replace"))
inputs = st.one_of(
    st.tuples(st.just("job.yaml"), manifests() | st.binary(max_size=60)),
    st.tuples(
        st.just("job.csv"),
        tables | tables.map(lambda more: b"prompt,model\na,test/test\n" + more) | st.binary(max_size=40),
    ),
    st.tuples(st.just("job.jsonl"), lines | st.binary(max_size=40)),
)


@pytest.mark.timeout(300)
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(inputs, st.sampled_from(["check", "plan"]))
def test_no_input_makes_anything_but_an_answer_or_a_list_of_mistakes(batchgen, tmp_path, file, command):
    name, content = file
    write(tmp_path, {name: content, "a.png": PNG, "data.csv": "a,b\n1,2\n"})
    code, _, err = batchgen(command, name, "--provider", "simulator")
    assert code in {0, 2}, err
    assert "Traceback" not in err
    assert bool(err) == (code == 2) or err.startswith("batchgen: warning: "), err
    assert not (tmp_path / "outputs").exists()
