"""The options that stand above a manifest, the same for every command that takes one."""

import re

import pytest

HEADER = "prompt,model,category\n"


@pytest.fixture
def table(tmp_path):
    (tmp_path / "job.csv").write_text(f"{HEADER}a mug,test/test,kitchen\na fox,test/test,animals\n", encoding="utf-8")
    return "job.csv"


def options_of(batchgen, command):
    return set(re.findall(r"^  (--[a-z-]+)", batchgen(command, "--help").stdout, re.MULTILINE))


def test_check_plan_and_run_take_the_same_ones(batchgen):
    shared = options_of(batchgen, "check") - {"--help"}
    assert shared >= {"--model", "--size", "--quality", "--set", "--prompt", "--repeat", "--name", "--path"}
    assert shared >= {"--provider", "--budget", "--concurrency"}
    assert shared <= options_of(batchgen, "plan")
    assert shared <= options_of(batchgen, "run")


def test_an_option_given_twice_is_an_axis_and_a_quoted_value_may_hold_a_comma(batchgen, table):
    words = ["--prompt", "{prompt}, {style}", "--set", 'style="ink, loose",oil', "--set", "style=chalk"]
    done = batchgen("plan", table, *words, "--size", "64x64", "--size", "32x32", "--provider", "simulator")
    assert "job: 12 requests" in done.stdout, done.stderr
    assert "style: ink, loose (4), oil (4), chalk (4)" in done.stdout
    assert "size: 64x64 (6), 32x32 (6)" in done.stdout


def test_a_table_s_pictures_can_be_named_on_the_command_line(batchgen, table, tmp_path):
    words = ["--provider", "simulator", "--name", "things", "--path", "{category}/{row}", "--size", "64x64"]
    done = batchgen("run", table, *words, "--set", "output_format=png")
    assert done.returncode == 0, done.stderr
    files = {path.parent.name + "/" + path.stem for path in (tmp_path / "outputs/things/images").rglob("*.*")}
    assert files == {"kitchen/1", "animals/2"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--path", "../{row}"], "--path: output.path must not hold '..'"),
        (["--path", "{categry}"], "(did you mean 'category'?)"),
        (["--name", "a/b"], "--name: name must be a plain name"),
        (["--repeat", "0"], "--repeat: repeat must be a whole number from 1 to 10000, found '0'"),
        (["--concurrency", "many"], "--concurrency: limits.concurrency must be a whole number"),
        (["--size", "big", "--size", "1x1"], "--size: size must be 'auto' or a text like 1024x1024"),
        (["--set", "style=ink"], "--set style: 'style' is no request parameter, and no template uses it"),
        (["--set", "style=ink", "--columns", "style"], None),
        (["--set", "qualty=low"], "--set qualty: 'qualty' is no request parameter"),
        (["--set", "=low"], "write --set NAME=VALUE"),
    ],
)
def test_a_wrong_option_is_the_place_of_its_mistake(batchgen, table, words, said):
    done = batchgen("check", table, *words)
    assert done.returncode == (2 if said else 0)
    assert (said or "") in done.stderr
    assert "Traceback" not in done.stderr
