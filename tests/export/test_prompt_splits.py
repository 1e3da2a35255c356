"""Which split a prompt belongs to."""

from hypothesis import given
from hypothesis import strategies as st

from batchgen.export.prompt_splits import split_of

FRACTIONS = {"validation": 0.1, "test": 0.2}


def test_each_split_gets_about_its_share_of_prompts():
    found = [split_of(f"mug {number}", FRACTIONS) for number in range(20_000)]
    assert 0.09 < found.count("validation") / len(found) < 0.11
    assert 0.19 < found.count("test") / len(found) < 0.21
    assert found.count("train") == len(found) - found.count("validation") - found.count("test")


def test_a_split_that_is_added_behind_the_others_moves_prompts_out_of_train_only():
    for number in range(2_000):
        before = split_of(f"mug {number}", {"validation": 0.1})
        after = split_of(f"mug {number}", FRACTIONS)
        assert after == before or (before, after) == ("train", "test")


@given(st.text())
def test_every_text_has_a_split_and_always_the_same(prompt):
    assert split_of(prompt, FRACTIONS) == split_of(prompt, FRACTIONS)


def test_prompts_that_look_the_same_are_one_group():
    same = ["A  Café mug", "a café mug", "a cafe\u0301 mug ", "a\tcafé\nmug"]
    assert len({split_of(prompt, {f"part{number}": 0.01 for number in range(90)}) for prompt in same}) == 1


def test_without_fractions_everything_is_train():
    assert split_of("a", {}) == "train"
