"""A line is read back as it was written, or it is nobody's."""

import pytest

from batchgen.request import Kind, State, WireType, canonical_json, key_of
from batchgen.store.dataset.jsonl_reader import UnreadableLine, read_failed, read_paid

REQUEST = {"provider": "simulator", "model": "test/test", "repeat": 1}
PARAMETERS = {"prompt": "a mug", "size": "64x64"}
PAID = {
    **REQUEST,
    **PARAMETERS,
    "file_name": "images/00000/a.png",
    "shelf": "3",
    "row": 7,
    "cost_usd": 0.04,
    "cost_source": "answer",
    "latency_ms": 5,
    "request_ms": 8,
    "total_ms": 13,
    "created_at": "1970-01-01T00:00:02.500Z",
    "width": 64,
    "height": 64,
    "format": "png",
    "bytes": 9,
    "sha256": "00",
    "revised_prompt": None,
    "simulated": True,
}
FAILED = {
    **REQUEST,
    "state": "in doubt",
    "class": "timeout",
    "message": "no answer",
    "status": None,
    "attempts": 2,
    "billed_usd": 0.0,
    "maybe_billed_usd": 0.04,
    "estimated_usd": 0.0,
    "parameters": PARAMETERS,
    "row": 7,
    "axes": {"style": "ink"},
    "columns": {"shelf": "3"},
}


def keyed(line, kind=Kind.IMAGE):
    return line | {"key": key_of(canonical_json(kind=kind, parameters=PARAMETERS, **REQUEST))}


@pytest.mark.parametrize("kind", Kind)
def test_what_a_line_s_request_makes_is_told_by_its_key(kind):
    assert read_paid([keyed(PAID, kind)], index=4).request.kind is kind


def test_a_line_s_key_tells_a_parameter_of_openai_s_from_a_column_of_that_name():
    typed = {**PARAMETERS, "background": "opaque", "output_compression": "50"}
    line = PAID | {"background": "opaque", "output_compression": "50"}
    canonical = canonical_json(
        kind=Kind.IMAGE, parameters=typed, types={"output_compression": WireType.INTEGER}, **REQUEST
    )
    sent = read_paid([line | {"key": key_of(canonical)}], index=4).request
    assert (sent.canonical, sent.parameters, sent.columns) == (canonical, typed, {"shelf": "3"})
    column = read_paid([keyed(line)], index=4).request
    assert column.parameters == PARAMETERS
    assert column.columns == {"shelf": "3", "background": "opaque", "output_compression": "50"}


def test_a_picture_s_line_gives_request_money_and_times():
    paid = read_paid([keyed(PAID), keyed(PAID) | {"cost_usd": 0, "file_name": "images/00000/a-2.png"}], index=4)
    assert (paid.request.index, paid.request.row, paid.request.parameters) == (4, 7, PARAMETERS)
    assert paid.request.columns == {"shelf": "3"}
    assert [picture.file for picture in paid.pictures] == ["images/00000/a.png", "images/00000/a-2.png"]
    assert (paid.bill.billed_microusd, paid.bill.estimated_microusd, paid.bill.flag) == (40_000, 0, None)
    assert paid.bill.source == "answer"
    assert (paid.answered_ms, paid.latency_ms, paid.request_ms, paid.total_ms) == (2_500, 5, 8, 13)
    assert (paid.simulated, paid.reused_from) == (True, None)


def test_a_cost_that_nobody_stated_is_an_estimate():
    bill = read_paid([keyed(PAID) | {"cost_source": "tokens", "input_tokens": 50, "output_tokens": 4160}], index=1).bill
    assert (bill.billed_microusd, bill.estimated_microusd, bill.flag) == (0, 40_000, "not stated")
    assert (bill.source, bill.usage.input_tokens, bill.usage.output_tokens) == ("tokens", 50, 4160)


def test_the_request_s_own_time_is_not_taken_for_the_service_s():
    assert read_paid([keyed(PAID) | {"latency_source": "request"}], index=1).latency_ms is None


def test_a_failure_s_line_gives_request_outcome_and_attempts():
    failed = read_failed(keyed(FAILED), index=2)
    assert (failed.outcome.state, failed.outcome.maybe_microusd, failed.attempts) == (State.DOUBT, 40_000, 2)
    assert (failed.request.columns, failed.request.axes) == ({"shelf": "3"}, {"style": "ink"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"file_name": "/etc/passwd"},
        {"file_name": "trash/2026-03-01-020000/images/a.png"},
        {"file_name": ".batchgen/pictures/ab/a.png"},
        {"file_name": "images/../../a.png"},
        {"file_name": "elsewhere/a.png"},
        {"file_name": None},
        {"cost_usd": -1},
        {"cost_usd": "free"},
        {"created_at": "yesterday"},
        {"request_ms": "soon"},
        {"bytes": None},
        {"row": []},
        {"simulated": "perhaps"},
    ],
)
def test_a_picture_s_line_that_no_ledger_has_written_is_unreadable(wrong):
    with pytest.raises(UnreadableLine):
        read_paid([keyed(PAID) | wrong], index=1)


@pytest.mark.parametrize("name", ["cost_usd", "sha256", "provider", "repeat", "format"])
def test_a_picture_s_line_without_what_every_line_has_is_unreadable(name):
    line = keyed(PAID)
    del line[name]
    with pytest.raises(UnreadableLine):
        read_paid([line], index=1)


@pytest.mark.parametrize(
    "wrong", [{"state": "lost"}, {"maybe_billed_usd": -0.01}, {"attempts": "two"}, {"parameters": "a mug"}, {"axes": 3}]
)
def test_a_failure_s_line_that_no_ledger_has_written_is_unreadable(wrong):
    with pytest.raises(UnreadableLine):
        read_failed(keyed(FAILED) | wrong, index=1)
