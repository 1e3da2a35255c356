import itertools

from batchgen.manifest import Axis, AxisValue, CombinationRule
from batchgen.planning.combinations import KEPT, Combinations, matches


def axis(name, *titles):
    return Axis(name, tuple(AxisValue(title, {name: title}) for title in titles))


def titles(combinations):
    return [tuple(one.titles.values()) for one in combinations]


def choice(**rule):
    return CombinationRule(rule, "")


MODEL, STYLE = axis("model", "a/1", "a/2", "b/1"), axis("style", "ink", "oil")


def test_no_axes_make_one_empty_combination():
    assert [(dict(one.titles), dict(one.settings)) for one in Combinations(())] == [({}, {})]


def test_the_last_axis_turns_fastest():
    assert titles(Combinations([MODEL, STYLE]))[:3] == [("a/1", "ink"), ("a/1", "oil"), ("a/2", "ink")]


def test_combinations_can_be_read_again_and_again():
    combinations = Combinations([MODEL, STYLE])
    assert titles(combinations) == titles(combinations)


def test_a_rule_drops_what_all_its_globs_match():
    assert len(titles(Combinations([MODEL, STYLE], [choice(model="a/*")]))) == 2
    assert len(titles(Combinations([MODEL, STYLE], [choice(model="a/*", style="ink")]))) == 4
    assert len(titles(Combinations([MODEL, STYLE], [choice(model="a/1"), choice(style="oil")]))) == 2
    assert len(titles(Combinations([MODEL, STYLE], [choice(model="A/*")]))) == 6


def test_a_rule_about_a_column_is_left_to_the_rows():
    combinations = Combinations([MODEL], [choice(subject="mug", model="a/1")])
    assert len(titles(combinations)) == 3
    assert combinations.row_rules == ({"subject": "mug", "model": "a/1"},)


def test_an_included_combination_stands_last_and_no_rule_drops_it():
    combinations = Combinations([MODEL, STYLE], [choice(style="*")], [choice(model="c/9", style="oil")])
    (only,) = combinations
    assert (only.titles, only.settings) == ({"model": "c/9", "style": "oil"}, {"model": "c/9", "style": "oil"})
    assert only.included


def test_a_title_brings_everything_it_sets():
    photo = Axis("look", (AxisValue("photo", {"style": "35mm", "size": "1536x1024"}), AxisValue("plain", {})))
    first, second, included = Combinations([photo], [], [choice(look="photo", model="m")])
    assert (first.titles, first.settings) == ({"look": "photo"}, {"style": "35mm", "size": "1536x1024"})
    assert second.settings == {}
    assert included.settings == {"style": "35mm", "size": "1536x1024", "model": "m"}


def test_a_value_with_brackets_matches_itself():
    assert matches({"style": "a[b]c"}, {"style": "a[b]c"}, {})
    assert matches({"style": "a[bx]c"}, {"style": "abc"}, {})
    assert not matches({"style": "*"}, {}, {})
    assert not matches({"image": "*"}, {}, {"image": ("a", "b")})


def test_the_first_of_a_billion_combinations_come_at_once():
    digits = [str(digit) for digit in range(10)]
    combinations = Combinations([axis(f"axis{number}", *digits) for number in range(9)])
    assert titles(itertools.islice(combinations, 12))[-1] == ("0", "0", "0", "0", "0", "0", "0", "1", "1")


def test_more_combinations_than_are_kept_are_the_same_each_time():
    numbers = [str(number) for number in range(KEPT // 2)]
    large = Combinations([axis("number", *numbers), axis("third", "a", "b", "c")])
    assert titles(large) == titles(large) == list(itertools.product(numbers, "abc"))
