"""Counting, adding and ranking, compared with what a hand computes."""

import numpy as np
import pandas as pd
import pytest

from batchgen.report.frame import UNKNOWN, read_frame
from batchgen.report.tables import Percentiles, crossed, overall, per_axis, per_model, percentiles, spread
from batchgen.request import State
from batchgen.store.ledger.records import snapshot
from batchgen.tokens import Usage
from tests.ledgers import START_MS

STARTS = [START_MS]


@pytest.fixture
def frame(eventful):
    with snapshot(eventful.folder.ledger) as db:
        return read_frame(db)


def ranked(values):
    (result,) = percentiles(np.array(values), np.zeros(len(values), dtype=np.int64), 1)
    return result


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([7], (7, 7, 7, 7)),
        ([20, 10], (10, 20, 20, 20)),
        (range(1, 101), (50, 90, 95, 99)),
        (range(200, 0, -1), (100, 180, 190, 198)),
        ([5, 1, 4, 2, 3], (3, 5, 5, 5)),
        ([UNKNOWN, 3, UNKNOWN], (3, 3, 3, 3)),
    ],
)
def test_percentiles_are_measured_values_by_nearest_rank(values, expected):
    assert ranked(values) == Percentiles(*expected)


def test_a_group_without_known_times_has_no_percentiles():
    values, codes = np.array([UNKNOWN, 5, 9]), np.array([0, 1, -1])

    assert percentiles(values, codes, 3) == [None, Percentiles(5, 5, 5, 5), None]


def test_percentiles_of_groups_equal_those_of_each_alone():
    generator = np.random.default_rng(7)
    values, codes = generator.integers(0, 50_000, 5_000), generator.integers(0, 300, 5_000)

    assert percentiles(values, codes, 300) == [ranked(values[codes == code]) for code in range(300)]


def test_a_model_has_its_own_counts_money_and_times(frame):
    one, two = per_model(frame, starts=STARTS)

    assert (one.name, one.requests, one.stored, one.failed, one.doubt, one.open, one.retries) == (
        "maker/one",
        7,
        3,
        2,
        1,
        1,
        1,
    )
    assert (one.billed_microusd, one.maybe_microusd, one.estimated_microusd) == (140_006, 45_000, 0)
    assert one.billed_per_picture_microusd == 46_669
    assert one.success_rate == 3 / 6
    assert one.latency == Percentiles(3_000, 5_000, 5_000, 5_000)
    assert one.item == Percentiles(3_600, 5_100, 5_100, 5_100)
    assert (two.name, two.requests) == ("maker/two", 4)
    assert two.estimated_microusd == 30_000


def test_pictures_a_minute_are_those_of_the_time_in_which_the_model_had_requests_under_way(ledger):
    starts = [ledger.now_ms]
    ledger.begin()
    for number in range(3):
        ledger.store(ledger.request(f"fast {number}", model="maker/fast"), latency_ms=1_000)
    ledger.store(ledger.request("slow", model="maker/slow"), latency_ms=30_000)
    ledger.end()
    ledger.now_ms += 3_600_000
    starts.append(ledger.now_ms)
    ledger.begin()
    ledger.store(ledger.request("fast again", model="maker/fast"), latency_ms=800)
    with snapshot(ledger.folder.ledger) as db:
        found = {group.name: group.pictures_per_minute for group in per_model(read_frame(db), starts=starts)}

    # Three answers of a second with 100 ms between them, and one of 800 ms.
    assert found == {"maker/fast": pytest.approx(4 * 60 / 4), "maker/slow": pytest.approx(2)}


def test_a_request_that_waited_for_a_later_run_was_not_under_way_between_the_two(ledger):
    starts = [ledger.now_ms]
    ledger.begin()
    request = ledger.request("later")
    ledger.fail(request, State.WAITING, reason="throttled", message="slow down", status=429)
    ledger.end()
    ledger.now_ms += 3_600_000
    starts.append(ledger.now_ms)
    ledger.begin()
    ledger.store(request, latency_ms=2_000)
    with snapshot(ledger.folder.ledger) as db:
        (only,) = per_model(read_frame(db), starts=starts)

    assert only.pictures_per_minute == pytest.approx(30)


def test_an_axis_is_crossed_with_the_models(frame):
    (table,) = crossed(frame, ["maker/two", "maker/one"], values=100, starts=STARTS).values()

    assert [[group and (group.requests, group.stored) for group in row] for row in table] == [
        [(1, 1), (3, 2)],
        [(2, 2), (1, 1)],
    ]
    assert crossed(frame, ["maker/two"], values=1, starts=STARTS) == {}


def test_a_value_that_a_model_never_had_is_no_group(ledger):
    ledger.begin()
    for model, look in (("maker/one", "ink"), ("maker/one", "oil"), ("maker/two", "oil")):
        ledger.store(ledger.request(f"{model} {look}", model=model, axes={"model": model, "look": look}))
    with snapshot(ledger.folder.ledger) as db:
        (table,) = crossed(read_frame(db), ["maker/one", "maker/two"], values=9, starts=STARTS).values()

    assert [[group is not None for group in row] for row in table] == [[True, False], [True, True]]


def test_an_axis_has_a_group_per_value_and_the_model_is_no_second_table(frame):
    axes = per_axis(frame, starts=STARTS)

    assert list(axes) == ["style"]
    assert [(group.name, group.requests, group.stored) for group in axes["style"]] == [("ink", 4, 3), ("photo", 3, 3)]


def test_an_axis_of_one_value_gives_no_table(ledger):
    ledger.begin()
    ledger.store(ledger.request(axes={"style": "ink"}))
    with snapshot(ledger.folder.ledger) as db:
        assert per_axis(read_frame(db), starts=[]) == {}


def test_sums_stay_exact_where_floats_would_not(ledger):
    ledger.begin()
    for number, amount in enumerate((2**53, 1, 1)):
        ledger.store(ledger.request(f"mug {number}"), billed=amount)
    with snapshot(ledger.folder.ledger) as db:
        assert overall(read_frame(db), active_ms=1).billed_microusd == 2**53 + 2


def test_a_frame_of_nothing_is_one_group_of_zeros(ledger):
    with snapshot(ledger.folder.ledger) as db:
        frame = read_frame(db)
    total = overall(frame, active_ms=0)

    assert (total.requests, total.pictures, total.success_rate, total.pictures_per_minute) == (0, 0, None, None)
    assert per_model(frame, starts=[]) == ()
    assert spread(frame, 12) == []


def test_the_frame_is_the_sum_of_attempts_and_pictures_per_request(frame, eventful):
    expected = pd.read_sql_query(
        "SELECT request_id AS id, count(*) AS attempts, sum(billed_microusd) AS billed_microusd FROM attempts"
        " GROUP BY request_id ORDER BY request_id",
        eventful.db,
        index_col="id",
    )

    pd.testing.assert_frame_equal(frame[["attempts", "billed_microusd"]], expected)


def test_the_frame_is_read_without_a_query_per_request(eventful):
    with snapshot(eventful.folder.ledger) as db:
        queries = []
        db.set_trace_callback(queries.append)
        read_frame(db)

    # Three for the requests, and twice for the attempts: where they begin, what they are, whether more follow.
    assert len(queries) == 12


def test_samples_come_from_every_model_in_turn(ledger):
    ledger.begin()
    for number in range(30):
        ledger.store(ledger.request(f"mug {number}", model="rare" if number == 9 else "common"))
    with snapshot(ledger.folder.ledger) as db:
        picks = spread(read_frame(db), 12)

    assert 10 in picks
    assert len(picks) == 7


def test_stored_pictures_alone_count_for_latency(ledger):
    ledger.begin()
    ledger.store(ledger.request("a"), latency_ms=1_000)
    ledger.fail(ledger.request("b"), State.SPOILED, billed_microusd=5)
    with snapshot(ledger.folder.ledger) as db:
        assert overall(read_frame(db), active_ms=1).item == Percentiles(1_100, 1_100, 1_100, 1_100)


def test_pictures_are_counted_by_where_their_cost_and_latency_come_from(ledger):
    ledger.begin()
    ledger.store(ledger.request("a"), billed=40_000, source="header")
    for prompt in ("b", "c"):
        counted = {"source": "tokens", "usage": Usage(40, 10, 0, 4160)}
        ledger.store(ledger.request(prompt), billed=0, estimated=166_700, flag="not stated", latency_ms=None, **counted)
    ledger.store(ledger.request("d"), billed=0, flag="not stated", source=None)
    ledger.store(ledger.request("e"), billed=0, flag="not stated", source="manifest")
    with snapshot(ledger.folder.ledger) as db:
        total = overall(read_frame(db), active_ms=1)

    assert total.cost_sources == {"tokens": 2, "header": 1, "manifest": 1}
    assert total.latency_sources == {"service": 3, "request": 2}
    assert (total.unpriced_pictures, total.estimated_pictures) == (1, 3)
    assert (total.input_tokens, total.output_tokens) == (100, 8_320)
    assert total.billed_per_picture_microusd == 40_000
    assert total.estimated_per_picture_microusd == round(2 * 166_700 / 3)
