"""A message says what is wrong in the place where it is, once, and what to do about it."""

import base64

import pytest

from tests.program import run_here


@pytest.fixture
def told(tmp_path):
    """Run the program in the test's folder with these files; return the exit code and what it said to people."""

    def told(*words, **files):
        for name, content in files.items():
            path = tmp_path / name.replace("__", ".")
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        done = run_here(tmp_path, *words)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    return told


CHECK = ("check", "job.csv", "--model", "test/test", "--provider", "simulator")


@pytest.mark.parametrize(
    "size", ["1024X1024", "1024×1024", "1024 x 1024", "1024*1024", "1024х1024", "1024x1024px", "1024 by 1024"]
)
def test_a_size_in_another_writing_has_the_right_one_beside_it(told, size):
    code, said = told(*CHECK, job__csv=f"prompt,size\na fox,{size}\n")
    assert code == 2
    assert f"found '{size}'; did you mean '1024x1024'?" in said


@pytest.mark.parametrize("size", ["16:9", "1024", "big", "0x0", "99999x1"])
def test_what_is_no_size_at_all_has_none_beside_it(told, size):
    assert "did you mean" not in told(*CHECK, job__csv=f"prompt,size\na fox,{size}\n")[1]


def test_a_file_without_a_header_is_asked_for_it(told):
    code, said = told(*CHECK, job__csv="a fox in snow,1024x1024\na mug on a table,512x512\n")
    assert code == 2
    assert (
        "no prompt is given (is the header missing? the first line has to name the columns, such as prompt,size; or"
        in said
    )


def test_a_file_in_utf_32_is_called_so(told):
    assert (
        "the file is UTF-32, not UTF-8 (save it as UTF-8)" in told(*CHECK, job__csv="prompt\na\n".encode("utf-32"))[1]
    )


def test_a_picture_inside_a_cell_may_be_as_large_as_any(told):
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(150_000)).decode()
    said = told(*CHECK, job__csv=f"prompt,image\na fox,data:image/png;base64,{picture}\n")[1]
    assert "unbalanced" not in said
    assert "characters" not in said


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("pause", "stop a run with Ctrl-C"),
        ("resume", "the same `batchgen run JOB` goes on where it stopped"),
        ("estimate", "`batchgen plan JOB` shows"),
        ("validate", "`batchgen check JOB` finds"),
    ],
)
def test_a_word_of_other_programs_leads_to_the_right_command(told, word, said):
    code, message = told(word, "outputs/job")
    assert code == 2
    assert said in message
    assert "prune" not in message


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("plan", "job.csv", "-n", "3"), "-n is for `batchgen run`"),
        (("-n",), "`--repeat N` makes N pictures"),
        (("check", "job.csv", "--dry-run"), "--dry-run is for `batchgen run`"),
        (("plan", "job.csv", "--verbose"), "`batchgen run --verbose` writes a line for each request"),
        (("status", "x", "-q"), "`batchgen run -q` says nothing but warnings"),
        (("run", "job.csv", "-q", "-v"), "--quiet and --verbose are opposites"),
    ],
)
def test_an_option_of_other_programs_leads_to_the_right_one(told, words, said):
    code, message = told(*words, job__csv="prompt\na\n")
    assert code == 2
    assert said in message


def test_a_capital_v_prints_the_version(tmp_path):
    assert run_here(tmp_path, "-V").stdout == run_here(tmp_path, "--version").stdout


@pytest.mark.parametrize("option", ["--dry-run", "-n"])
def test_a_dry_run_is_the_plan_and_sends_nothing(tmp_path, option):
    (tmp_path / "job.csv").write_text("prompt,model\na fox,test/test\n", encoding="utf-8")
    words = ("job.csv", "--provider", "simulator")
    done = run_here(tmp_path, "run", *words, option)
    assert (done.returncode, done.stdout) == (0, run_here(tmp_path, "plan", *words).stdout)
    assert not (tmp_path / "outputs").exists()
    assert "leave out --limit" in run_here(tmp_path, "run", *words, option, "--limit", "1").stderr


@pytest.mark.parametrize("command", ["status", "report", "verify", "rank", "compare", "restore"])
def test_a_mistyped_folder_is_wrong_usage_and_no_damage(tmp_path, command):
    (tmp_path / "outputs/nightly/.batchgen").mkdir(parents=True)
    done = run_here(tmp_path, command, "outputs/nigthly")
    assert done.returncode == 2
    assert "damaged" not in done.stderr
    if command != "restore":
        assert done.stderr == "batchgen: outputs/nigthly: there is no such folder (did you mean 'nightly'?)\n"


def test_a_manifest_in_the_place_of_its_folder_is_told_so(told):
    code, said = told("status", "job.csv", job__csv="prompt\na\n")
    assert (code, said) == (2, "batchgen: job.csv is a file; name its run folder, such as outputs/job\n")


def test_a_folder_name_with_a_blank_can_be_copied_from_what_init_says(told):
    assert "next: batchgen plan 'my jobs/dataset.yaml'" in told("init", "dataset", "--into", "my jobs")[1]


def test_an_unknown_key_does_not_hide_an_unknown_name_of_a_template(told):
    text = "provider: simulator\nqualty: low\nprompt: '{x} on a table'\nrows: [{subject: fox}]\ndefaults: {model: m}\n"
    code, said = told("check", "job.yaml", job__yaml=text)
    assert code == 2
    assert "job.yaml:2: unknown key 'qualty'" in said
    assert "job.yaml:3: prompt uses '{x}', which nothing sets" in said


def test_a_mistyped_model_is_told_once_where_it_stands(told):
    picture = b"\x89PNG\r\n\x1a\n" + bytes(32)
    text = "provider: simulator\nrows: rows.csv\ndefaults:\n  size: auto\n  model: openai/gpt-image-11\n"
    table = "prompt,image\n" + "make it night,{}.png\nmake it snow,{}.png\n".format("a", "b")
    code, said = told("plan", "job.yaml", job__yaml=text, rows__csv=table, a__png=picture, b__png=picture + b"\0")
    assert code == 2
    assert said.count("openai/gpt-image-11") == 1
    assert "job.yaml:5: model 'openai/gpt-image-11' is not in the catalogue" in said
