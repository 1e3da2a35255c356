"""A service that fails, the program as its users start it, and what has to hold whatever happened between the two."""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("batchgen")
REPOSITORY = Path(__file__).parents[2]
# 64 characters, some of which look different in a URL.
CANARY = "ir-canary/" + "Q7z" * 17 + "+/="
PRICE_MICROUSD = 10_000
RISK_CAP_MICROUSD = 500_000

PICTURES = ".batchgen/pictures"

# Runs that end so leave nothing to send.
_ENDED = {0, 1, 4}
_RECORDED = ("answered", "stored", "spoiled")


@dataclass(frozen=True)
class Ended:
    """How the program ended."""

    code: int
    out: str
    err: str
    seconds: float
    peak_rss_bytes: int


@dataclass(frozen=True)
class Sums:
    """One line of the table at the end of the session."""

    faults: int = 0
    billed: int = 0
    stored: int = 0
    paid_twice: int = 0
    lost: int = 0
    in_doubt: int = 0
    in_doubt_microusd: int = 0


class Shop:
    """One service, one run folder, and everything the program said there."""

    def __init__(self, root):
        self.root = root
        self.books = root / "books"
        self.books.mkdir(parents=True)
        self.out = root / "out"
        self.injected = 0
        self.asked_again = 0
        self.priced = True
        self.reruns = True
        # Names that the test deleted, names whose bytes it changed, pictures that it took from under their keys, and
        # keys that only a ledger knew which it lost.
        self.deleted = set()
        self.tampered = set()
        self.lost = set()
        self.forgotten = set()
        # Whether the test wrote things into the ledger that are not so.
        self.forged = False
        self.allowed_times = 2
        self.risk_cap_microusd = RISK_CAP_MICROUSD
        self._strict = True
        self._said = []
        self._recorded = []
        self._last_code = None
        self._processes = []
        self._service = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server", self.books],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ports = json.loads(self._service.stdout.readline())
        self.base_url = f"http://127.0.0.1:{self.ports['shop']}"

    def close(self):
        for process in self._processes:
            if process.poll() is None:
                kill_all(process)
                process.communicate()
        self._service.stdin.close()
        self._service.wait(10)
        self._service.stdout.close()

    # What the service does and did

    def rules(self, *rules):
        self._order(rules=rules)

    def outage(self, on):
        self._order(outage=on)

    def _order(self, **order):
        door = f"http://127.0.0.1:{self.ports['door']}/"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(door, data=json.dumps(order).encode(), timeout=10) as answer:
            return json.load(answer)

    def billing(self):
        return _lines(self.books / "billing.jsonl")

    def posts(self):
        return self.visits("post")

    def visits(self, on):
        return [visit for visit in _lines(self.books / "visits.jsonl") if visit["on"] == on]

    def accepted(self):
        """How often each key was billed, by the service's books; without those that were ``forgotten``."""
        return Counter(key for line in self.billing() if (key := _key(line)) not in self.forgotten)

    # The program

    def write(self, rows, *, concurrency=4, model="shop/cheap", limits=None, retry=None, **more):
        rows = [{"prompt": f"mug {number}"} for number in range(rows)] if isinstance(rows, int) else rows
        job = {
            "provider": {"kind": "imagerouter", "base_url": self.base_url},
            "rows": rows,
            "defaults": {"model": model, "size": "64x64"},
            "limits": {"concurrency": concurrency, "adaptive": False, **(limits or {})},
            "retry": {"deadline": "20s", **(retry or {})},
            **more,
        }
        (self.root / "job.yaml").write_text(json.dumps(job), encoding="utf-8")
        return self

    def start(self, *options, command="run", prefix=(), environment=None, **popen):
        """The program in its own process; everything it says is kept for :meth:`assert_invariants`."""
        self._strict = self._strict and "--strict" in options
        words = [command, "job.yaml", "--out", "out"] if command == "run" else [command, "out"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen}
        process = subprocess.Popen(
            [*prefix, PROGRAM, *words, *options],
            cwd=self.root,
            env={**os.environ, "COLUMNS": "100", "IMAGEROUTER_API_KEY": CANARY, **(environment or {})},
            text=True,
            errors="replace",
            **streams,
        )
        process.started = time.monotonic()
        self._processes.append(process)
        return process

    def end(self, process, timeout=60):
        """Waits for the program's own end."""
        peak = _Peak(process.pid)
        give_up = time.monotonic() + timeout
        out, err = "", ""
        while True:
            try:
                out, err = process.communicate(timeout=0.1)
                break
            except subprocess.TimeoutExpired:
                peak.look()
                if time.monotonic() > give_up:
                    kill_all(process)
                    out, err = process.communicate()
                    raise AssertionError(f"it did not end within {timeout} s: {out}{err}") from None
        seconds = time.monotonic() - process.started
        return self._heard(Ended(process.returncode, out or "", err or "", seconds, peak.bytes))

    def run(self, *options, timeout=60, **more):
        return self.end(self.start(*options, **more), timeout)

    def kill(self, process):
        """SIGKILL, and a note of what was recorded by then: none of it may ever be billed again."""
        self.injected += 1
        process.kill()
        out, err = process.communicate()
        self.note_recorded()
        return self._heard(Ended(process.returncode, out or "", err or "", 0, 0))

    def note_recorded(self):
        """What the ledger calls answered, stored or spoiled now, with how often it was billed."""
        accepted = self.accepted()
        marks = ",".join("?" * len(_RECORDED))
        keys = self.rows(f"SELECT key FROM requests WHERE state IN ({marks})", *_RECORDED)
        self._recorded.append({key: accepted[key] for (key,) in keys})

    def _heard(self, ended):
        self._said.append(ended)
        self._last_code = ended.code
        return ended

    def wait_for_posts(self, count, process):
        """Until the service has seen ``count`` posts in all, or the program has ended by itself."""
        self.wait(lambda: len(self.posts()) >= count or process.poll() is not None)

    def wait(self, condition, process=None, timeout=30):
        give_up = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < give_up, "it never happened"
            assert process is None or process.poll() is None, self.end(process)
            time.sleep(0.005)

    # What it left

    def rows(self, statement, *values):
        """What the ledger says, read from a copy: reading it must not change what a next run finds."""
        source = self.out / ".batchgen"
        if not (source / "ledger.db").is_file():
            return []
        with tempfile.TemporaryDirectory() as folder:
            for name in ("ledger.db", "ledger.db-wal"):
                if (source / name).is_file():
                    shutil.copy(source / name, folder)
            with contextlib.closing(sqlite3.connect(Path(folder) / "ledger.db")) as db:
                try:
                    return db.execute(statement, values).fetchall()
                except sqlite3.OperationalError as error:
                    # Killed before the tables were made.
                    if "no such table" in str(error):
                        return []
                    raise

    def states(self):
        return Counter(state for (state,) in self.rows("SELECT state FROM requests"))

    def prompts(self, state):
        rows = self.rows("SELECT canonical FROM requests WHERE state = ?", state)
        return sorted(json.loads(canonical)["parameters"]["prompt"] for (canonical,) in rows)

    def failures(self):
        return _lines(self.out / "failures.jsonl")

    def summary(self):
        return json.loads((self.out / "summary.json").read_text(encoding="utf-8"))

    def published(self):
        """The pictures anyone who lists the folder sees."""
        images = self.out / "images"
        return [path for path in images.rglob("*") if path.is_file() and not path.name.startswith(".")]

    def at_rest(self):
        """The pictures under their keys."""
        return [path for path in (self.out / PICTURES).glob("*/*") if not path.name.startswith(".")]

    # What has to hold

    def assert_invariants(self):
        """The promise and its relatives, after whatever happened."""
        if self._last_code in _ENDED and self.reruns:
            before = len(self.billing())
            # What fails at the service must not hide what a second run would buy.
            self.rules()
            again = self.run(*(["--strict"] if self._strict else []))
            assert len(self.billing()) == before, f"a second run billed {len(self.billing()) - before}: {again.err}"
        self._assert_purchases()
        self._assert_silence()
        if not self.forged:
            self._assert_pictures()
            self._assert_listed()

    def sums(self):
        """This shop's share of the table."""
        faults = self.injected + self._order()["faults"]
        if self.forged:
            return Sums(faults=faults, billed=len(self.billing()))
        accepted, known, recorded_again = self.accepted(), self._known(), 0
        for recorded in self._recorded:
            recorded_again += sum(max(0, accepted[key] - times) for key, times in recorded.items())
        ((doubts, doubtful),) = self.rows(
            "SELECT count(*), coalesce(sum(maybe_microusd), 0) FROM attempts WHERE outcome IN ('in doubt', 'sent')"
        ) or [(0, 0)]
        return Sums(
            faults=faults,
            billed=len(self.billing()),
            stored=self.states()["stored"],
            paid_twice=max(0, recorded_again - self.asked_again),
            lost=sum(max(0, times - known.get(key, (0, 0))[0]) for key, times in accepted.items()),
            in_doubt=doubts,
            in_doubt_microusd=doubtful,
        )

    def _assert_pictures(self):
        made = defaultdict(set)
        for line in self.billing():
            made[_key(line)].add(line["sha256"])
        recorded = self.rows(
            "SELECT r.key, p.original, p.sha256 FROM (SELECT request_id, original, sha256 FROM pictures"
            " UNION SELECT request_id, original, sha256 FROM other_takes) p JOIN requests r ON r.id = p.request_id"
        )
        for key, original, sha256 in recorded:
            assert sha256 in made[key], f"{original} is not what was made for {key}"
            lies = original in self.lost or _sha256(self.out / PICTURES / original) == sha256
            assert lies, f"{original} has other bytes"
        for path in self.at_rest():
            key = path.name.rpartition("-")[0]
            assert path.parent.name == key[:2]
            assert _sha256(path) in made[key], f"{path.name} is not what was made for its key"
        self._assert_names(made)
        if self._last_code in _ENDED:
            assert not [path for path in self.out.rglob("*") if path.name.endswith(".part")]
            known = {original for _, original, _ in recorded}
            assert {path.relative_to(self.out / PICTURES).as_posix() for path in self.at_rest()} == known - self.lost

    def _assert_names(self, made):
        """Every name shows what was made for somebody; once a run has ended, each request has the ones it wants."""
        shown = {path.relative_to(self.out).as_posix(): _sha256(path) for path in self.published()}
        everything = set().union(*made.values())
        strange = [file for file, digest in shown.items() if digest not in everything and file not in self.tampered]
        assert not strange, f"{strange[0]} was made by nobody"
        if self._last_code not in _ENDED:
            return
        names = self.rows(
            "SELECT n.file, n.state, p.sha256 FROM names n"
            " JOIN pictures p ON p.request_id = n.request_id AND p.ordinal = n.ordinal"
        )
        wanted = {file: sha256 for file, state, sha256 in names if state == "made"}
        assert {file: shown.get(file) for file in wanted} == wanted
        leaving = {file for file, state, _ in names if state == "leaving"}
        assert shown.keys() - self.tampered - leaving == wanted.keys()
        assert {file for file, state, _ in names if state == "deleted"} == self.deleted
        nameless = self.rows(
            "SELECT key FROM requests r WHERE state = 'stored' AND retired_ms IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM names n WHERE n.request_id = r.id AND n.state <> 'leaving')"
        )
        assert not nameless, f"{nameless[0]} is stored and has no name"

    def _assert_purchases(self):
        accepted = self.accepted()
        most = (1 if self._strict else self.allowed_times) + self.asked_again
        assert all(times <= most for times in accepted.values()), accepted.most_common(3)
        repeated = sum((times - 1) * PRICE_MICROUSD for times in accepted.values() if times > 1)
        assert repeated <= self.risk_cap_microusd + self.asked_again * PRICE_MICROUSD
        for recorded in self._recorded:
            again = {key: times for key, times in recorded.items() if accepted[key] > times}
            assert len(again) <= self.asked_again, f"recorded answers were billed again: {again}"

    def _known(self):
        """By key: how many of its attempts the ledger takes for billed or in doubt, and how many of those priced."""
        return {
            key: (count, priced)
            for key, count, priced in self.rows(
                "SELECT r.key, sum(a.outcome IN ('billed', 'in doubt', 'sent')), sum(a.outcome IN ('billed',"
                " 'in doubt', 'sent') AND (a.outcome = 'sent' OR"
                " billed_microusd + maybe_microusd + estimated_microusd > 0))"
                " FROM attempts a JOIN requests r ON r.id = a.request_id GROUP BY r.key"
            )
        }

    def _assert_listed(self):
        known = self._known()
        states = dict(self.rows("SELECT key, state FROM requests"))
        for key, times in self.accepted().items():
            count, priced = known.get(key, (0, 0))
            assert times <= count, f"{key} was billed {times} times, and the ledger knows of {count}"
            assert not self.priced or times <= priced, f"{key} was billed {times} times, and {priced} have a price"
            assert states[key] in {*_RECORDED, "in doubt", "sent"} or times < count + 1
        if self._last_code in {*_ENDED, 130, 143} and (self.out / "failures.jsonl").exists():
            listed = {line["key"]: line for line in self.failures()}
            for key in (key for key in self.accepted() if states[key] not in {"stored", "answered"}):
                line = listed[key]
                money = line["billed_usd"] + line["maybe_billed_usd"] + line["estimated_usd"]
                assert not self.priced or money > 0

    def _assert_silence(self):
        forms = [form.encode() for form in _forms(CANARY)]
        for ended in self._said:
            said = ended.out + ended.err
            assert "Traceback (most recent call last)" not in said, said
            assert not any(form in said.encode() for form in forms), "the key was shown"
        for path in self.out.rglob("*"):
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                assert not any(form in content for form in forms), f"the key is in {path}"


class _Peak:
    """The largest resident set of a process that could be seen."""

    def __init__(self, pid):
        self._status = Path(f"/proc/{pid}/status")
        self.bytes = 0

    def look(self):
        with contextlib.suppress(OSError, StopIteration):
            lines = self._status.read_text(encoding="ascii").splitlines()
            line = next(line for line in lines if line.startswith("VmHWM"))
            self.bytes = max(self.bytes, int(line.split()[1]) * 1024)


def kill_all(process):
    """Ends the program, also one that runs below a tracer: a tracer that is killed lets go of what it traced."""
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split():
            os.kill(int(child), signal.SIGKILL)
    process.kill()


def table(lines):
    """The sums of all shops as one line of figures."""
    total = Counter()
    for line in lines:
        total.update(line)
    return {name: total[name] for name in asdict(Sums())}


def _lines(path):
    if not path.exists():
        return []
    # The last line may still be on its way to the file.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line[-1] == "\n"]


def _key(line):
    return line["key"].rpartition("-")[0]


def _forms(secret):
    encoded = [base64.b64encode(b"x" * shift + secret.encode()).decode()[4:-4] for shift in range(3)]
    return [secret, urllib.parse.quote(secret), urllib.parse.quote(secret, safe=""), *encoded]


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
