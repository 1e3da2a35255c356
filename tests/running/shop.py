"""A small honest service in memory: it keeps the provider's interface and its own count of what it billed."""

import base64
import json
from collections import Counter, defaultdict
from functools import partial

import anyio

from batchgen.manifest import load_manifest
from batchgen.planning.plan import make_plan
from batchgen.planning.prices import PriceBook
from batchgen.provider.arrival import Arrival
from batchgen.provider.interface import Answered, Download, DownloadFailed, Failed, Verdict
from batchgen.request import AnswerPicture, Generation, State
from batchgen.running.options import Options
from batchgen.running.setup import run_plan
from batchgen.store.folder.kept_answers import kept_answers
from batchgen.store.folder.plan_cache import memo_in
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.ledger import open_ledger
from batchgen.store.ledger.records import snapshot
from batchgen.tokens import Usage
from tests import ledgers

PRICE = 40_000
PICTURES = [ledgers.picture_bytes(shade) for shade in range(250)]


def sold(number, *, large=False):
    """The body of a good answer; a large one holds its picture, and is too large for a row of the ledger."""
    content = base64.b64encode(PICTURES[number % 250]).decode()
    padding = "x" * 70_000 if large else ""
    return json.dumps({"data": [{"b64_json": content}], "cost": PRICE, "padding": padding}).encode()


def counted(number, tokens):
    """The body of a good answer that states tokens instead of a cost."""
    return json.dumps(json.loads(sold(number)) | {"cost": None, "tokens": tokens}).encode()


def b64(content):
    return json.dumps({"data": [{"b64_json": base64.b64encode(content).decode()}], "cost": PRICE}).encode()


def hosted(url):
    return json.dumps({"data": [{"url": url}], "cost": PRICE}).encode()


def failed(verdict, **given):
    """A step of a script: the answer of that verdict; money has gone where the verdict says so."""
    return Failed(verdict, given.pop("reason", "because"), "it was so", **given)


async def hang():
    await anyio.sleep_forever()


class Shop:
    """Answers as scripted for a prompt, step by step, and with a picture where the script has ended.

    A step is an answer, a body, an exception to raise, or an async function to wait for first.
    """

    name = "simulator"
    base_url = "http://127.0.0.1"

    def __init__(self, **scripts):
        self.scripts = defaultdict(list, {prompt: list(steps) for prompt, steps in scripts.items()})
        self.accepted = Counter()
        self.prompts = Counter()
        self.posts = 0
        self.peak = self.now = 0
        self.hosted = {}
        self.downloads = Counter()
        self.latency_s = 0.0
        self.large = False
        self.at_work = anyio.Event()
        self.balance_left = None

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        pass

    async def generate(self, request, *, idempotency_key):
        prompt = request.parameters["prompt"]
        self.posts += 1
        self.prompts[prompt] += 1
        self.now += 1
        self.peak = max(self.peak, self.now)
        try:
            return await self._answer(request, prompt)
        finally:
            self.now -= 1

    async def _answer(self, request, prompt):
        step = self.scripts[prompt].pop(0) if self.scripts[prompt] else sold(len(self.accepted), large=self.large)
        if not isinstance(step, Failed) or step.verdict in {Verdict.DOUBT, Verdict.SPOILED}:
            self.accepted[request.key] += 1
        self.at_work.set()
        await anyio.sleep(self.latency_s)
        if callable(step):
            await step()
            step = sold(len(self.accepted), large=self.large)
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, Failed | Arrival) else Arrival(200, (), step)

    def read(self, arrival, *, sent=()):
        try:
            stated = json.loads(arrival.body)
            entries = stated["data"]
        except (ValueError, KeyError):
            return self.unread(arrival)
        pictures = tuple(
            AnswerPicture(entry.get("url"), entry["b64_json"].encode() if "b64_json" in entry else None)
            for entry in entries
        )
        usage = Usage(image_out=stated["tokens"]) if "tokens" in stated else None
        return Answered(Generation(pictures, stated["cost"], 5, usage=usage))

    def unread(self, arrival):
        """What an answer without a picture means, by its words."""
        if arrival.cut:
            return Failed(Verdict.DOUBT, "answer_cut", arrival.cut, arrival.status)
        if b"moderation" in arrival.body:
            return Failed(Verdict.REFUSED, "moderation", "it was so", arrival.status, maybe_billed=True)
        return Failed(Verdict.SPOILED, "no_picture", "the answer holds no picture", arrival.status)

    async def download(self, url):
        self.downloads[url] += 1
        step = self.hosted[url].pop(0)
        if isinstance(step, DownloadFailed):
            raise step
        return Download(step, "image/png")

    async def catalogue(self):
        return None

    async def balance_microusd(self):
        return self.balance_left


class Customer:
    """One run folder and the shop that serves it, over any number of runs."""

    def __init__(self, root, shop):
        self.shop = shop
        self.root = root
        self.folder = RunFolder(root / "out")
        self.engine = None
        self.desk = None
        self.events = []

    def order(self, prompts, **more):
        """Writes the manifest for ``prompts``; ``more`` are its other keys."""
        job = {
            "provider": "simulator",
            "rows": [{"prompt": prompt} for prompt in prompts],
            "defaults": {"model": "maker/one", "size": "256x256"},
            "prices": {"maker/one": PRICE / 1e6, "maker/two": PRICE / 1e6},
            **more,
        }
        (self.root / "job.yaml").write_text(json.dumps(job))
        return self

    async def run(self, *, listen=None, checked=True, **options):
        manifest = load_manifest(self.root / "job.yaml")
        with self.folder.opened():
            async with self.shop:
                with anyio.fail_after(30):
                    finished = await run_plan(
                        make_plan(manifest, memo=memo_in(self.folder)),
                        self.shop,
                        self.folder,
                        PriceBook(manifest.prices, None),
                        options=Options(**options),
                        listen=listen or self.events.append,
                        on_engine=self._opened,
                    )
        if checked:
            self.check()
        return finished

    async def run_until(self, reached, **options):
        """A run that is broken off, as if its process were killed, as soon as ``reached()``."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(self.run, **options))
            with anyio.fail_after(20):
                while self.engine is None or not reached():
                    await anyio.sleep(0.005)
            tasks.cancel_scope.cancel()

    async def change(self, statement, *values):
        """Changes the ledger behind the program's back."""
        async with open_ledger(self.folder.ledger, provider="simulator") as ledger:
            await ledger.change(lambda db: db.execute(statement, values))

    def _opened(self, engine):
        self.engine = engine

    def states(self):
        """The state of each prompt, as the ledger has it."""
        with snapshot(self.folder.ledger) as db:
            rows = db.execute("SELECT json_extract(canonical, '$.parameters.prompt'), state FROM requests")
            return {prompt: State(state) for prompt, state in rows}

    def attempts(self):
        with snapshot(self.folder.ledger) as db:
            return db.execute("SELECT outcome, billed_microusd, maybe_microusd FROM attempts ORDER BY id").fetchall()

    def check(self):
        """What holds after every run, however it ended."""
        budget = self.engine._desk.budget
        assert budget.reserved_microusd == 0
        assert self.engine._lanes.in_flight == 0
        with snapshot(self.folder.ledger) as db:
            sent = set(
                db.execute(
                    "SELECT r.key, a.id FROM attempts a JOIN requests r ON r.id = a.request_id WHERE a.outcome = 'sent'"
                )
            )
            assert db.execute("SELECT count(*) FROM requests WHERE state = 'sent'").fetchone() == (len(sent),)
            doubts = Counter(
                dict(
                    db.execute(
                        "SELECT r.key, sum(a.outcome IN ('in doubt')) FROM attempts a"
                        " JOIN requests r ON r.id = a.request_id GROUP BY r.key"
                    )
                )
            )
            billed, maybe = db.execute("SELECT sum(billed_microusd), sum(maybe_microusd) FROM attempts").fetchone()
            takes = "SELECT original FROM pictures UNION SELECT original FROM other_takes"
            originals = [name for (name,) in db.execute(takes)]
            bought_again = Counter(
                dict(
                    db.execute(
                        "SELECT r.key, sum(a.take > 1 AND a.outcome = 'billed') FROM attempts a"
                        " JOIN requests r ON r.id = a.request_id GROUP BY r.key"
                    )
                )
            )
            made = db.execute("SELECT file, held FROM names WHERE state = 'made'").fetchall()
        # What a full disk kept from the ledger lies below answers/, where the next run finds it.
        assert sent <= kept_answers(self.folder).keys()
        for key, count in self.shop.accepted.items():
            assert count <= 1 + bought_again[key] + doubts[key], "a request was paid for twice without a doubt"
        if not sent:
            assert (budget.billed_microusd, budget.maybe_microusd) == (billed or 0, maybe or 0)
        for name in originals:
            assert self.folder.original(name).read_bytes() in PICTURES
        for file, held in made:
            assert (self.folder.root / file).read_bytes() == self.folder.original(held).read_bytes()
        assert not list(self.folder.root.rglob("*.part"))
