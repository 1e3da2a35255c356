import pytest

from batchgen.manifest import scalars


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("660s", 660), ("15min", 900), ("15 min", 900), ("2h", 7200), ("1d", 86400), ("1500ms", 1.5), ("0.5min", 30)],
)
def test_a_duration_is_read_in_seconds(text, seconds):
    assert scalars.duration_within(1, 86400)(text) == seconds


@pytest.mark.parametrize(
    ("text", "starts_per_s"), [("5/s", 5), ("60/min", 1), ("50/day", 50 / 86400), ("0.5/s", 0.5), ("3600 / hour", 1)]
)
def test_a_rate_is_read_in_starts_per_second_and_keeps_its_text(text, starts_per_s):
    rate = scalars.rate(text)
    assert rate.starts_per_s == pytest.approx(starts_per_s)
    assert rate.text == text


@pytest.mark.parametrize(("text", "amount"), [("25", 25_000_000), ("0.04", 40_000), ("0", 0), ("0.0000005", 1)])
def test_money_is_read_in_whole_micro_dollars(text, amount):
    assert scalars.money(text) == amount


@pytest.mark.parametrize("found", ["-1", "1e3", "inf", "$1", "1,50", "", None, True])
def test_what_is_no_money_is_refused(found):
    with pytest.raises(ValueError, match="must be an amount"):
        scalars.money(found)


def test_natural_values_are_what_json_would_make_of_them():
    text = {"a": "1", "b": "0.5", "c": "true", "d": ["x", "-2"], "e": None, "f": "1e5"}
    assert scalars.natural(text) == {"a": 1, "b": 0.5, "c": True, "d": ["x", -2], "e": None, "f": "1e5"}
