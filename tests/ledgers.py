"""Ledgers made through the store's own changes, with real pictures: what reports and datasets are tested on."""

import hashlib
import io
from contextlib import closing
from dataclasses import dataclass, field, replace

from PIL import Image

from batchgen.request import Kind, Request, State, canonical_json, key_of
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.view import View, stem_of
from batchgen.store.ledger import names, row_metadata, transitions
from batchgen.store.ledger.schema import connect
from batchgen.store.ledger.transitions import Bill, Outcome, StoredPicture
from batchgen.store.media.sniff import inspect
from batchgen.store.pictures.on_disk import put_picture

START_MS = 1_772_366_400_000  # 2026-03-01 12:00 UTC


def picture_bytes(shade, kind="PNG", size=(16, 12)):
    stream = io.BytesIO()
    Image.new("RGB", size, (shade % 256, 96, 160)).save(stream, kind)
    return stream.getvalue()


@dataclass
class LedgerBuilder:
    """A run folder whose ledger grows by one call per thing that happens; its clock only moves when it is told to."""

    folder: RunFolder
    db: object
    now_ms: int = START_MS
    run_id: int = 0
    made: int = 0
    tickets: dict = field(default_factory=dict)

    def begin(self, *, simulated=False, manifest="jobs/mugs.yaml", planned=10):
        self.db.execute("INSERT OR IGNORE INTO facts VALUES ('simulated', ?)", (str(int(simulated)),))
        self.run_id = transitions.begin_run(
            self.db,
            now_ms=self.now_ms,
            version="0.1.0",
            manifest=manifest,
            provider="simulator" if simulated else "imagerouter",
            base_url="https://api.example",
            planned=planned,
            estimate_microusd=400_000,
        )

    def end(self, exit_code=0, reason=None):
        transitions.end_run(self.db, run_id=self.run_id, now_ms=self.now_ms, exit_code=exit_code, reason=reason)

    def request(self, prompt="a mug", *, model="maker/one", columns=None, axes=None, repeat=1, image=(), **parameters):
        parameters = {"prompt": prompt, **parameters}
        canonical = canonical_json(
            provider="imagerouter", kind=Kind.IMAGE, model=model, parameters=parameters, image=image, repeat=repeat
        )
        self.made += 1
        return Request(
            key=key_of(canonical),
            canonical=canonical,
            provider="imagerouter",
            kind=Kind.IMAGE,
            model=model,
            parameters=parameters,
            repeat=repeat,
            index=self.made,
            row=self.made - 1,
            columns=columns or {},
            axes=axes or {},
        )

    def send(self, request, *, estimate=50_000):
        return transitions.intend(
            self.db,
            request=request,
            stem=f"images/00000/{request.index:09d}-{request.key[:8]}",
            run_id=self.run_id,
            reserved_microusd=estimate or 0,
            estimate_microusd=estimate,
            now_ms=self.now_ms,
        )

    def answer(self, ticket, bill, *, latency_ms=2_000):
        self.now_ms += latency_ms or 0
        if bill.source is None and not bill.flag:
            bill = replace(bill, source="manifest" if bill.estimated_microusd else "answer")
        transitions.answer(
            self.db,
            ticket=ticket,
            bill=bill,
            body=b"{}",
            kept=None,
            latency_ms=latency_ms,
            duration_ms=(latency_ms or 0) + 50,
            now_ms=self.now_ms,
        )

    def store(
        self, request, *, billed=40_000, estimated=0, flag=None, latency_ms=2_000, kinds=("PNG",), name=None, **more
    ):
        """The whole way of a request that goes well; returns the files."""
        ticket = self.send(request)
        source = "manifest" if flag or estimated else "answer"
        bill = Bill(billed, estimated, flag, **{"source": source, **more})
        self.answer(ticket, bill, latency_ms=latency_ms)
        return self.publish(request, ticket, kinds=kinds, name=name)

    def publish(self, request, ticket, *, kinds=("PNG",), name=None):
        """Stores one picture of each kind, named as by default or by ``name``; returns the names."""
        self.now_ms += 100
        stored = [
            put_picture(self.folder, request.key, ordinal, picture_bytes(request.index * 20 + ordinal - 1, kind))
            for ordinal, kind in enumerate(kinds, 1)
        ]
        if name is not None:
            self.db.execute("UPDATE requests SET stem = ? WHERE id = ?", (stem_of(name), ticket.request_id))
        return self.show(ticket, stored)

    def show(self, ticket, stored):
        """Record pictures at rest and make their names; returns those."""
        wanted = transitions.store(
            self.db, request_id=ticket.request_id, pictures=stored, downloads=1, now_ms=self.now_ms
        )
        settled = View(self.folder).settle(wanted)
        names.record(self.db, settled)
        return [file for file, _, _ in settled.made]

    def retire(self, *numbers):
        """Take the names of requests away, as `prune` does."""
        names.retire(self.db, numbers, now_ms=self.now_ms)
        names.record(self.db, View(self.folder).settle(names.unsettled(self.db)))

    def fail(self, request, state=State.REFUSED, *, reason="moderation", message="flagged", status=400, **money):
        ticket = self.send(request)
        self.now_ms += 500
        outcome = Outcome(state, reason, message, status, **money)
        transitions.fail(self.db, ticket=ticket, outcome=outcome, duration_ms=500, now_ms=self.now_ms)


def share(db, rows):
    """Further ``rows``, the only ones of their plan, ask for requests that are described already."""
    row_metadata.share(db, rows, of_plan=set)
    row_metadata.name_shared(db, of_plan=set, now_ms=1)


def at_rest(folder, key, content, ordinal=1, form=None):
    """Put any bytes at rest under a key, also those that no decoder reads to their end, without a sync."""
    form = form or inspect(content)
    picture = StoredPicture(
        f"{key[:2]}/{key}-{ordinal}.{form.extension}", hashlib.sha256(content).hexdigest(), len(content), form
    )
    path = folder.original(picture.original)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o444)
    return picture


def build(root):
    """A builder for a new run folder at ``root``; to be closed."""
    folder = RunFolder(root)
    folder.images.mkdir(parents=True)
    folder.state.mkdir()
    return closing_builder(folder)


class closing_builder(closing):  # noqa: N801
    def __init__(self, folder):
        self.builder = LedgerBuilder(folder, connect(folder.ledger))
        super().__init__(self.builder.db)

    def __enter__(self):
        return self.builder
