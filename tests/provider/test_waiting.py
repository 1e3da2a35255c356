import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.provider.interface import RateLimit
from batchgen.provider.waiting import rate_limit, retry_after_s, stated_wait_s

NOW = 1_800_000_000.0
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"  # NOW


def wait(*headers):
    return retry_after_s(httpx.Headers(list(headers)), now_epoch_s=NOW)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([("retry-after-ms", "1500")], 1.5),
        ([("retry-after-ms", "1500"), ("retry-after", "9")], 1.5),
        ([("retry-after-ms", "junk"), ("retry-after", "9")], 9),
        ([("retry-after", "2.5")], 2.5),
        ([("retry-after", "1e3")], 1000),
        ([("retry-after", " 5 ")], 5),
        ([("retry-after", "5, 10")], 10),
        ([("retry-after", "5"), ("retry-after", "10")], 10),
        ([("retry-after", "0")], 0.2),
        ([("retry-after", "Fri, 15 Jan 2027 08:00:30 GMT")], 30),
        ([("retry-after", "Fri, 15 Jan 2027 08:00:30 -0000")], 30),
        ([("retry-after", "Fri Jan 15 08:00:30 2027")], 30),
        ([("retry-after", "Friday, 15-Jan-27 08:00:30 GMT")], 30),
        ([("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT"), ("date", "Wed, 21 Oct 2015 07:28:00 GMT")], 30),
        ([("retry-after", "Fri, 15 Jan 2027 08:00:30 GMT"), ("date", "junk")], 30),
        ([("ratelimit-reset", "4")], 4),
        ([("ratelimit-reset", "4, 60")], 60),
        ([("retry-after", "Fri, 15 Jan 2027 07:00:00 GMT"), ("ratelimit-reset", "4")], 4),
        ([("x-ratelimit-reset-requests", "12ms")], 0.2),
        ([("x-ratelimit-reset-requests", "1s")], 1),
        ([("x-ratelimit-reset-requests", "6m0s")], 360),
        ([("x-ratelimit-reset-requests", "1h2m3.5s")], 3723.5),
        ([("x-ratelimit-reset-requests", "7")], 7),
        ([("x-ratelimit-reset", "8")], 8),
        ([("x-ratelimit-reset", f"{NOW + 8:.0f}")], 8),
        ([("x-ratelimit-reset", f"{(NOW + 8) * 1000:.0f}")], 8),
        ([("x-ratelimit-reset", f"{NOW - 8:.0f}")], None),
        ([], None),
    ],
)
def test_the_first_header_that_makes_sense_says_how_long_to_wait(headers, seconds):
    assert wait(*headers) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    "name", ["retry-after-ms", "retry-after", "ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset"]
)
@pytest.mark.parametrize(
    "junk", ["", "-1", "nan", "inf", "-inf", "soon", "1e999", "0x10", "5 s", "9" * 400 + "s", "Fri, 99 Jan 2027", DATE]
)
def test_what_is_negative_past_infinite_or_no_number_is_ignored(name, junk):
    assert wait((name, junk)) is None


def test_the_old_form_of_a_date_is_in_utc_wherever_we_are(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert wait(("retry-after", "Fri Jan 15 08:00:30 2027")) == 30
    finally:
        monkeypatch.undo()
        time.tzset()


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=255)),
    st.text(st.characters(min_codepoint=32, max_codepoint=255)),
)
def test_no_header_makes_reading_it_fail(text, date):
    names = ("retry-after-ms", "retry-after", "ratelimit-reset", "x-ratelimit-reset-requests", "x-ratelimit-reset")
    for name in names:
        seconds = wait((name, text.encode("latin-1")), ("date", date.encode("latin-1")))
        assert seconds is None or 0.2 <= seconds < float("inf")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (3, 3),
        (2.5, 2.5),
        ("4", 4),
        (0, 0.2),
        (-1, None),
        (True, None),
        (None, None),
        ([], None),
        ("x", None),
        (float("inf"), None),
    ],
)
def test_a_body_may_say_how_long_to_wait(value, seconds):
    assert stated_wait_s(value) == seconds


@pytest.mark.parametrize(
    ("policy", "limit", "remaining", "reset", "expected"),
    [
        ("100;w=1", "100", "99", "1", RateLimit(100, 99, 1, 1)),
        ("50;w=60", "50", "0", "12", RateLimit(50, 0, 60, 12)),
        (None, "6", "5", None, RateLimit(6, 5, 1, 1)),
        ("6;w=0", "6", "5", None, RateLimit(6, 5, 1, 1)),
        ("6;w=" + "9" * 5000, "6", "5", "junk", RateLimit(6, 5, 1, 1)),
        (None, "6", None, None, None),
        (None, "0", "0", None, None),
        (None, "inf", "0", None, None),
        (None, "many", "few", None, None),
        (None, None, None, None, None),
    ],
)
def test_a_start_rate_counts_only_where_it_is_stated_whole(policy, limit, remaining, reset, expected):
    stated = {"policy": policy, "limit": limit, "remaining": remaining, "reset": reset}
    headers = {f"ratelimit-{name}": text for name, text in stated.items() if text is not None}
    assert rate_limit(httpx.Headers(headers)) == expected
