"""The Python interface: the same run as from the command line, on asyncio and on trio."""

from pathlib import Path

import pytest

from batchgen import forecast, load_manifest, open_run, plan, run, run_async
from batchgen.errors import ExitCode, ManifestError, UsageError
from batchgen.request import State
from batchgen.running.events import Ended, FinalStep, Notice, Progress, Started
from batchgen.store.looks import update

MANIFEST = """\
provider: {kind: simulator, base_url: "SIMULATOR"}
prompt: "{subject}"
rows: [{subject: mug}, {subject: teapot}, {subject: forbidden-by-simulator}]
defaults: {model: test/test, size: 64x64}
"""


@pytest.fixture
def job(tmp_path, simulator):
    path = tmp_path / "job.yaml"
    path.write_text(MANIFEST.replace("SIMULATOR", simulator), encoding="utf-8")
    return path


def test_a_run_tells_its_listener_everything_that_ended(job, tmp_path):
    heard = []
    ended = run(load_manifest(job), folder=tmp_path / "out", listen=heard.append)
    assert ended.exit_code is ExitCode.FAILURES
    assert ended.states == {State.STORED: 2, State.REFUSED: 1}
    assert isinstance(heard[0], Started)
    assert sorted(event.state for event in heard if isinstance(event, Ended)) == ["refused", "stored", "stored"]
    steps = [event.name for event in heard if isinstance(event, FinalStep)]
    last = heard[-1 - len(steps)]
    assert isinstance(last, Progress)
    assert steps[-1] == "writing metadata.jsonl"
    assert sum(last.ended.values()) == 3


@pytest.mark.anyio
async def test_a_run_inside_a_running_loop_works_on_asyncio_and_trio(job, tmp_path):
    ended = await run_async(job, folder=tmp_path / "out")
    assert ended.states[State.STORED] == 2
    assert ended.summary().pictures == 2


def test_what_a_run_could_not_look_at_is_counted_and_left_to_the_report(tmp_path, simulator, monkeypatch):
    monkeypatch.setattr(update, "AFTER_A_RUN_S", 0)
    path = tmp_path / "job.yaml"
    path.write_text(MANIFEST.replace("SIMULATOR", simulator).replace("forbidden-by-simulator", "jug"), encoding="utf-8")
    heard = []
    run(path, folder=tmp_path / "out", listen=heard.append)
    (told,) = [event.message for event in heard if isinstance(event, Notice)]
    assert told.startswith("2 pictures are not looked at yet")
    assert f"`batchgen report {tmp_path / 'out'}`" in told


def test_a_run_without_a_folder_uses_the_manifest_s(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(job).folder == Path("outputs/job")


def test_an_open_run_gives_every_record_with_its_pictures(job, tmp_path):
    run(job, folder=tmp_path / "out")
    records = list(open_run(tmp_path / "out").records())
    assert [record.state for record in records] == ["stored", "stored", "refused"]
    assert all((tmp_path / "out" / picture.file).is_file() for record in records for picture in record.pictures)
    assert open_run(tmp_path / "out").summary().requests == 3


def test_a_forecast_counts_what_is_new(job, tmp_path):
    assert forecast(job, folder=tmp_path / "out").new == 3
    run(job, folder=tmp_path / "out")
    after = forecast(job, folder=tmp_path / "out")
    assert after.new == 0
    assert after.by_state[State.STORED] == 2


def test_mistakes_come_as_one_error_before_anything_is_made(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text("prompt: '{colour}'\nrows: [{color: red}]\ndefaults: {model: a}\nrepeat: 0\n", encoding="utf-8")
    with pytest.raises(ManifestError) as caught:
        plan(path)
    assert len(caught.value.problems) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is this a run folder"):
        open_run(tmp_path)
