"""What lies in a run folder comes back into its ledger; nothing that was paid for is bought again unasked."""

import json
import shutil
from contextlib import closing

import msgspec
import pytest

from batchgen.errors import FolderMismatch, UsageError
from batchgen.request import State, number_of
from batchgen.store.dataset.heal import heal
from batchgen.store.dataset.healed import Wanted
from batchgen.store.dataset.leftovers import is_lost, set_aside_logs
from batchgen.store.dataset.metadata import write_dataset
from batchgen.store.folder.kept_answers import kept_answers, mark_unbilled, unbilled, write_answer
from batchgen.store.folder.view import View
from batchgen.store.ledger import names, row_metadata, takes, transitions
from batchgen.store.ledger.reader import Reader, Spent
from batchgen.store.ledger.records import is_simulated, records, snapshot
from batchgen.store.ledger.row_metadata import Described
from batchgen.store.ledger.schema import connect
from batchgen.store.ledger.transitions import Bill, Outcome
from batchgen.store.pictures.on_disk import make_shard, put_picture
from tests import ledgers

EXPECTED = 50_000


class Night:
    """A run folder, the plan it was made for, and its ledger, which a test may lose or replace."""

    def __init__(self, folder):
        self.folder = folder
        self.plan = []
        self.db = None

    def find(self, matches):
        return (Wanted(one, self.stem(one), EXPECTED) for one in self.plan if matches(number_of(one.key)))

    @staticmethod
    def stem(request):
        return f"images/00000/{request.index:09d}-{request.key[:8]}"

    def lose(self):
        """The ledger is gone, and whatever it had in its log."""
        for path in self.folder.state.glob("ledger.db*"):
            path.unlink()

    def heal(self, *, lost=True, find=None, buys_missing=False):
        with closing(connect(self.folder.ledger)) as db:
            db.execute("BEGIN")
            try:
                healed = heal(db, folder=self.folder, find=find or self.find, lost=lost, buys_missing=buys_missing)
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
            return healed

    def describe(self):
        """As the run does that healed it."""
        with closing(connect(self.folder.ledger)) as db:
            rows = [Described(one, self.stem(one), named=False) for one in self.plan]
            row_metadata.describe(db, row_metadata.outdated(db, rows), now_ms=1)
            names.record(db, View(self.folder).settle(names.unsettled(db)))

    def everything(self):
        """What is known of each request, but for what no derived file tells."""
        with snapshot(self.folder.ledger) as db:
            return [
                (
                    *(one.key, one.state, one.model, one.row, one.repeat, one.pictures),
                    *(dict(one.words), dict(one.columns), dict(one.axes)),
                    *(one.billed_microusd, one.maybe_microusd, one.estimated_microusd, one.cost_source),
                    *(one.latency_ms, one.reason, one.message, one.status),
                    *((one.request_ms, one.total_ms, one.answered_ms) if one.state == "stored" else ()),
                )
                for one in records(db)
            ]

    def states(self):
        with closing(Reader(self.folder.ledger)) as reader:
            return reader.states([one.key for one in self.plan])

    def state(self, request):
        return self.states().get(request.key)

    def spent(self):
        with closing(Reader(self.folder.ledger)) as reader:
            return reader.spent()

    def ask(self, statement, *values):
        with snapshot(self.folder.ledger) as db:
            return db.execute(statement, values).fetchall()

    def takes(self, request):
        """The takes of a request: number, whether it is shown, billed and estimated."""
        with snapshot(self.folder.ledger) as db:
            found = takes.takes_of(db, takes.first_of(db, request.key))
        return [(one.number, one.shown, one.billed_microusd, one.estimated_microusd) for one in found]

    def line(self, request):
        lines = map(json.loads, (self.folder.root / "metadata.jsonl").read_text().splitlines())
        return next(line for line in lines if line["key"] == request.key)

    def originals(self, request):
        return sorted(self.folder.pictures.glob(f"*/{request.key}-*.*"))


@pytest.fixture
def mugs(tmp_path):
    """A folder with five stored requests, one of two pictures, and one of each other end."""
    with ledgers.build(tmp_path / "mugs") as book:
        night = Night(book.folder)
        book.folder.answers.mkdir()
        book.begin()
        for number in range(5):
            request = book.request(f"mug {number}", columns={"shelf": str(number)}, axes={"style": "ink"}, size="64x64")
            cost = {"billed": 0, "estimated": 7, "flag": "not stated"} if number == 3 else {}
            book.store(request, kinds=("PNG", "PNG") if number == 4 else ("PNG",), **cost)
            night.plan.append(request)
        for state, money in (
            (State.REFUSED, {}),
            (State.SPOILED, {"billed_microusd": 9}),
            (State.DOUBT, {"maybe_microusd": 11}),
        ):
            night.plan.append(book.request(str(state)))
            book.fail(night.plan[-1], state, **money)
        book.end()
    write_dataset(night.folder)
    return night


def test_with_its_plan_a_lost_ledger_comes_back_as_it_was(mugs):
    before = mugs.everything()
    lines = (mugs.folder.root / "metadata.jsonl").read_bytes()
    mugs.lose()
    assert is_lost(mugs.folder)
    healed = mugs.heal()
    assert str(healed) == "5 requests stored, 3 requests that ended otherwise"
    mugs.describe()
    assert not is_lost(mugs.folder)
    assert mugs.everything() == before
    write_dataset(mugs.folder)
    assert (mugs.folder.root / "metadata.jsonl").read_bytes() == lines


def test_without_a_plan_keys_files_and_money_come_back(mugs):
    spent, states = mugs.spent(), mugs.states()
    files = mugs.ask("SELECT file FROM kept_pictures ORDER BY file")
    mugs.lose()
    mugs.heal(find=lambda matches: iter(()))
    assert (mugs.spent(), mugs.states()) == (spent, states)
    assert mugs.ask("SELECT file FROM kept_pictures ORDER BY file") == files


def test_healing_what_is_whole_changes_nothing(mugs):
    before = mugs.everything()
    runs = mugs.ask("SELECT count(*) FROM runs")
    for _ in range(2):
        healed = mugs.heal(lost=False)
        assert not healed.any
        assert healed.unknown == []
    assert mugs.everything() == before
    assert mugs.ask("SELECT count(*) FROM runs") == runs


def test_healing_twice_is_healing_once(mugs):
    mugs.lose()
    mugs.heal()
    before = (mugs.everything(), mugs.spent())
    assert not mugs.heal(lost=False).any
    assert (mugs.everything(), mugs.spent()) == before


def damage(path, how, elsewhere=None):
    content = path.read_bytes()
    path.chmod(0o644)
    match how:
        case "deleted":
            path.unlink()
        case "altered":
            path.write_bytes(b"\0" + content[1:])
        case "cut":
            path.write_bytes(content[:-1])
        case "linked":
            path.rename(elsewhere / path.name)
            path.symlink_to(elsewhere / path.name)


@pytest.mark.parametrize("how", ["deleted", "altered", "cut", "linked"])
def test_a_picture_whose_bytes_are_nowhere_is_spoiled_and_not_bought_again_by_itself(mugs, how, tmp_path):
    """A name and its picture are one file in most folders, and two in a copied one."""
    request = mugs.plan[0]
    name = mugs.folder.root / mugs.line(request)["file_name"]
    (original,) = mugs.originals(request)
    content = name.read_bytes()
    name.unlink()
    name.write_bytes(content)
    damage(name, how, tmp_path)
    damage(original, how, tmp_path)
    spent = mugs.spent()
    mugs.lose()
    healed = mugs.heal()
    assert (healed.stored, healed.lost) == (4, 1)
    assert "1 request paid for whose pictures are gone or altered (--retry missing buys them again)" in str(healed)
    assert mugs.state(request) == State.SPOILED
    with closing(Reader(mugs.folder.ledger)) as reader:
        assert reader.standings([request.key])[request.key].lost
    assert mugs.spent() == spent


@pytest.mark.parametrize("how", ["deleted", "altered", "cut"])
def test_a_picture_whose_name_was_damaged_is_whole_under_its_key(mugs, how):
    request = mugs.plan[0]
    name = mugs.folder.root / mugs.line(request)["file_name"]
    content = name.read_bytes()
    name.unlink()
    name.write_bytes(content)
    damage(name, how)
    mugs.lose()
    assert (mugs.heal().stored, mugs.state(request)) == (5, State.STORED)
    assert [path.read_bytes() for path in mugs.originals(request)] == [content]


def test_pictures_that_lie_only_under_their_names_come_to_rest_under_their_keys(mugs):
    """As in a folder that was copied without its hidden files."""
    content = {request.key: [path.read_bytes() for path in mugs.originals(request)] for request in mugs.plan}
    shutil.rmtree(mugs.folder.state)
    mugs.folder.answers.mkdir(parents=True)
    healed = mugs.heal()
    assert (healed.stored, healed.unpriced, healed.lost, healed.failures) == (5, 0, 0, 3)
    assert {r.key: [path.read_bytes() for path in mugs.originals(r)] for r in mugs.plan} == content


def test_pictures_under_keys_without_any_line_are_known_and_their_costs_are_estimated(mugs):
    for name in ("metadata.jsonl", "failures.jsonl", "README.md"):
        (mugs.folder.root / name).unlink()
    shutil.rmtree(mugs.folder.images)
    mugs.lose()
    assert is_lost(mugs.folder)
    healed = mugs.heal()
    assert (healed.stored, healed.unpriced, healed.unknown) == (5, 5, [])
    assert "5 of them without a line that says what they cost: estimated" in str(healed)
    assert mugs.spent() == Spent(0, 0, 5 * EXPECTED, 0)
    assert mugs.ask("SELECT DISTINCT cost_flag FROM attempts") == [("recovered",)]
    # Both pictures of the last one, in their order.
    assert mugs.ask(
        "SELECT original FROM pictures p JOIN requests r ON r.id = p.request_id WHERE r.key = ? ORDER BY ordinal",
        mugs.plan[4].key,
    ) == [(path.relative_to(mugs.folder.pictures).as_posix(),) for path in mugs.originals(mugs.plan[4])]


def test_pictures_under_keys_that_nobody_asks_for_are_told_and_refused_once_the_ledger_is_lost(mugs):
    for name in ("metadata.jsonl", "failures.jsonl"):
        (mugs.folder.root / name).unlink()
    shutil.rmtree(mugs.folder.images)
    mugs.lose()
    with pytest.raises(UsageError, match=r"6 files or lines there belong to no request, such as .*--retry missing"):
        mugs.heal(find=lambda matches: iter(()))
    assert mugs.ask("SELECT count(*) FROM requests") == [(0,)]
    assert len(mugs.heal(find=lambda matches: iter(()), buys_missing=True).unknown) == 6


@pytest.mark.parametrize("lost", [True, False])
@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", "cut"])
def test_a_torn_file_under_a_key_is_no_picture_and_stays_where_it_is(mugs, content, lost):
    request = msgspec.structs.replace(mugs.plan[0], key="ab" * 16)
    mugs.plan.append(request)
    torn = make_shard(mugs.folder, request.key) / f"{request.key}-1.png"
    torn.write_bytes(ledgers.picture_bytes(9)[:-20] if content == "cut" else content)
    before = torn.read_bytes()
    if lost:
        mugs.lose()
    healed = mugs.heal(lost=lost)
    assert (healed.stored, healed.unpriced) == (5 if lost else 0, 0)
    assert mugs.state(request) is None
    assert torn.read_bytes() == before


@pytest.mark.parametrize("name", ["mark", "ab/notes.txt", "ab/.1234.part", "ab/cd{rest}-1.png", "ab/ab{rest}-0.png"])
def test_other_files_beside_the_originals_are_nobody_s(mugs, name):
    path = mugs.folder.pictures / name.format(rest="0" * 30)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(ledgers.picture_bytes(1))
    healed = mugs.heal(lost=False)
    assert (healed.any, healed.unknown) == (False, [])


def test_pictures_without_a_line_are_known_by_a_name_that_holds_their_key(mugs):
    """A folder of names alone: no lists, nothing under keys."""
    for name in ("metadata.jsonl", "failures.jsonl", "README.md"):
        (mugs.folder.root / name).unlink()
    shutil.rmtree(mugs.folder.state)
    mugs.folder.answers.mkdir(parents=True)
    # The second picture of the last request is nobody's by its name.
    for _ in range(2):
        with pytest.raises(UsageError, match=r"1 file or line there belong.* such as images/.*--retry missing"):
            mugs.heal()
        assert mugs.ask("SELECT count(*) FROM requests") == [(0,)]
    healed = mugs.heal(buys_missing=True)
    assert (healed.stored, healed.unpriced, len(healed.unknown)) == (5, 5, 1)
    assert all(len(mugs.originals(request)) == 1 for request in mugs.plan[:5])


def test_a_name_of_the_user_s_own_is_known_by_its_line(tmp_path):
    with ledgers.build(tmp_path / "mugs") as book:
        night = Night(book.folder)
        book.begin()
        night.plan = [book.request("mug"), book.request("cup")]
        book.store(night.plan[0], name="images/kitchen/mug.png", kinds=("PNG", "WEBP"))
        book.store(night.plan[1], name="images/kitchen/cup.png")
    write_dataset(night.folder)
    night.lose()
    healed = night.heal()
    assert (healed.stored, healed.unpriced, healed.unknown) == (2, 0, [])
    assert night.ask("SELECT file FROM names ORDER BY file") == [
        ("images/kitchen/cup.png",),
        ("images/kitchen/mug-2.webp",),
        ("images/kitchen/mug.png",),
    ]


@pytest.mark.parametrize("lost", [True, False])
def test_foreign_files_are_refused_only_if_the_ledger_is_lost(mugs, lost):
    mine = mugs.folder.images / "holiday.png"
    mine.write_bytes(b"mine")
    if not lost:
        assert mugs.heal(lost=False).unknown == []
        return
    mugs.lose()
    with pytest.raises(UsageError, match=r"its ledger is lost, and 1 file or line there .*images/holiday\.png"):
        mugs.heal()
    assert mugs.heal(buys_missing=True).unknown == ["images/holiday.png"]
    assert mine.read_bytes() == b"mine"


def test_a_ledger_of_yesterday_learns_what_was_bought_since(tmp_path):
    with ledgers.build(tmp_path / "mugs") as book:
        night = Night(book.folder)
        book.begin()
        night.plan = [book.request(prompt) for prompt in ("mug", "cup", "jar", "pot")]
        book.store(night.plan[0])
        backup = tmp_path / "backup.db"
        book.db.execute("VACUUM INTO ?", (str(backup),))
        book.store(night.plan[1], billed=30_000)
        book.store(night.plan[2], billed=20_000, kinds=("PNG", "WEBP"))
        book.fail(night.plan[3], State.DOUBT, maybe_microusd=11)
    write_dataset(night.folder)
    before = (night.everything(), night.spent())
    night.lose()
    shutil.copy(backup, night.folder.ledger)
    healed = night.heal(lost=False)
    assert (healed.stored, healed.unpriced, healed.failures, healed.lost) == (2, 0, 1, 0)
    night.describe()
    assert (night.everything(), night.spent()) == before


def test_a_ledger_of_yesterday_does_not_buy_what_only_lies_under_its_key(tmp_path):
    """Its lists are of yesterday, too: the run that bought more was killed."""
    with ledgers.build(tmp_path / "mugs") as book:
        night = Night(book.folder)
        book.begin()
        night.plan = [book.request(prompt) for prompt in ("mug", "cup")]
        book.store(night.plan[0])
        put_picture(book.folder, night.plan[1].key, 1, ledgers.picture_bytes(5))
    healed = night.heal(lost=False)
    assert (healed.stored, healed.unpriced) == (1, 1)
    assert set(night.states().values()) == {State.STORED}
    assert night.spent() == Spent(40_000, 0, EXPECTED, 0)


@pytest.mark.parametrize("state", [State.REFUSED, State.WAITING, State.DOUBT, State.SPOILED])
def test_a_picture_of_an_attempt_that_the_ledger_does_not_know_is_stored_at_its_estimate(tmp_path, state):
    with ledgers.build(tmp_path / "mugs") as book:
        night = Night(book.folder)
        book.begin()
        night.plan = [book.request("mug")]
        book.fail(night.plan[0], state)
        put_picture(book.folder, night.plan[0].key, 1, ledgers.picture_bytes(5))
    assert night.heal(lost=False).stored == 1
    assert night.state(night.plan[0]) == State.STORED
    assert night.spent().estimated_microusd == EXPECTED
    assert night.ask("SELECT ordinal, cost_flag FROM attempts") == [(1, None), (2, "recovered")]


def test_a_picture_of_an_attempt_on_its_way_settles_that_attempt(tmp_path):
    with ledgers.build(tmp_path / "mugs") as book:
        night = Night(book.folder)
        book.begin()
        night.plan = [book.request("mug")]
        book.send(night.plan[0], estimate=30_000)
        put_picture(book.folder, night.plan[0].key, 1, ledgers.picture_bytes(5))
    assert night.heal(lost=False).stored == 1
    assert night.ask("SELECT outcome, estimated_microusd, maybe_microusd FROM attempts") == [("billed", 30_000, 0)]


def test_a_lost_picture_that_is_back_under_its_key_is_not_billed_again(mugs):
    request = mugs.plan[0]
    spent = mugs.spent()
    with closing(connect(mugs.folder.ledger)) as db:
        (number,) = db.execute("SELECT id FROM requests WHERE key = ?", (request.key,)).fetchone()
        transitions.lose(db, request_id=number, message="gone", now_ms=1)
    healed = mugs.heal(lost=False)
    assert (healed.stored, healed.unpriced) == (1, 0)
    assert (mugs.state(request), mugs.spent()) == (State.STORED, spent)
    mugs.describe()
    write_dataset(mugs.folder)
    assert mugs.line(request)["cost_usd"] == 0.04


def test_another_picture_of_a_request_that_is_stored_is_kept_as_a_take_and_changes_nothing_that_is_shown(mugs):
    put_picture(mugs.folder, mugs.plan[0].key, 1, ledgers.picture_bytes(250))
    before = {one[0]: one[5] for one in mugs.everything()}
    spent = mugs.spent()
    healed = mugs.heal(lost=False)
    assert str(healed) == "0 requests stored, 1 more take of what is stored"
    mugs.describe()
    assert {one[0]: one[5] for one in mugs.everything()} == before
    assert mugs.takes(mugs.plan[0]) == [(1, True, 40_000, 0), (2, False, 0, EXPECTED)]
    assert mugs.spent().estimated_microusd == spent.estimated_microusd + EXPECTED
    assert not mugs.heal(lost=False).any


def bought_again(night, place=0, *, shade=250):
    """Another take of a request, bought and shown, as a run does on demand."""
    request = night.plan[place]
    with closing(connect(night.folder.ledger)) as db:
        takes.ask(db, [(request, night.stem(request))], run_id=1, now_ms=1)
        (number,) = db.execute("SELECT max(take) FROM requests WHERE key = ?", (request.key,)).fetchone()
        ticket = transitions.intend(
            *(db,),
            request=msgspec.structs.replace(request, take=number),
            stem=night.stem(request),
            run_id=1,
            reserved_microusd=EXPECTED,
            estimate_microusd=EXPECTED,
            now_ms=2,
        )
        bill = Bill(30_000, source="answer")
        transitions.answer(db, ticket=ticket, bill=bill, body=b"{}", kept=None, latency_ms=9, duration_ms=9, now_ms=3)
        picture = put_picture(night.folder, request.key, 1, ledgers.picture_bytes(shade))
        wanted = transitions.store(db, request_id=ticket.request_id, pictures=[picture], downloads=0, now_ms=4)
        names.record(db, View(night.folder).settle(wanted))


def choose(night, request, number):
    with closing(connect(night.folder.ledger)) as db:
        row = takes.first_of(db, request.key)
        names.record(db, View(night.folder).settle(takes.show(db, row, number, now_ms=5)))


@pytest.mark.parametrize("chosen", [None, 1])
def test_with_a_lost_ledger_every_take_comes_back_at_the_price_of_all_and_the_chosen_one_is_shown(mugs, chosen):
    bought_again(mugs)
    if chosen:
        choose(mugs, mugs.plan[0], chosen)
    write_dataset(mugs.folder)
    before, spent = mugs.line(mugs.plan[0]), mugs.spent()
    assert (before["take_shown"], before["takes_bought"], before["cost_usd"]) == (chosen or 2, 2, 0.07)
    mugs.lose()
    assert mugs.heal().takes == 1
    mugs.describe()
    write_dataset(mugs.folder)
    after = mugs.line(mugs.plan[0])
    same = ("file_name", "sha256", "cost_usd", "takes_bought", "created_at", "latency_ms")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert mugs.spent().billed_microusd == spent.billed_microusd
    assert not mugs.heal(lost=False).any


def test_a_ledger_of_before_takes_in_what_was_bought_again_since_and_shows_it(mugs):
    shutil.copytree(mugs.folder.state, mugs.folder.root.parent / "backup")
    bought_again(mugs)
    write_dataset(mugs.folder)
    line, spent = mugs.line(mugs.plan[0]), mugs.spent()
    mugs.lose()
    shutil.copy(mugs.folder.root.parent / "backup" / "ledger.db", mugs.folder.ledger)
    assert mugs.heal(lost=False).takes == 1
    mugs.describe()
    assert mugs.takes(mugs.plan[0]) == [(1, False, 40_000, 0), (2, True, 30_000, 0)]
    write_dataset(mugs.folder)
    assert mugs.line(mugs.plan[0])["sha256"] == line["sha256"]
    assert mugs.spent().billed_microusd == spent.billed_microusd


def test_a_list_that_is_older_than_the_ledger_shows_no_other_take(mugs):
    bought_again(mugs)
    shown = mugs.takes(mugs.plan[0])
    mugs.heal(lost=False)
    assert mugs.takes(mugs.plan[0]) == shown


def test_a_take_in_doubt_is_still_one_with_a_lost_ledger(mugs):
    request = mugs.plan[0]
    with closing(connect(mugs.folder.ledger)) as db:
        takes.ask(db, [(request, mugs.stem(request))], run_id=1, now_ms=1)
        ticket = transitions.intend(
            *(db,),
            request=msgspec.structs.replace(request, take=2),
            stem=mugs.stem(request),
            run_id=1,
            reserved_microusd=EXPECTED,
            estimate_microusd=EXPECTED,
            now_ms=2,
        )
        doubt = Outcome(State.DOUBT, "reset", "the connection was lost", maybe_microusd=EXPECTED)
        transitions.fail(db, ticket=ticket, outcome=doubt, duration_ms=None, now_ms=3)
    write_dataset(mugs.folder)
    spent = mugs.spent()
    mugs.lose()
    mugs.heal()
    assert mugs.ask("SELECT take, state FROM requests WHERE key = ? ORDER BY take", request.key) == [
        (1, "stored"),
        (2, "in doubt"),
    ]
    assert mugs.spent().maybe_microusd == spent.maybe_microusd


def test_an_answer_of_an_attempt_that_nobody_knows_is_to_be_finished(mugs):
    with ledgers.build(mugs.folder.root.parent / "other") as book:
        book.made = len(mugs.plan)
        request = book.request("arrived whole")
    mugs.plan.append(request)
    write_answer(mugs.folder, request.key, 99, b"a body")
    healed = mugs.heal(lost=False)
    assert (healed.answered, str(healed)) == (1, "0 requests stored, 1 answer to be made pictures of")
    with closing(Reader(mugs.folder.ledger)) as reader:
        (left,) = reader.unfinished()
    assert (left.key, left.stem) == (request.key, mugs.stem(request))
    assert mugs.folder.answer(left.answer).read_bytes() == b"a body"
    assert len(kept_answers(mugs.folder)) == 1
    assert not mugs.heal(lost=False).any


def test_an_answer_that_belongs_to_no_request_is_kept_and_told_once_the_ledger_is_lost(mugs):
    path = write_answer(mugs.folder, "ab" * 16, 3, b"a body")
    mugs.lose()
    with pytest.raises(UsageError, match=rf"such as \.batchgen/answers/{path.name}"):
        mugs.heal()
    assert path.read_bytes() == b"a body"


@pytest.mark.parametrize("number", [0, 4])
def test_an_answer_of_a_request_that_is_stored_is_not_finished_again(mugs, number):
    path = write_answer(mugs.folder, mugs.plan[number].key, 99, b"a body")
    assert mugs.heal(lost=False).answered == 0
    assert path.exists()
    assert mugs.state(mugs.plan[number]) == State.STORED


def test_an_answer_that_an_older_ledger_does_not_know_is_that_of_the_take_that_was_asked_for(mugs):
    request = mugs.plan[0]
    with closing(connect(mugs.folder.ledger)) as db:
        takes.ask(db, [(request, mugs.stem(request))], run_id=1, now_ms=1)
    write_answer(mugs.folder, request.key, 99, b"a body")
    assert mugs.heal(lost=False).answered == 1
    states = mugs.ask("SELECT take, state FROM requests WHERE key = ? ORDER BY take", request.key)
    assert states == [(1, "stored"), (2, "answered")]
    with closing(Reader(mugs.folder.ledger)) as reader:
        (left,) = reader.unfinished()
    assert mugs.folder.answer(left.answer).read_bytes() == b"a body"
    assert not mugs.heal(lost=False).any


def test_the_kept_answer_of_what_was_spoiled_is_read_again_and_billed_once(mugs):
    spoiled = mugs.plan[6]
    write_answer(mugs.folder, spoiled.key, 57, b"a body")
    before = mugs.spent()
    mugs.lose()
    healed = mugs.heal()
    assert (healed.answered, mugs.state(spoiled)) == (1, State.ANSWERED)
    assert mugs.spent() == before
    with closing(Reader(mugs.folder.ledger)) as reader:
        (left,) = reader.unfinished()
    assert mugs.folder.answer(left.answer).read_bytes() == b"a body"


def test_the_answer_of_what_was_in_doubt_settles_the_doubt(mugs):
    doubtful = mugs.plan[7]
    write_answer(mugs.folder, doubtful.key, 58, b"a body")
    before = mugs.spent()
    mugs.lose()
    assert mugs.heal().answered == 1
    assert mugs.state(doubtful) == State.ANSWERED
    assert mugs.spent() == Spent(before.billed_microusd, 0, before.estimated_microusd + EXPECTED, 0)


def test_notes_of_attempts_that_nobody_knows_are_removed_and_others_stay(tmp_path):
    with ledgers.build(tmp_path / "mugs") as book:
        night = Night(book.folder)
        book.folder.answers.mkdir()
        book.begin()
        night.plan = [book.request("mug")]
        ticket = book.send(night.plan[0])
        mark_unbilled(book.folder, ticket.key, ticket.attempt_id)
        mark_unbilled(book.folder, ticket.key, 99)
        mark_unbilled(book.folder, "ab" * 16, ticket.attempt_id)
    night.heal(lost=False)
    assert set(unbilled(night.folder)) == {(ticket.key, ticket.attempt_id)}
    assert night.state(night.plan[0]) == State.SENT


@pytest.mark.parametrize(("attempts", "doubts"), [(1, 1), (2, 2), (5, 2)])
def test_a_doubt_that_may_have_been_repeated_is_not_repeated_once_more(tmp_path, attempts, doubts):
    with ledgers.build(tmp_path / "mugs") as book:
        night = Night(book.folder)
        book.begin()
        night.plan = [book.request("mug")]
        for _ in range(attempts):
            book.fail(night.plan[0], State.DOUBT, maybe_microusd=11)
    write_dataset(night.folder)
    spent = night.spent()
    night.lose()
    assert night.heal().failures == 1
    with closing(Reader(night.folder.ledger)) as reader:
        standing = reader.standings([night.plan[0].key])[night.plan[0].key]
    assert (standing.state, standing.doubts) == (State.DOUBT, doubts)
    assert night.spent().maybe_microusd == spent.maybe_microusd


@pytest.mark.parametrize("state", [State.REFUSED, State.SPOILED])
def test_a_failure_of_its_list_ends_nothing_that_waits_or_was_stored(tmp_path, state):
    with ledgers.build(tmp_path / "mugs") as book:
        night = Night(book.folder)
        book.begin()
        night.plan = [book.request("mug")]
        book.fail(night.plan[0], state)
        write_dataset(night.folder)
        book.fail(night.plan[0], State.WAITING)
    assert night.heal(lost=False).failures == 0
    assert night.state(night.plan[0]) == State.WAITING


@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("lost", [True, False])
def test_play_money_and_real_money_are_never_mixed(tmp_path, simulated, lost):
    with ledgers.build(tmp_path / "mugs") as book:
        night = Night(book.folder)
        book.begin(simulated=simulated)
        night.plan = [book.request("mug"), book.request("cup")]
        book.store(night.plan[0])
        backup = tmp_path / "backup.db"
        book.db.execute("VACUUM INTO ?", (str(backup),))
        book.store(night.plan[1])
    write_dataset(night.folder)
    night.lose()
    with closing(connect(night.folder.ledger)) as db:
        db.execute("INSERT INTO facts VALUES ('simulated', ?)", (str(int(not simulated)),))
    with pytest.raises(FolderMismatch, match=rf"holds {'simulated' if simulated else 'real'} pictures.*--out"):
        night.heal(lost=lost)
    assert night.ask("SELECT count(*) FROM requests") == [(0,)]


@pytest.mark.parametrize("simulated", [True, False])
def test_a_lost_ledger_knows_again_whose_money_its_folder_holds(tmp_path, simulated):
    with ledgers.build(tmp_path / "mugs") as book:
        night = Night(book.folder)
        book.begin(simulated=simulated)
        night.plan = [book.request("mug")]
        book.store(night.plan[0])
    write_dataset(night.folder)
    night.lose()
    night.heal()
    with snapshot(night.folder.ledger) as db:
        assert is_simulated(db) == simulated


def test_what_another_folder_had_bought_comes_back_without_a_cost(tmp_path):
    with ledgers.build(tmp_path / "mugs") as book:
        night = Night(book.folder)
        book.begin()
        night.plan = [book.request("mug")]
        stored = [put_picture(book.folder, night.plan[0].key, 1, ledgers.picture_bytes(5))]
        todo = transitions.reuse(
            book.db,
            request=night.plan[0],
            stem=night.stem(night.plan[0]),
            run_id=book.run_id,
            pictures=stored,
            reused_from="/elsewhere",
            answered_ms=ledgers.START_MS,
            now_ms=ledgers.START_MS,
        )
        names.record(book.db, View(book.folder).settle(todo))
    write_dataset(night.folder)
    before = (night.everything(), night.line(night.plan[0]))
    night.lose()
    assert night.heal().stored == 1
    night.describe()
    write_dataset(night.folder)
    assert (night.everything(), night.line(night.plan[0])) == before
    assert night.spent() == Spent()


def test_what_several_rows_share_comes_back_with_one_bill_and_its_names(tmp_path):
    with ledgers.build(tmp_path / "mugs") as book:
        night = Night(book.folder)
        book.begin()
        night.plan = [book.request("mug", columns={"shelf": "a"})]
        book.store(night.plan[0], name="images/first.png")
        again = msgspec.structs.replace(night.plan[0], index=9, row=9, columns={"shelf": "b"})
        shared = [Described(again, "images/second", named=True)]
        ledgers.share(book.db, shared)
        names.record(book.db, View(book.folder).settle(names.unsettled(book.db)))
    write_dataset(night.folder)
    lines = (night.folder.root / "metadata.jsonl").read_bytes()
    assert lines.count(b"\n") == 2
    night.lose()
    healed = night.heal()
    assert (healed.stored, healed.unknown) == (1, [])
    assert night.spent() == Spent(40_000)
    with closing(connect(night.folder.ledger)) as db:
        ledgers.share(db, shared)
        names.record(db, View(night.folder).settle(names.unsettled(db)))
    write_dataset(night.folder)
    assert (night.folder.root / "metadata.jsonl").read_bytes() == lines


JUNK = [
    b"{",
    b"\xff\xfe",
    b"[]",
    b'{"key": 5}',
    b'{"key": "a"}',
    json.dumps(
        {
            "key": "a",
            "file_name": "images/../../etc/passwd",
            "provider": "p",
            "model": "m",
            "repeat": 1,
            "row": 0,
            "cost_usd": 1,
            "cost_source": "answer",
            "format": "png",
            "width": 1,
            "height": 1,
            "bytes": 1,
            "sha256": "0",
            "revised_prompt": None,
        }
    ).encode(),
]


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("name", ["metadata.jsonl", "failures.jsonl"])
def test_a_line_that_nobody_can_read_is_said_and_leaves_the_others_alone(mugs, junk, name):
    with (mugs.folder.root / name).open("ab") as stream:
        stream.write(junk + b"\n")
    mugs.lose()
    with pytest.raises(UsageError, match="1 file or line"):
        mugs.heal()
    healed = mugs.heal(buys_missing=True)
    assert (healed.stored, healed.failures, len(healed.unknown)) == (5, 3, 1)


@pytest.mark.parametrize("left", [None, b""])
def test_the_log_of_a_lost_ledger_is_not_played_into_the_new_one(mugs, left):
    mugs.lose()
    if left is not None:
        mugs.folder.ledger.write_bytes(left)
    for suffix in ("-wal", "-shm", "-journal"):
        mugs.folder.ledger.with_name(f"ledger.db{suffix}").write_bytes(b"an old log")
    set_aside_logs(mugs.folder.ledger)
    assert mugs.heal().stored == 5
    kept = sorted(mugs.folder.state.glob("*.of-the-lost-ledger"))
    assert [path.name.split(".")[1] for path in kept] == ["db-journal", "db-shm", "db-wal"]
    assert {path.read_bytes() for path in kept} == {b"an old log"}


def test_the_log_of_a_ledger_that_is_there_stays(mugs):
    mugs.folder.ledger.write_bytes(b"a ledger")
    log = mugs.folder.ledger.with_name("ledger.db-wal")
    log.write_bytes(b"its log")
    set_aside_logs(mugs.folder.ledger)
    assert (mugs.folder.ledger.read_bytes(), log.read_bytes()) == (b"a ledger", b"its log")
