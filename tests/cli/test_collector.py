import gc

import pytest

from batchgen.cli.collector import collecting_seldom
from batchgen.running.events import Notice, Started

STARTED = Started(1, "out", "simulator", True, 0, None, 0, None)


@pytest.fixture
def thresholds():
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_was_there_at_the_start_is_left_out_of_collections_until_the_run_has_ended(thresholds):
    heard = []
    with collecting_seldom(heard.append) as listen:
        listen(Notice("a word before"))
        assert (gc.get_freeze_count(), gc.get_threshold()) == (0, thresholds)
        listen(STARTED)
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold()[0] > thresholds[0]
    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, thresholds)
    assert heard == [Notice("a word before"), STARTED]


def test_a_run_that_fails_leaves_the_collector_as_it_was(thresholds):
    def run_that_fails():
        with collecting_seldom([].append) as listen:
            listen(STARTED)
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        run_that_fails()
    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, thresholds)


def test_garbage_in_cycles_is_still_collected(thresholds):
    class Cycle:
        def __init__(self):
            self.itself = self

    with collecting_seldom([].append) as listen:
        listen(STARTED)
        for _ in range(gc.get_threshold()[0] + 1000):
            Cycle()
        assert gc.get_count()[0] < gc.get_threshold()[0]


def test_a_program_that_runs_a_manifest_keeps_its_collector(thresholds, simulator, tmp_path):
    from batchgen import run

    job = tmp_path / "job.yaml"
    provider = f"{{kind: imagerouter, base_url: '{simulator}'}}"
    job.write_text(f"{{provider: {provider}, prompt: a mug, defaults: {{model: test/test}}}}")
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGEROUTER_API_KEY", "0" * 64)
        ended = run(
            job, folder=tmp_path / "out", listen=lambda _: seen.append((gc.get_freeze_count(), gc.get_threshold()))
        )
    assert ended.exit_code == 0, ended.reason
    assert set(seen) == {(0, thresholds)}
