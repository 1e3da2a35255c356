"""What a run says of itself in its folder: whole at any moment, small, gone with the run, and worth no trouble."""

import anyio
import pytest

from batchgen.request import State
from batchgen.running import engine as engine_module
from batchgen.running import progress_file
from batchgen.running.events import FinalStep, Progress, Started, Stopping
from batchgen.running.progress_file import ProgressFile, read_live_state

STARTED = Started(
    4, "out", "simulator", simulated=True, expected_microusd=1, budget_microusd=None, finishing=0, balance_microusd=None
)
NOW = Progress(4, 1, {State.STORED: 2}, 1, 50, 0, 0, ())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "progress.json"


def test_what_was_heard_last_is_read_back(path):
    file = ProgressFile(path)
    for event in (STARTED, NOW, Stopping("SIGINT", 1, 0), FinalStep("writing the report")):
        file.hear(event)
    file.write()
    found = read_live_state(path)
    assert (found.started, found.progress) == (STARTED, NOW)
    assert (found.stopping, found.step.name) == ("SIGINT", "writing the report")
    assert [one.name for one in path.parent.iterdir()] == ["progress.json"]


def test_it_is_written_once_a_second_whatever_is_heard(path, monkeypatch):
    now = iter([100.0, 100.9, 101.0])
    monkeypatch.setattr(progress_file.time, "monotonic", lambda: next(now))
    file = ProgressFile(path)
    file.hear(STARTED)
    file.hear(NOW)
    file.write()
    path.unlink()
    file.write()
    assert not path.exists()
    file.write()
    assert path.exists()


def test_a_disk_that_takes_nothing_is_left_alone(tmp_path):
    file = ProgressFile(tmp_path / "nowhere/progress.json")
    file.hear(STARTED)
    file.hear(NOW)
    file.write()
    file.remove()


@pytest.mark.parametrize("content", [b"", b"{}", b"[", b"\xff", b'{"started": 1}', b"[" * 50_000])
def test_a_file_of_another_version_is_none(path, content):
    path.write_bytes(content)
    assert read_live_state(path) is None


def test_a_link_or_a_pipe_is_none(tmp_path, path):
    (tmp_path / "other").write_bytes(b"{}")
    path.symlink_to(tmp_path / "other")
    assert read_live_state(path) is None


@pytest.mark.anyio
async def test_a_run_says_how_far_each_model_is(customer, monkeypatch):
    monkeypatch.setattr(engine_module, "STEER_EVERY_S", 0.01)
    monkeypatch.setattr(progress_file, "WRITTEN_EVERY_S", 0.0)
    one = customer().order(range(40), limits={"concurrency": 2})
    one.shop.latency_s = 0.02
    found = []

    async def look():
        with anyio.fail_after(20):
            while not found or sum(found[-1].progress.ended.values()) < 10:
                if (state := read_live_state(one.folder.progress)) is not None:
                    found.append(state)
                await anyio.sleep(0.005)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look)
        await one.run()
    (lane,) = found[-1].progress.lanes
    assert (lane.model, lane.total, lane.allowed) == ("maker/one", 40, 2)
