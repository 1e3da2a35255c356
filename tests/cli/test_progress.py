"""What a run shows: nothing moves or is cut at any width, the reason for waiting stands on a line of its own."""

import dataclasses

import pytest

from batchgen.cli import progress, progress_text
from batchgen.request import State
from batchgen.running.events import FinalStep, LaneProgress, Notice, Progress, Started, Wait
from tests.cli.terminals import at_a_terminal, frames

FAST = LaneProgress("black-forest-labs/FLUX-1-schnell", 300, 300, 0, 0, 24, 4.1, 0.8, 0.0, "done")
SLOW = LaneProgress("openai/gpt-image-1-mini", 300, 147, 3, 2, 3, 0.35, 11.2, 687.0, "throttled")
NOW = Progress(
    total=600,
    done_before=0,
    ended={State.STORED: 444, State.REFUSED: 3},
    in_flight=2,
    billed_microusd=730_000,
    maybe_microusd=0,
    estimated_microusd=0,
    waits=(Wait("openai/gpt-image-1-mini", 151, 12.0, "the service asked to wait"),),
    lanes=(FAST, SLOW),
    rate_per_s=0.35,
    eta_s=687.0,
    budget_microusd=60_000_000,
)


SUMMARY = "447/600 done · $0.73 of $60.00 · 3 failed · 21/min · ETA 11 min"
WAITS = "waits: the service asked to wait, 10 s: 151 requests to openai/gpt-image-1-mini"


def text(progress, width, **more):
    """The lines as they stand at a terminal; bars as full as they are."""
    shown = []
    for line in progress_text.lines(progress, width=width, rows=30, **more):
        bar = max(1, width - len(line.left) - len(line.right)) if line.has_bar else 0
        full = round(bar * line.done / line.total) if bar else 0
        shown.append(f"{line.left}{'#' * full}{'.' * (bar - full)}{line.right}".rstrip())
    return shown


def test_at_80_columns_everything_is_there():
    assert text(NOW, 79) == [
        "model                        done  flight      rate    p50 failed state",
        "…bs/FLUX-1-schnell ###### 300/300    0/24            0.8 s        done",
        "…/gpt-image-1-mini ###... 147/300     2/3    21/min 11.2 s      3 throttled",
        " 74% ###########.... 447/600 · $0.73 of $60.00 · 3 failed · 21/min · ETA 11 min",
        WAITS,
    ]


def test_at_120_columns_names_are_whole_and_bars_longer():
    heading, fast, slow, total, reason = text(NOW, 119)
    assert fast.startswith("black-forest-labs/FLUX-1-schnell ####")
    assert slow.endswith(" 21/min 11.2 s      3 throttled")
    assert heading.index("flight") + 6 == slow.index("2/3") + 3
    assert len(total) <= 119
    assert reason == WAITS


@pytest.mark.parametrize("width", [40, 50, 60, 70, 79, 100, 119, 200])
def test_no_line_is_longer_than_the_terminal_and_each_names_its_state(width):
    heading, fast, slow, total, reason = text(NOW, width)
    assert max(map(len, (heading, fast, slow, total, reason))) <= width
    assert slow.endswith("throttled")
    assert "447/600" in total
    assert total.endswith("ETA 11 min")
    assert reason.startswith("waits: the service asked to wait")


@pytest.mark.parametrize("width", [40, 79, 119])
def test_nothing_moves_while_numbers_change(width):
    later = dataclasses.replace(
        NOW,
        ended={State.STORED: 9, State.REFUSED: 590},
        waits=(),
        billed_microusd=9_123_456,
        eta_s=3.0,
        lanes=(
            dataclasses.replace(FAST, done=7, in_flight=24, rate_per_s=141.0, failed=290),
            dataclasses.replace(SLOW, state="told to wait", p50_s=None, rate_per_s=None),
        ),
    )
    before, after = (progress_text.lines(one, width=width, rows=30) for one in (NOW, later))
    assert len(before) == len(after)
    for one, other in list(zip(before, after, strict=True))[:3]:
        assert (len(one.left), len(one.right)) == (len(other.left), len(other.right))


def test_many_models_leave_room_for_the_total_and_say_so():
    many = dataclasses.replace(NOW, lanes=tuple(dataclasses.replace(SLOW, model=f"maker/{n}") for n in range(40)))
    shown = progress_text.lines(many, width=79, rows=24)
    assert len(shown) <= 23
    assert "20 more models not shown" in shown[-1].left


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (4.4, "4 s"), (42, "40 s"), (89, "90 s"), (687, "11 min"), (6_000, "1 h 40 min"), (90_000, "25 h")],
)
def test_a_time_is_no_finer_than_it_is_known(seconds, said):
    assert progress_text.span(seconds) == said


def test_without_an_estimate_the_reason_stands_in_its_place():
    lanes = (FAST, dataclasses.replace(SLOW, state="paused", eta_s=None))
    assert progress_text.eta_text(dataclasses.replace(NOW, eta_s=None, lanes=lanes)) == "ETA unknown (paused)"


def test_control_characters_of_a_model_s_name_reach_no_terminal():
    lanes = (FAST, dataclasses.replace(SLOW, model="a\x1b[2Jb{bar}"))
    assert not any("\x1b" in line for line in text(dataclasses.replace(NOW, lanes=lanes), 79))


def heard(*events):
    with progress.progress_bar() as listen:
        for event in events:
            listen(event)


def test_a_pipe_gets_notices_at_once_and_progress_once_a_minute(capsys, monkeypatch):
    now = iter([0.0, 10.0, 61.0, 61.0, 70.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    step = FinalStep("writing the report")
    heard(Notice("a"), NOW, NOW, NOW, step, step)
    assert capsys.readouterr().err.splitlines() == [
        "batchgen: a",
        f"batchgen: {SUMMARY}; {WAITS}",
        "batchgen: after the last answer: writing the report",
    ]


def test_a_short_run_says_nothing_in_a_pipe(capsys):
    heard(NOW, NOW, FinalStep("writing the report"))
    assert capsys.readouterr().err == ""


@pytest.mark.process
@pytest.mark.parametrize("columns", [80, 120])
def test_a_run_at_a_terminal_draws_in_place_and_leaves_the_last_state(tmp_path, own_job, columns):
    own_job.write_text(own_job.read_text().replace("0.01", "0.4").replace("[ink, oil]", "[a, b, c, d, e, f, g]"))
    own_job.write_text(
        own_job.read_text().replace("model: test/test, ", "") + "  model: [test/test, openai/gpt-image-1]\n"
    )
    own_job.write_text(own_job.read_text().replace(", size: 64x64", "").replace("size: 64x64", "size: 1024x1024"))
    code, output = at_a_terminal(tmp_path, "run", "job.yaml", columns=columns)
    assert code == 0, output
    shown = frames(output)
    middle = [line for line in shown[len(shown) // 2] if line]
    assert middle[0] == "simulated: no real money is spent"
    assert middle[1].startswith("model")
    assert middle[2].startswith("test/test")
    assert max(len(line) for frame in shown for line in frame) <= columns
    assert any("after the last answer" in line for frame in shown for line in frame)
    last = "\n".join(shown[-1])
    assert "14/14" in last
    assert "100% " in last
    assert "after the last answer" not in last
    assert "\x1b[3" not in output.partition("model ")[2].partition("billed")[0], "no colours are needed"


@pytest.mark.process
def test_a_dumb_terminal_is_never_drawn_on(tmp_path, own_job):
    code, output = at_a_terminal(tmp_path, "run", "job.yaml", TERM="dumb")
    assert code == 0
    assert "\x1b" not in output
    assert "simulated: no real money is spent" in output
    assert "\rbatchgen" not in output.replace("\r\n", "\n")


def test_started_is_no_news_of_a_pipe(capsys):
    heard(Started(1, "out", "simulator", True, 0, None, 0, None))
    assert capsys.readouterr().err == ""
