"""Pictures looked at while others are bought: nothing waits for a look, and no look that was cut short is kept."""

import time

import pytest

from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.looks.ahead import WORTH_A_START, LookAhead
from batchgen.store.looks.thumbnails import read_looks, thumbnail_name
from tests.compare.folders import picture
from tests.ledgers import at_rest


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def bought(folder, count):
    return [at_rest(folder, f"{number:032x}", picture(number)) for number in range(count)]


def looks(folder):
    return [look for handful in read_looks(folder) for look in handful]


def wait_for(reached):
    end_s = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_pictures_are_looked_at_while_the_run_goes_on(folder):
    pictures = bought(folder, WORTH_A_START + 6)
    ahead = LookAhead(folder)
    for one in pictures:
        ahead.add([one])
    wait_for(lambda: len(looks(folder)) == len(pictures))
    ahead.close()
    assert {look.sha256 for look in looks(folder)} == {one.sha256 for one in pictures}
    assert all((folder.root / thumbnail_name(one.sha256)).is_file() for one in pictures)


def test_a_picture_that_comes_again_is_looked_at_once(folder):
    pictures = bought(folder, WORTH_A_START)
    ahead = LookAhead(folder)
    ahead.add(pictures)
    wait_for(lambda: len(looks(folder)) == len(pictures))
    ahead.add(pictures)
    ahead.add(bought(folder, WORTH_A_START + 1)[-1:])
    wait_for(lambda: len(looks(folder)) > len(pictures))
    ahead.close()
    assert len(looks(folder)) == WORTH_A_START + 1


def test_a_few_pictures_are_left_to_the_look_after_the_run(folder):
    ahead = LookAhead(folder)
    ahead.add(bought(folder, WORTH_A_START - 1))
    ahead.close()
    assert not looks(folder)


def test_an_end_in_the_middle_keeps_only_whole_looks(folder):
    pictures = bought(folder, 120)
    ahead = LookAhead(folder)
    ahead.add(pictures)
    wait_for(lambda: looks(folder))
    ahead.close()
    assert len(looks(folder)) < len(pictures)
    assert not [look.problem for look in looks(folder) if look.problem]


def test_a_folder_that_takes_no_thumbnails_ends_the_looks_and_nothing_else(folder):
    (folder.root / "compare").write_text("in the way")
    ahead = LookAhead(folder)
    ahead.add(bought(folder, WORTH_A_START))
    ahead.close()
    assert (folder.root / "compare").read_text() == "in the way"
