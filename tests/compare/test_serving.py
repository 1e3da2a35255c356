"""The local server: who may ask, what it gives, how it grows beside a run, and how it ends."""

import http.client
import json
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

import anyio
import pytest

from batchgen.compare import routes, votes
from batchgen.compare.ledger_watch import LedgerWatch
from batchgen.compare.writing import write_page
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import names, row_metadata
from batchgen.store.ledger.row_metadata import Described
from tests.compare import folders
from tests.compare.conftest import PROGRAM, SETTLED, served, until
from tests.program import run_here

VOTE = {"item": "mug", "a": "maker/one", "b": "maker/two", "winner": "a", "voter": "me", "ts": 1, "ms": 5, "side": "b"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with folders.building(tmp_path_factory.mktemp("run") / "small") as made:
        for number in range(3):
            for model in ("maker/one", "maker/two"):
                made.store(made.request(f"mug {number}", model=model, axes={"model": model}))
        made.fail(made.request("rude", model="maker/two", axes={"model": "maker/two"}))
        drawing = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
        made.store(made.request("svg", model="maker/one"), content=drawing)
        file = made.store(made.request("lost", model="maker/one"))
        # As a stranger's ledger may have it.
        made.db.execute("UPDATE names SET file = '../outside.png' WHERE file = ?", (file,))
        made.end()
    return made.folder


@pytest.fixture(scope="module")
def url(folder):
    with served(folder.root) as address:
        yield address


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()


def ask(url, path="/", *, method="GET", body=None, bare=False, **headers):
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        below = path if bare else f"{place.path.rstrip('/')}{path}"
        connection.request(method, below, body, {"Host": place.netloc, **named})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def post(url, vote, **headers):
    own = {"Origin": f"http://{urlsplit(url).netloc}", "Content_Type": "application/json"}
    body = vote if isinstance(vote, bytes) else json.dumps(vote).encode()
    return ask(url, "/votes", method="POST", body=body, **{**own, **headers})


@pytest.mark.parametrize("path", ["/", "/rows?after=0", "/votes", "/results", "/compare/data.js", "/compare/page.css"])
def test_every_answer_says_what_may_be_done_with_it(url, path):
    answer = ask(url, path)
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:1"},
        {"Host": "[::1]:80"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
    ],
)
@pytest.mark.parametrize("path", ["/rows", "/votes"])
def test_a_name_rebound_to_this_machine_and_other_sites_get_nothing(url, path, headers):
    answer = ask(url, path, **headers)
    assert answer.status == 403
    assert b"mug" not in answer.body


@pytest.mark.parametrize("path", ["/", "/rows?after=0", "/votes", "/compare/data.js", "/x/rows", "//", "/favicon.ico/"])
def test_without_the_token_in_its_address_nothing_is_read(url, path):
    answer = ask(url, path, bare=True)
    assert answer.status == 403
    assert b"mug" not in answer.body


@pytest.mark.parametrize("change", [str.swapcase, lambda token: token[:-1], lambda token: f"{token}x", lambda _: "é"])
def test_another_token_than_the_one_told_reads_and_votes_nothing(url, folder, change):
    token = urlsplit(url).path.strip("/")
    other = url.replace(token, quote(change(token)))
    before = votes.read(folder.root)
    assert ask(other, "/rows?after=0").status == 403
    assert post(other, VOTE).status == 403
    assert votes.read(folder.root) == before


def test_the_icon_that_browsers_ask_for_at_the_root_is_nothing(url):
    answer = ask(url, "/favicon.ico", bare=True)
    assert (answer.status, answer.body) == (204, b"")
    assert ask(url, "/favicon.ico", bare=True, Host="evil.example").status == 403


def test_the_token_alone_is_no_address(url):
    assert ask(url, urlsplit(url).path.rstrip("/"), bare=True).status == 403


def test_a_link_from_elsewhere_opens_the_page(url):
    assert ask(url, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Content_Type": "text/plain"}, {"Host": "evil.example"}],
)
def test_another_site_cannot_vote(url, folder, headers):
    before = votes.read(folder.root)
    assert post(url, VOTE, **headers).status in {403, 415}
    assert votes.read(folder.root) == before


def test_a_post_without_an_origin_is_no_browser_s(url):
    answer = ask(url, "/votes", method="POST", body=json.dumps(VOTE), Content_Type="application/json")
    assert answer.status == 403


@pytest.mark.parametrize(
    ("vote", "status"),
    [
        (b"{}", 422),
        (b"[]", 422),
        (b"\xff\xfe", 422),
        (json.dumps({**VOTE, "b": VOTE["a"]}).encode(), 422),
        (json.dumps({**VOTE, "winner": "me"}).encode(), 422),
        (b'{"item": "' + b"x" * 70_000 + b'"}', 413),
    ],
)
def test_what_is_no_vote_is_refused_with_the_reason(url, folder, vote, status):
    before = votes.read(folder.root)
    answer = post(url, vote)
    assert answer.status == status
    assert answer.body
    assert votes.read(folder.root) == before


def test_a_vote_is_on_disk_when_it_is_answered(url, folder):
    assert post(url, VOTE).status == 204
    (found,) = [vote for vote in votes.read(folder.root).votes if vote.voter == "me"]
    assert (found.a, found.b, found.side) == ("maker/one", "maker/two", "b")
    assert json.loads(ask(url, "/votes").body)[0]["item"] == "mug"


@pytest.mark.parametrize(
    "path",
    [
        "/images/../.batchgen/ledger.db",
        "/images/..%2f.batchgen%2fledger.db",
        "/.batchgen/ledger.db",
        "/images/%2e%2e/%2e%2e/etc/passwd",
        "/images//etc/passwd",
        "/../outside.png",
        "/images/../../outside.png",
        "/compare/thumbs/../../.batchgen/ledger.db",
        "/compare/../serving.py",
        "/compare/compare.html",
        "/compare/thumbs/looks.jsonl",
        "/metadata.jsonl",
    ],
)
def test_only_pictures_of_the_ledger_are_served(url, folder, path):
    (folder.root.parent / "outside.png").write_bytes(folders.picture("secret"))
    assert ask(url, path).status == 404


def test_a_link_in_place_of_a_picture_is_not_followed(tmp_path):
    with folders.building(tmp_path / "run") as made:
        file = made.root / made.store(made.request("mug"))
    file.unlink()
    (tmp_path / "secret.png").write_bytes(folders.picture("secret"))
    file.symlink_to(tmp_path / "secret.png")
    with served(made.root) as address:
        assert ask(address, f"/{file.relative_to(made.root)}").status == 404


def test_a_picture_comes_as_what_it_is_and_runs_nothing(url, folder):
    ledger = LedgerWatch(folder)
    ledger.look()
    files = {row.entry.shot.format: row.entry.shot.file for row in ledger.since(0).rows.rows if row.entry.shot}
    drawing = ask(url, f"/{files['svg']}")

    assert drawing.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in drawing.headers["content-security-policy"]
    assert ask(url, f"/{files['png']}").status in {200, 404}


def test_a_number_that_is_none_is_refused(url):
    assert ask(url, "/rows?after=-1").status == 400
    assert ask(url, "/rows?after=x").status == 400


def test_only_what_changed_is_given_again(tmp_path):
    with folders.building(tmp_path / "run") as made:
        ledger = LedgerWatch(made.folder)
        made.store(made.request("one"))
        ledger.look()
        first = ledger.since(0).rows
        ledger.look()
        assert ledger.since(first.after).rows.rows == ()
        waiting = made.request("two")
        ticket = made.send(waiting)
        ledger.look()
        second = ledger.since(first.after).rows
        made.answer(ticket, folders.transitions.Bill(1, 0, None))
        ledger.look()
        third = ledger.since(second.after).rows

    assert [row.entry.words["prompt"] for row in first.rows] == ["one"]
    assert [(row.place, row.entry.state) for row in second.rows] == [(1, "sent")]
    assert [(row.place, row.entry.state) for row in third.rows] == [(1, "answered")]
    assert len(ledger.since(0).rows.rows) == 2


def test_what_was_retired_leaves_the_page_and_may_come_back(tmp_path):
    with folders.building(tmp_path / "run") as made:
        ledger = LedgerWatch(made.folder)
        requests = [made.request(prompt) for prompt in ("mug", "jug")]
        files = [made.store(request, file=f"images/{request.parameters['prompt']}.png") for request in requests]
        ledger.look()
        first = ledger.since(0).rows
        made.retire(1)
        ledger.look()
        second = ledger.since(first.after).rows
        assert ledger.shot(files[0]) is None
        made.store(made.request("a new mug"), file=files[0])
        ledger.look()
        third = ledger.since(second.after).rows
        row_metadata.describe(made.db, [Described(requests[0], "images/mug-2", named=True)], now_ms=made.now_ms)
        ledger.look()
        fourth = ledger.since(third.after).rows

    assert (second.rows, second.gone) == ((), (0,))
    assert [(row.place, row.entry.words["prompt"]) for row in third.rows] == [(2, "a new mug")]
    assert [(row.place, row.entry.shot.file) for row in fourth.rows] == [(0, "images/mug-2.png")]
    assert [row.place for row in ledger.since(0).rows.rows] == [1, 2, 0]


def test_a_picture_that_has_another_name_now_or_none_is_news_to_an_open_page(tmp_path):
    with folders.building(tmp_path / "run") as made:
        ledger = LedgerWatch(made.folder)
        file = made.store(made.request("mug"), file="images/mug.png")
        ledger.look()
        first = ledger.since(0).rows
        made.db.execute("UPDATE names SET file = 'images/cup.png'")
        ledger.look()
        second = ledger.since(first.after).rows
        assert (ledger.shot(file), ledger.shot("images/cup.png") is None) == (None, False)
        names.record_deleted(made.db, ["images/cup.png"])
        ledger.look()
        third = ledger.since(second.after).rows

    assert [row.entry.shot.file for row in second.rows] == ["images/cup.png"]
    assert [row.entry.shot for row in third.rows] == [None]


def test_the_page_is_told_what_was_retired(tmp_path):
    with folders.building(tmp_path / "run") as made:
        file = made.store(made.request("mug"))
        made.store(made.request("jug"))
        with served(made.root) as address:
            said = json.loads(ask(address, "/rows?after=0").body)
            assert (said["rows"]["at"], said["gone"]) == ([0, 1], [])
            names.retire(made.db, [1], now_ms=made.now_ms)
            gone, waiting = [], threading.Event()
            while not gone:
                waiting.wait(0.05)
                change = json.loads(ask(address, f"/rows?after={said['after']}").body)
                said, gone = change, change["gone"]
            assert gone == [0]
            # Its name may still be there: what the ledger retired is not the page's any more.
            assert (made.root / file).is_file()
            assert ask(address, f"/{file}").status == 404


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
async def test_a_vote_that_never_comes_to_its_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(routes, "_VOTE_DEADLINE_S", 0.05)
    with folders.building(tmp_path / "run") as made:
        application = routes.application(made.folder, LedgerWatch(made.folder), 80, "token")
    own = [(b"host", b"127.0.0.1:80"), (b"origin", b"http://127.0.0.1:80"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/token/votes", "query_string": b"", "headers": own}
    said = []

    async def begun_and_never_ended():
        await anyio.sleep(0 if not said else 60)
        said.append(None)
        return {"type": "http.request", "body": b"{", "more_body": True}

    async def send(message):
        said.append(message)

    await application(scope, begun_and_never_ended, send)
    assert [one["status"] for one in said if one and "status" in one] == [408]
    assert not (made.root / "votes.jsonl").exists()


def test_clients_that_say_nothing_or_half_hold_up_nobody_and_not_the_end(folder):
    with served(folder.root) as address:
        place = (urlsplit(address).hostname, urlsplit(address).port)
        silent = [socket.create_connection(place) for _ in range(100)]
        for one in silent[:50]:
            one.sendall(b"POST /votes HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n")
        for one in silent[50:75]:
            one.sendall(f"POST /votes HTTP/1.1\r\nHost: {place[0]}:{place[1]}\r\nContent-Length: 100\r\n\r\n".encode())
        assert ask(address, "/rows?after=0").status == 200
    for one in silent:
        one.close()


def test_votes_that_cannot_be_read_are_said_to_be_so(tmp_path):
    with folders.building(tmp_path / "run") as made:
        (made.root / "votes.jsonl").mkdir()
        with served(made.root) as address:
            answer = ask(address, "/votes")
    assert (answer.status, b"is a directory" in answer.body) == (422, True)


def test_votes_of_several_at_once_are_all_there(tmp_path):
    with folders.building(tmp_path / "run") as made:
        made.store(made.request("mug"))
    with served(made.root) as address, ThreadPoolExecutor(8) as voters:
        cast = [{**VOTE, "voter": f"voter {number % 4}", "item": f"mug {number}"} for number in range(60)]
        answers = list(voters.map(lambda one: post(address, one).status, cast))
    assert set(answers) == {204}
    found = votes.read(made.root)
    assert ({one.item for one in found.votes}, found.bad) == ({one["item"] for one in cast}, ())


def test_what_was_voted_while_the_server_was_gone_is_saved_when_it_is_back(visit, tmp_path):
    folder = folders.sweep(tmp_path / "run", prompts=3, models=2)
    with served(folder.root) as address:
        page = visit(address, complains=True)
        page.keyboard.press("v")
        page.wait_for_selector("dialog.vote .choice img")
    page.keyboard.press("ArrowLeft")
    until(page, "document.body.innerText.includes('Not saved yet')")
    assert votes.read(folder.root).votes == ()
    with served(folder.root, "--port", str(urlsplit(address).port)):
        deadline = time.monotonic() + 20
        while not votes.read(folder.root).votes:
            assert time.monotonic() < deadline
            page.wait_for_timeout(50)
        # The page may be beginning anew with the new server: a browser closed in the middle of that may never end.
        page.wait_for_timeout(500)
        page.wait_for_load_state()
    assert len(votes.read(folder.root).votes) == 1


def test_two_tabs_of_a_page_from_disk_keep_each_other_s_votes(visit, tmp_path):
    folder = folders.sweep(tmp_path / "run", prompts=4, models=2)
    write_page(folder)
    address = (folder.root / "compare.html").as_uri()
    first = visit(address)
    second = first.context.new_page()
    second.goto(address)
    second.wait_for_selector(".cell")
    for count, page in enumerate((first, second, first, second), 1):
        if count <= 2:
            page.keyboard.press("v")
        page.wait_for_selector("dialog.vote .choice img")
        page.keyboard.press("ArrowLeft")
        for one in (first, second):
            until(one, f"ballot.standing('model').length === {count}")
    assert [len(one.evaluate("ballot.exported()").splitlines()) for one in (first, second)] == [4, 4]


def test_the_page_asks_the_server_for_more_as_long_as_there_is(tmp_path, monkeypatch):
    from batchgen.compare import journal

    monkeypatch.setattr(journal, "MOST_ROWS", 3)
    with folders.building(tmp_path / "run") as made:
        ledger = LedgerWatch(made.folder)
        for number in range(8):
            made.store(made.request(f"mug {number}"))
            ledger.look()
    seen, after, more = [], 0, True
    while more:
        change = ledger.since(after).rows
        seen += [row.place for row in change.rows]
        after, more = change.after, change.more
    assert seen == list(range(8))


MANIFEST = """\
provider: {kind: simulator, simulator: {latency_s: 0.6}}
prompt: "{subject} in {style}"
rows: [{subject: mug}, {subject: "<b>bold</b>"}, {subject: bowl}]
defaults: {size: 64x64}
matrix: {model: [test/test, black-forest-labs/FLUX-1-schnell], style: [ink, oil, clay]}
limits: {concurrency: 2, adaptive: false}
"""


def test_the_page_grows_while_a_run_goes_on(visit, tmp_path):
    (tmp_path / "job.yaml").write_text(MANIFEST, encoding="utf-8")
    run = subprocess.Popen(
        [PROGRAM, "run", "job.yaml", "--out", "run"], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        ledger = RunFolder(tmp_path / "run").ledger
        waiting = threading.Event()
        while not (ledger.is_file() and _sent(ledger)):
            waiting.wait(0.05)
        with served(tmp_path / "run") as address:
            page = visit(address)
            early = page.evaluate("table.columns.state.filter((_, place) => table.state(place) === 'stored').length")
            until(
                page, "table.length === 18 && table.columns.state.every((_, place) => table.state(place) === 'stored')"
            )
            until(page, "!table.about().running")
            until(page, SETTLED)
            until(page, "table.columns.thumb.every((one) => one === 1)")
            page.keyboard.press("v")
            page.wait_for_selector("dialog.vote .choice img")
            with page.expect_response("**/votes"):
                page.keyboard.press("ArrowLeft")
            asked = page.asked
            page.close()
    finally:
        assert run.wait(60) == 0

    assert early < 18
    assert {urlsplit(one).netloc for one in asked if not one.startswith("blob:")} == {urlsplit(address).netloc}
    assert len(votes.read(tmp_path / "run").votes) == 1


def _sent(ledger):
    from contextlib import closing

    from batchgen.store.ledger.schema import connect_read_only

    with closing(connect_read_only(ledger)) as db:
        tables = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'requests'").fetchone()
        return tables != (0,) and db.execute("SELECT count(*) FROM requests").fetchone() > (2,)


@pytest.fixture(scope="module")
def everywhere(folder):
    with served(folder.root, "--host", "0.0.0.0") as address:
        yield address


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "192.0.2.7", "[2001:db8::7]", None, "UPPER"])
def test_who_listens_on_every_address_is_asked_by_any_of_them_and_by_the_machine_s_name(everywhere, name):
    place = urlsplit(everywhere)
    host = {None: place.hostname, "UPPER": place.hostname.upper()}.get(name, name)
    here = everywhere.replace(place.hostname, "127.0.0.1")
    named = {"Host": f"{host}:{place.port}"}
    assert ask(here, "/votes", **named).status == 200
    assert post(here, VOTE, **named, Origin=f"http://{host}:{place.port}").status in {200, 201, 204}
    assert place.hostname == socket.gethostname()


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "", "1.2.3.4.5"])
def test_a_name_rebound_to_a_server_on_every_address_gets_nothing(everywhere, name):
    place = urlsplit(everywhere)
    here = everywhere.replace(place.hostname, "127.0.0.1")
    assert ask(here, "/votes", Host=f"{name}:{place.port}").status == 403
    assert ask(here, "/votes", Host=f"127.0.0.1:{place.port}", Origin="http://evil.example").status == 403


def test_without_the_token_nothing_is_read_from_elsewhere_either(everywhere):
    place = urlsplit(everywhere)
    here = f"http://127.0.0.1:{place.port}/"
    for path in ("/", "/votes", "/rows?after=0"):
        assert ask(here, path, bare=True).status == 403


def test_who_listens_on_one_address_is_asked_by_no_other_name(folder):
    with served(folder.root, "--host", "127.0.0.2") as url:
        place = urlsplit(url)
        assert place.hostname == "127.0.0.2"
        assert ask(url, "/votes").status == 200
        for name in ("localhost", "127.0.0.1", "192.0.2.7"):
            assert ask(url, "/votes", Host=f"{name}:{place.port}").status == 403


def test_what_others_can_do_is_told_with_the_address(folder):
    process = subprocess.Popen(
        [PROGRAM, "compare", str(folder.root), "--serve", "--host", "0.0.0.0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith(f"http://{socket.gethostname()}:")
    process.terminate()
    _, said = process.communicate(timeout=30)
    assert "not encrypted: whoever has the whole address sees the pictures and votes" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--serve", "--host", "192.0.2.1"), "no address of this machine"),
        (("--serve", "--host", "no such host"), "there is no such name or address"),
        (("--serve", "--host", ""), "--host is blank"),
        (("--host", "0.0.0.0"), "--host is of use only with --serve"),
    ],
)
def test_a_host_that_is_none_is_wrong_usage(folder, words, said):
    done = run_here(folder.root, "compare", folder.root, *words)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_port_that_is_taken_is_said_in_a_line(url, folder):
    done = run_here(folder.root, "compare", folder.root, "--serve", "--port", urlsplit(url).port)
    assert done.returncode == 3
    assert "in use" in done.stderr
    assert "Traceback" not in done.stderr
