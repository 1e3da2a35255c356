"""The options and commands of unattended runs, as cron would use them."""

import json
import socket
import sys
import time

import pytest

from batchgen.cli import notify
from batchgen.errors import UsageError
from batchgen.testing.loopback import Reply, loopback

NAMED = """\
provider: {kind: simulator, simulator: {latency_s: 0.01}}
prompt: "icon of {subject}"
rows:
  - {icon: mug, subject: a red mug}
  - {icon: tea, subject: a teapot}
defaults: {model: test/test, size: 64x64}
output: {path: "icons/{icon}"}
"""


@pytest.fixture
def named(tmp_path, shared):
    path = tmp_path / "icons.yaml"
    path.write_text(shared(NAMED), encoding="utf-8")
    return path


def edit(path, before, after):
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def summary(tmp_path, name="icons"):
    return json.loads((tmp_path / f"outputs/{name}/summary.json").read_text(encoding="utf-8"))


@pytest.fixture
def hook():
    """A webhook that remembers what it was sent."""
    with loopback() as service:
        service.url += "/secret-path?token=abc"
        answering(service, 204)
        yield service


def answering(hook, status):
    hook.reply = lambda _: Reply(status, headers={"location": f"{hook.url}/elsewhere"})


def test_plan_says_why_in_80_columns(batchgen, bought, named):
    bought(named)
    edit(named, "a red mug", "a blue mug")
    edit(named, "- {icon: tea", "- {icon: owl, subject: an owl}\n  - {icon: tea")
    done = batchgen("plan", named)
    assert "  1 new, 1 changed, 1 done\n" in done.stdout
    assert 'changed  prompt: "…of a red mug" → "…of a blue mug"' in done.stdout
    assert "1 stored request is no longer in the manifest" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_plan_lists_a_reason_for_every_request(batchgen, named):
    edit(named, "a teapot", "forbidden-by-simulator")
    batchgen("run", named)
    edit(named, "a red mug", "a blue mug")
    done = batchgen("plan", named, "--reasons")
    words = [line.split()[2] for line in done.stdout.splitlines() if line[:8].strip().isdigit()]
    assert words[:2] == ["changed", "refused"]


def test_explain_tells_the_field_and_both_values_with_nothing_that_moves_the_cursor(batchgen, bought, named):
    bought(named)
    edit(named, "a red mug", r'"a \e[31mblue\a mug"')
    done = batchgen("explain", named, 1)
    assert done.returncode == 0, done.stderr
    assert "changed: it replaces" in done.stdout
    assert r'prompt: "icon of a red mug" → "icon of a \x1b[31mblue\x07 mug"' in done.stdout
    assert "\x1b" not in done.stdout
    key = done.stdout.split()[0]
    assert batchgen("explain", named, key[:9]).stdout == done.stdout
    assert "done: it is stored" in batchgen("explain", named, 2).stdout


def test_explain_helps_where_nothing_is_meant(batchgen, named):
    done = batchgen("explain", named, "abcdef012")
    assert done.returncode == 2
    assert "the nearest are" in done.stderr
    assert "rows reach up to 2" in batchgen("explain", named, 9).stderr


def test_explain_works_before_the_first_run(batchgen, named, tmp_path):
    done = batchgen("explain", named, 1)
    assert "new: nothing was bought in this folder yet" in done.stdout
    assert not (tmp_path / "outputs").exists()


def test_a_changed_picture_keeps_its_name_and_an_edit_taken_back_costs_nothing(batchgen, bought, named, tmp_path):
    bought(named)
    icon = tmp_path / "outputs/icons/images/icons/mug.jpg"
    red = icon.read_bytes()
    edit(named, "a red mug", "a blue mug")
    batchgen("run", named)
    blue = icon.read_bytes()
    assert blue != red
    edit(named, "a blue mug", "a red mug")
    done = batchgen("run", named)
    assert done.stderr == "nothing to buy: 2 requests stored in outputs/icons\n"
    assert icon.read_bytes() == red
    assert len(list(icon.parent.iterdir())) == 2
    assert batchgen("verify", "outputs/icons", "--read-data").returncode == 0


def test_orphans_are_listed_at_the_end_counted_in_the_summary_and_pruned_when_asked(batchgen, bought, named, tmp_path):
    bought(named)
    edit(named, "  - {icon: tea, subject: a teapot}\n", "")
    done = batchgen("run", named)
    assert done.stderr == "nothing to buy: 1 request stored, 1 no longer in the manifest in outputs/icons\n"
    (orphan,) = summary(tmp_path)["orphans"]["first"]
    assert (orphan["prompt"], orphan["file"]) == ("icon of a teapot", "images/icons/tea.jpg")
    done = batchgen("prune", named)
    assert done.returncode == 0, done.stderr
    assert "1 request pruned" in done.stderr
    assert not (tmp_path / "outputs/icons/images/icons/tea.jpg").exists()
    assert len(list((tmp_path / "outputs/icons/.batchgen/pictures").glob("*/*.jpg"))) == 2
    lines = (tmp_path / "outputs/icons/metadata.jsonl").read_text().splitlines()
    assert [json.loads(line)["icon"] for line in lines] == ["mug"]
    assert batchgen("prune", named).stderr.startswith("0 requests pruned")
    assert batchgen("verify", "outputs/icons", "--read-data").returncode == 0


def test_prune_wants_a_run_folder(batchgen, named):
    done = batchgen("prune", named)
    assert done.returncode == 2
    assert "there is no ledger here" in done.stderr


def test_the_summary_tells_of_the_last_run_also_where_that_bought_nothing(batchgen, bought, named, tmp_path):
    bought(named)
    first = summary(tmp_path)
    assert (first["last_run"]["attempts"], first["runs"]) == (2, 1)
    batchgen("run", named)
    second = summary(tmp_path)
    assert (second["last_run"]["attempts"], second["runs"]) == (0, 2)
    assert second["last_run"]["started_at"] > first["last_run"]["ended_at"]
    ours = {"runs", "ended_at", "last_run", "mark"}
    assert {name: value for name, value in second.items() if name not in ours} == {
        name: value for name, value in first.items() if name not in ours
    }
    batchgen("report", "outputs/icons")
    assert summary(tmp_path) == second


def test_a_summary_that_was_damaged_is_written_anew(batchgen, bought, named, tmp_path):
    bought(named)
    (tmp_path / "outputs/icons/summary.json").write_text("[]")
    assert batchgen("run", named).returncode == 0
    assert summary(tmp_path)["runs"] == 2


def test_a_command_gets_the_summary_and_its_failure_changes_no_exit_code(batchgen, named, tmp_path):
    script = tmp_path / "told.py"
    script.write_text(
        "import json, os, sys\n"
        "told = json.load(sys.stdin)\n"
        "print('printed by the command')\n"
        "names = ('BATCHGEN_SUMMARY', 'BATCHGEN_FOLDER', 'BATCHGEN_EXIT_CODE')\n"
        "open('told.json', 'w').write(json.dumps([told, [os.environ[name] for name in names]]))\n"
        "sys.exit(7)\n"
    )
    done = batchgen("run", named, "--on-finish", f"{sys.executable} '{script}'")
    assert (done.returncode, done.stdout) == (0, "outputs/icons\n")
    assert "ended with exit code 7; the run itself is not affected" in done.stderr
    assert "printed by the command" in done.stderr
    told, environment = json.loads((tmp_path / "told.json").read_text())
    folder = str(tmp_path / "outputs/icons")
    assert environment == [f"{folder}/summary.json", folder, "0"]
    assert (told["exit_code"], told["folder"], told["states"]["stored"]) == (0, folder, 2)


def test_a_command_sees_no_shell(batchgen, named, tmp_path):
    batchgen("run", named, "--on-finish", "touch a;b $HOME")
    assert (tmp_path / "a;b").exists()
    assert (tmp_path / "$HOME").exists()


def test_a_command_that_is_not_there_or_does_not_end_is_said(batchgen, named, monkeypatch, capsys):
    done = batchgen("run", named, "--on-finish", "no-such-program --now")
    assert done.returncode == 0
    assert "no-such-program can't be run: No such file or directory" in done.stderr
    monkeypatch.setattr(notify, "COMMAND_S", 0.2)
    notifier = notify.Notifier(["sleep", "30"], None)
    began = time.monotonic()
    notifier.ended(0, None)
    assert time.monotonic() - began < 10
    assert "sleep was stopped after 0.2 s" in capsys.readouterr().err


def test_a_webhook_gets_one_post_with_the_summary_and_no_key(batchgen, named, hook, tmp_path):
    done = batchgen("run", named, "--webhook", hook.url, IMAGEROUTER_API_KEY="very-secret-key")
    assert done.returncode == 0, done.stderr
    (post,) = hook.seen
    assert (post.method, post.path) == ("POST", "/secret-path?token=abc")
    assert post.headers["content-type"] == "application/json"
    told = json.loads(post.body)
    assert (told["exit_code"], told["states"]["stored"]) == (0, 2)
    assert b"very-secret-key" not in post.body
    assert "authorization" not in post.headers


@pytest.mark.parametrize("status", [302, 500])
def test_a_webhook_that_answers_anything_else_is_said_without_its_address_and_not_asked_again(
    batchgen, named, hook, status
):
    answering(hook, status)
    done = batchgen("run", named, BATCHGEN_WEBHOOK=hook.url)
    assert done.returncode == 0
    assert f"the webhook at 127.0.0.1 answered {status}" in done.stderr
    assert "secret-path" not in done.stderr
    assert "abc" not in done.stderr
    assert len(hook.seen) == 1


def test_a_webhook_nobody_answers_does_not_keep_the_end_waiting(monkeypatch, capsys):
    monkeypatch.setattr(notify, "WEBHOOK_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        notify.Notifier(None, f"http://127.0.0.1:{silent.getsockname()[1]}/").ended(3, "why")
        assert time.monotonic() - began < 5
    assert "did not answer within 0.3 s" in capsys.readouterr().err
    notify.Notifier(None, "http://127.0.0.1:9/").ended(3, "why")
    assert "the webhook at 127.0.0.1 can't be reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url", ["http://example.com/x", "ftp://127.0.0.1/", "https://", "127.0.0.1:80", "http://[::1", "https://a:b/"]
)
def test_a_webhook_is_https_or_on_this_machine(url):
    with pytest.raises(UsageError, match="must be an https address"):
        notify.check_webhook(url)


def test_nights_that_could_not_begin_are_told_too(batchgen, named, hook):
    edit(named, "{subject}", "{subjekt}")
    assert batchgen("run", named, "--webhook", hook.url).returncode == 2
    told = json.loads(hook.seen[0].body)
    assert (told["exit_code"], told["folder"]) == (2, None)
    assert "subjekt" in told["reason"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--deadline", "25:00"], "--deadline '25:00'"),
        (["--max-failures", "none"], "--max-failures 'none'"),
        (["--night-budget", "lots"], "--night-budget 'lots'"),
        (["--night-budget", "-1"], "--night-budget '-1'"),
        (["--on-finish", "'"], "--on-finish"),
        (["--on-finish", ""], "--on-finish is empty"),
        (["--webhook", "http://example.com"], "--webhook"),
        (["--canary", "-1"], "--canary"),
    ],
)
def test_what_can_t_be_used_is_said_before_anything_is_made(batchgen, named, tmp_path, words, said):
    done = batchgen("run", named, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_a_night_s_options_together(batchgen, named, tmp_path):
    words = ("--night-budget", "1", "--deadline", "6h", "--max-failures", "5%", "--canary", "1", "--prune")
    done = batchgen("run", named, *words)
    assert done.returncode == 0, done.stderr
    assert summary(tmp_path)["states"]["stored"] == 2
    done = batchgen("run", named, *words)
    assert done.stderr == "nothing to buy: 2 requests stored in outputs/icons\n"


LIMITED = """\
provider: {kind: simulator, simulator: {latency_s: 0.01}}
defaults: {model: black-forest-labs/FLUX-1-schnell, size: 64x64}
limits: {concurrency: 1, LIMIT}
rows: [{prompt: a forbidden-by-simulator}, {prompt: a}, {prompt: b}, {prompt: c}]
"""


@pytest.mark.parametrize(
    ("limit", "flags", "reason"),
    [
        ("max_failures: 1", ["--max-failures", "4"], "1 request of this run failed, and max_failures is 1"),
        ("night_budget_usd: 0.001", ["--night-budget", "1"], "the night's budget of $0.001 is used up"),
        ("deadline: 1s", ["--deadline", "6h"], "the deadline of 1s has come"),
    ],
)
def test_a_night_s_limits_may_stand_in_the_manifest_and_a_flag_stands_above_them(
    batchgen, tmp_path, limit, flags, reason
):
    slow = LIMITED.replace("0.01", "0.6") if "deadline" in limit else LIMITED
    (tmp_path / "job.yaml").write_text(slow.replace("LIMIT", limit), encoding="utf-8")
    stopped = batchgen("run", "job.yaml")
    assert stopped.returncode == 3, stopped.stderr
    assert f"stopped early: {reason}" in stopped.stderr
    assert batchgen("run", "job.yaml", *flags).returncode == 1


def test_mistakes_of_the_command_line_are_told_along_with_those_of_the_manifest(batchgen, tmp_path):
    (tmp_path / "job.yaml").write_text("promt: a\ndefaults: {model: m}\n", encoding="utf-8")
    wrong = ["--deadline", "soon", "--max-failures", "some", "--night-budget", "$5", "--retry", "spoild", "--only", "a"]
    done = batchgen("run", "job.yaml", *wrong)
    assert done.returncode == 2
    for said in (
        "--deadline 'soon'",
        "--max-failures 'some'",
        "--night-budget '$5'",
        "did you mean 'spoiled'",
        "'promt'",
    ):
        assert said in done.stderr
    assert "--only 'a': write --only NAME=VALUE" in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_pruning_with_delete_frees_the_room_says_how_much_and_buys_nothing_again_unasked(
    batchgen, bought, named, tmp_path
):
    bought(named)
    pictures = tmp_path / "outputs/icons/.batchgen/pictures"
    edit(named, "  - {icon: tea, subject: a teapot}\n", "")
    assert batchgen("prune", named, "--delete").returncode == 0
    assert len(list(pictures.glob("*/*.jpg"))) == 1
    done = batchgen("prune", named, "--delete")
    assert "0 pictures deleted; that makes room for 0 bytes" in done.stderr
    edit(named, "rows:\n", "rows:\n  - {icon: tea, subject: a teapot}\n")
    done = batchgen("run", named)
    assert (done.returncode, done.stderr.startswith("nothing to buy: 2 requests stored")) == (0, True)
    assert not (tmp_path / "outputs/icons/images/icons/tea.jpg").exists()
    assert batchgen("verify", "outputs/icons").returncode == 0
    assert batchgen("run", named, "--retry", "missing").returncode == 0
    assert (tmp_path / "outputs/icons/images/icons/tea.jpg").is_file()


@pytest.mark.parametrize("words", [["--only", "icon=mug"], ["--limit", "1"]])
def test_a_part_of_a_manifest_prunes_nothing_and_says_why(batchgen, bought, named, words):
    bought(named)
    done = batchgen("run", named, "--prune", *words)
    assert done.returncode == 2
    assert "--prune needs the whole manifest" in done.stderr


def test_a_manifest_that_was_cut_off_prunes_nothing_and_ends_with_3(batchgen, named, shared, tmp_path):
    rows = "".join(f"  - {{icon: i{number}, subject: icon {number}}}\n" for number in range(5))
    text = named.read_text()
    head, tail = text.split("rows:\n")
    rest = tail[tail.index("defaults:") :]
    named.write_text(f"{head}rows:\n{rows}{rest}")
    assert batchgen("run", named).returncode == 0
    named.write_text(f"{head}rows:\n  - {{icon: i0, subject: icon 0}}\n{rest}")
    done = batchgen("run", named, "--prune")
    assert done.returncode == 3
    assert "nothing was pruned: 4 names of 5 would go, more than half" in done.stderr
    assert len(list((tmp_path / "outputs/icons/images/icons").iterdir())) == 5
    assert "4 requests pruned" in batchgen("prune", named).stderr
    assert len(list((tmp_path / "outputs/icons/images/icons").iterdir())) == 1
