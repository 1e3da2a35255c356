"""The order of files that are counted by people."""

from batchgen.manifest.natural_order import natural_key


def test_numbers_are_ordered_by_their_value_and_folders_before_names():
    paths = ["in/10.png", "in/2.png", "in/1.png", "in10/1.png", "in2/3.png", "in/B.png", "in/a.png", "in/2/x.png"]
    ordered = [
        *("in/1.png", "in/2/x.png", "in/2.png", "in/10.png", "in/a.png", "in/B.png"),
        *("in2/3.png", "in10/1.png"),
    ]
    assert sorted(paths, key=natural_key) == ordered


def test_names_that_differ_in_case_or_zeros_alone_keep_one_order():
    ordered = ["01.png", "1.png", "B.png", "b.png"]
    assert sorted(["b.png", "B.png", "01.png", "1.png"], key=natural_key) == ordered
    assert sorted(["1.png", "01.png", "B.png", "b.png"], key=natural_key) == ordered
