"""Looks as columns: the newest of a picture counts, and what is damaged or foreign is left out."""

import pytest

from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.looks.index import BLANK, PROBLEM, numbers_of, seen
from batchgen.store.looks.thumbnails import FOLDER, read_looks
from batchgen.store.looks.worker import Look

GRADIENT = "0123456789abcdef"
TINT = "7f" * 48


def digest(number):
    return f"{number:016x}" + "0" * 48


def look(number, **more):
    return Look(digest(number), **({"gradient": GRADIENT, "tint": TINT} | more))


def places(known, *asked):
    return known.places(numbers_of("".join(digest(number)[:16] for number in asked))).tolist()


def test_each_look_has_its_row_and_what_was_never_seen_has_none():
    known = seen([[look(3), look(1, blank=True)], [look(2, problem="cut", gradient="", tint="")]])
    assert places(known, 1, 2, 3, 4, 0) == [1, 2, 0, -1, -1]
    assert known.facts.tolist() == [0, BLANK, PROBLEM]
    assert known.problems == {2: "cut"}
    assert (hex(known.gradients[0]), set(known.tints[0].tolist())) == ("0x123456789abcdef", {0x7F})


def test_of_two_looks_at_one_picture_the_newer_counts():
    known = seen([[look(1, blank=True)], [look(1)]])
    assert known.facts[places(known, 1)].tolist() == [0]


def test_nothing_seen_finds_nothing():
    assert places(seen([]), 1, 2) == [-1, -1]


@pytest.mark.parametrize(
    "odd",
    [
        Look("cut", gradient=GRADIENT, tint=TINT),
        Look(digest(2), gradient="12", tint=TINT),
        Look(digest(2), gradient=GRADIENT, tint="7f"),
        Look("x" * 64, gradient=GRADIENT, tint=TINT),
    ],
    ids=["digest", "gradient", "tint", "no digits"],
)
def test_a_look_that_is_none_of_ours_is_left_out_and_the_others_stay(odd):
    known = seen([[look(1), odd, look(3)]])
    assert (places(known, 1, 3), len(known.facts)) == ([0, 1], 2)


def test_a_line_that_was_cut_short_costs_no_other_line(tmp_path):
    diary = tmp_path / FOLDER / "looks.jsonl"
    diary.parent.mkdir(parents=True)
    lines = [f'{{"sha256":"{digest(number)}","gradient":"{GRADIENT}","tint":"{TINT}"}}\n' for number in (1, 2, 3)]
    diary.write_text(lines[0] + lines[1][:40] + lines[2] + lines[1])
    assert [one.sha256 for looks in read_looks(RunFolder(tmp_path)) for one in looks] == [digest(1), digest(2)]
