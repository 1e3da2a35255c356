"""A folder's three files say the same numbers, and those are what its attempts add up to: on ledgers made by chance."""

import csv
import json
import random
import re
from collections import Counter

import pytest

from batchgen.money import dollars
from batchgen.report import write_report
from batchgen.request import State
from tests import ledgers
from tests.ledgers import Bill, Outcome, transitions

MODELS = ("maker/one", "maker/two", "other/three")
SUMS = ("billed", "maybe_billed", "estimated")
FAILURES = (State.WAITING, State.REFUSED, State.SPOILED, State.DOUBT)


class Books:
    """What was paid, kept beside the ledger in the plainest way there is; whole micro-dollars."""

    def __init__(self):
        self.attempts = []
        self.states = {}
        self.pictures = Counter()

    def enter(self, request, state, *, billed=0, maybe=0, estimated=0):
        self.attempts.append((request.model, billed, maybe, estimated))
        self.states[request.key] = (request.model, state)

    def sums(self, model=None):
        mine = [money for name, *money in self.attempts if model in {None, name}]
        return tuple(map(sum, zip(*mine, strict=True))) if mine else (0, 0, 0)

    def counted(self, model=None):
        return Counter(state.value for name, state in self.states.values() if model in {None, name})


def fill(ledger, dice):
    """A ledger in which each request has up to four attempts, and each attempt any outcome and any cost."""
    books = Books()
    ledger.begin()
    for number in range(dice.randrange(1, 60)):
        model = dice.choice(MODELS)
        request = ledger.request(f"mug {number}", model=model, axes={"model": model, "look": dice.choice("ab")})
        for _ in range(dice.randrange(3)):
            fail(ledger, books, request, State.WAITING, dice)
        if dice.random() < 0.1:
            ledger.end(3)
            ledger.now_ms += dice.randrange(10**8)
            ledger.begin()
        if dice.random() < 0.7:
            store(ledger, books, request, dice)
        else:
            fail(ledger, books, request, dice.choice(FAILURES), dice)
    ledger.end(0)
    return books


def money(dice):
    """From nothing to amounts whose sum no float holds exactly."""
    return dice.choice((0, 1, 7, 999_999, 40_000, 134_000, 2**53 + 1))


def fail(ledger, books, request, state, dice):
    billed = money(dice) if state is State.SPOILED else 0
    maybe = money(dice) if state is State.DOUBT else 0
    estimated = money(dice) if state is State.SPOILED and not billed else 0
    ticket = ledger.send(request)
    ledger.now_ms += dice.randrange(5_000)
    outcome = Outcome(
        state,
        dice.choice(("moderation", "no picture")),
        dice.choice(("no", "flagged")),
        400,
        billed_microusd=billed,
        maybe_microusd=maybe,
        estimated_microusd=estimated,
    )
    transitions.fail(ledger.db, ticket=ticket, outcome=outcome, duration_ms=500, now_ms=ledger.now_ms)
    books.enter(request, state, billed=billed, maybe=maybe, estimated=estimated)


def store(ledger, books, request, dice):
    billed, estimated = dice.choice(((money(dice), 0), (0, money(dice))))
    ticket = ledger.send(request)
    ledger.answer(ticket, Bill(billed, estimated), latency_ms=dice.randrange(1, 60_000))
    books.pictures[request.model] += len(ledger.publish(request, ticket, kinds=("PNG",) * dice.choice((1, 1, 3))))
    books.enter(request, State.STORED, billed=billed, estimated=estimated)


def microusd(text):
    whole, _, rest = text.partition(".")
    return int(whole) * 1_000_000 + int(rest)


@pytest.fixture(params=range(12))
def told(request, tmp_path):
    """The books of a ledger, and its three files as they are read by others."""
    with ledgers.build(tmp_path / "mugs") as ledger:
        books = fill(ledger, random.Random(request.param))
        write_report(ledger.folder)
        root = ledger.folder.root
    with (root / "report.csv").open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    return books, json.loads((root / "summary.json").read_text()), rows, (root / "report.html").read_text()


def test_the_three_sums_are_those_of_the_attempts_in_every_file(told):
    books, summary, rows, page = told
    sums = books.sums()
    assert tuple(summary[f"{name}_microusd"] for name in SUMS) == sums
    assert tuple(sum(microusd(row[f"{name}_usd"]) for row in rows) for name in SUMS) == sums
    for title, amount in zip(("Billed", "Maybe billed", "Estimated"), sums, strict=True):
        shown = re.search(
            rf'<p class="title">{title}</p><p class="value[^"]*">(?:<span title="([^"]*)">)?([^<]*)<', page
        )
        # Rounded for the eye, exact under the mouse; a sum of 0 has no headline, but for what was billed.
        assert (shown[1] or shown[2]) == dollars(amount) if shown else not amount


def test_every_model_has_its_own_sums_and_they_are_the_whole(told):
    books, summary, rows, _ = told
    for figures in summary["models"]:
        model = figures["model"]
        mine = [row for row in rows if row["model"] == model]
        assert tuple(figures[f"{name}_microusd"] for name in SUMS) == books.sums(model)
        assert tuple(sum(microusd(row[f"{name}_usd"]) for row in mine) for name in SUMS) == books.sums(model)
        assert figures["pictures"] == books.pictures[model] == sum(int(row["pictures"]) for row in mine)
        assert {state: count for state, count in figures["states"].items() if count} == books.counted(model)
    assert {figures["model"] for figures in summary["models"]} == {model for model, _ in books.states.values()}


def test_requests_attempts_and_states_are_counted_alike(told):
    books, summary, rows, page = told
    assert summary["requests"] == len(rows) == len(books.states)
    assert summary["attempts"] == sum(int(row["attempts"]) for row in rows) == len(books.attempts)
    assert Counter(row["state"] for row in rows) == books.counted()
    assert {state: count for state, count in summary["states"].items() if count} == books.counted()
    for state, count in books.counted().items():
        assert f"{count:,} {state}</span>" in page


def test_what_the_runs_cost_is_what_the_folder_cost(told):
    books, _, rows, page = told
    table = page.partition('aria-label="runs"')[2].partition("</table>")[0]
    names = re.findall(r'<th scope="col" class="n">([^<]*)</th>', table)
    cells = [
        re.findall(r'<td class="n[^"]*" data-v="(\d+)">', line) for line in table.splitlines() if 'class="time"' in line
    ]
    runs = [dict(zip(names, map(int, line), strict=True)) for line in cells]
    assert len(runs) >= 1
    columns = ("billed", "maybe billed", "estimated")
    assert tuple(sum(run.get(name, 0) for run in runs) for name in columns) == books.sums()
    assert len(rows) == len(books.states)
