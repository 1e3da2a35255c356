from batchgen.planning.forecast import forecast
from batchgen.planning.prices import PriceBook
from batchgen.provider.interface import Catalogue, Model, Price
from batchgen.request import Experience, State

SWEEP = """\
prompt: "{subject}, {style}"
rows: [{subject: mug}, {subject: teapot}, {subject: mug}]
matrix: {model: [a/1, a/2], style: [ink, oil]}
repeat: 2
"""
CATALOGUE = Catalogue({"a/1": Model("a/1", "image", Price(10, 20, 40, "catalogue"))})


def test_a_forecast_counts_by_model_and_axis_and_equal_requests_once(plan):
    told = forecast(plan(SWEEP), PriceBook({}, CATALOGUE))
    assert (told.requests, told.equal, told.new) == (24, 8, 16)
    assert told.by_axis == {"model": {"a/1": 12, "a/2": 12}, "style": {"ink": 12, "oil": 12}}
    assert {name: (part.requests, part.new) for name, part in told.by_model.items()} == {"a/1": (12, 8), "a/2": (12, 8)}
    assert [request.index for request in told.first] == [0, 1, 2, 3, 4]


def test_money_is_for_what_is_new_and_an_unknown_price_is_named(plan):
    told = forecast(plan(SWEEP), PriceBook({}, CATALOGUE))
    assert (told.low_microusd, told.expected_microusd, told.high_microusd) == (80, 160, 320)
    assert told.unpriced == ("a/2",)


def test_what_the_ledger_knows_is_counted_by_its_state_and_not_bought_again(plan):
    requests = list(plan(SWEEP))
    known = {request.key: State.STORED for request in requests if request.model == "a/2"}
    known[requests[0].key] = State.DOUBT
    asked = []

    def lookup(keys):
        asked.append(len(keys))
        return {key: known[key] for key in keys if key in known}

    told = forecast(requests, PriceBook({}, CATALOGUE), lookup, first=0)
    assert told.by_state == {State.DOUBT: 1, None: 7, State.STORED: 8}
    assert (told.new, told.expected_microusd, told.unpriced, told.first) == (7, 140, (), ())
    assert asked == [24]


def test_the_ledger_is_asked_in_batches(plan):
    asked = []

    def lookup(keys):
        asked.append(len(keys))
        return {}

    forecast(plan("prompt: a\ndefaults: {model: m}\nrepeat: 2500\n"), PriceBook({}, None), lookup)
    assert asked == [1000, 1000, 500]


def test_an_empty_plan_costs_nothing():
    told = forecast([], PriceBook({}, None))
    assert (told.requests, told.new, told.equal, told.high_microusd, told.unpriced) == (0, 0, 0, 0, ())


def test_each_request_is_priced_by_what_was_billed_for_its_like(plan):
    experience = [
        Experience("a/1", None, 20, 5, 10, 30, 2_000),
        Experience("a/1", ("low", "", ""), 10, 5, 6, 7, 1_000),
        Experience("a/1", ("high", "", ""), 4, 25, 26, 30, 3_000),
    ]
    sweep = plan("prompt: a\nmatrix: {model: [a/1], quality: [low, high]}\nlimits: {concurrency: 2}\n")
    told = forecast(sweep, PriceBook({}, CATALOGUE, experience), limits=sweep.manifest.limits)
    # The one with enough experience of its own, the other by the model's.
    assert told.by_model["a/1"].cost == Price(10, 16, 80, "20 billed here")
    assert told.duration_s == 2.0


def test_the_time_is_not_told_where_one_model_was_never_measured(plan):
    sweep = plan(SWEEP)
    prices = PriceBook({}, CATALOGUE, [Experience("a/1", None, 20, 5, 10, 30, 2_000)])
    assert forecast(sweep, prices, limits=sweep.manifest.limits).duration_s is None
    known = {request.key: State.STORED for request in sweep if request.model == "a/2"}
    assert forecast(sweep, prices, lambda _: known, limits=sweep.manifest.limits).duration_s == 8 * 2 / 16
