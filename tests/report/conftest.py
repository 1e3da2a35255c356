"""One run folder in which a little of everything happened, the same on every machine."""

import pytest

from batchgen.request import State
from tests import ledgers


@pytest.fixture
def ledger(tmp_path):
    with ledgers.build(tmp_path / "mugs") as builder:
        yield builder


@pytest.fixture
def eventful(ledger):
    """Two models, two styles, two runs: 7 stored, and one each refused, spoiled, waiting and in doubt."""
    ledger.begin()
    for number in range(6):
        model, style = f"maker/{('one', 'two')[number % 2]}", ("ink", "photo")[number // 3]
        request = ledger.request(f"mug {number}", model=model, axes={"model": model, "style": style})
        if number == 2:
            ledger.fail(request, State.WAITING, reason="throttled", message="Too many requests", status=429)
        ledger.store(request, billed=40_000 + number, latency_ms=1_000 * (number + 1))
    lost = ledger.request("lost", axes={"model": "maker/one", "style": "ink"})
    ledger.fail(lost, State.DOUBT, reason="deadline", message="no answer", status=None, maybe_microusd=45_000)
    ledger.end(3, "the balance is empty")
    ledger.now_ms += 3_600_000
    ledger.begin(planned=11)
    ledger.store(ledger.request("free of price", model="maker/two"), billed=0, estimated=30_000, latency_ms=None)
    ledger.fail(ledger.request("rude"))
    ledger.fail(
        ledger.request("empty"), State.SPOILED, reason="no picture", message="it is empty", billed_microusd=20_000
    )
    ledger.fail(ledger.request("later"), State.WAITING, reason="overloaded", message="high demand", status=503)
    ledger.end(4)
    return ledger
