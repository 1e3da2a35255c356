"""Run folders with many small pictures that differ, made through the store's own changes."""

import hashlib
import io
import random
from contextlib import closing, contextmanager
from functools import cache

from PIL import Image

from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import transitions
from batchgen.store.ledger.schema import connect
from batchgen.store.ledger.transitions import StoredPicture
from batchgen.store.media.sniff import inspect
from tests.ledgers import LedgerBuilder


def picture(seed, *, size=(24, 18), kind="PNG"):
    """Noise that no other seed makes, enlarged so that it survives being made small."""
    noise = Image.frombytes("RGB", (8, 6), random.Random(seed).randbytes(8 * 6 * 3))
    stream = io.BytesIO()
    noise.resize(size, Image.Resampling.NEAREST).save(stream, kind)
    return stream.getvalue()


@cache
def looked_at(content):
    return inspect(content), hashlib.sha256(content).hexdigest()


class Folder(LedgerBuilder):
    """A ledger whose stored requests have pictures of their own."""

    @property
    def root(self):
        return self.folder.root

    def store(self, request, *, content=None, billed=40_000, latency_ms=2_000, file=None):
        """The whole way of a request that goes well; returns the file."""
        ticket = self.send(request)
        self.answer(ticket, transitions.Bill(billed, 0, None), latency_ms=latency_ms)
        content = content or picture(request.key)
        form, sha256 = looked_at(content)
        file = file or f"images/{request.index // 1000:05d}/{request.index:09d}-{request.key[:8]}.{form.extension}"
        (self.root / file).parent.mkdir(parents=True, exist_ok=True)
        (self.root / file).write_bytes(content)
        stored = StoredPicture(file, sha256, len(content), form)
        transitions.store(self.db, request_id=ticket.request_id, pictures=[stored], downloads=1, now_ms=self.now_ms)
        return file

    @contextmanager
    def at_once(self):
        """Everything in the block as one transaction."""
        self.db.execute("BEGIN")
        yield
        self.db.execute("COMMIT")


@contextmanager
def building(root):
    """A new run folder at ``root``, open for more."""
    folder = RunFolder(root)
    folder.images.mkdir(parents=True)
    folder.state.mkdir()
    with closing(connect(folder.ledger)) as db:
        made = Folder(folder, db)
        made.begin(simulated=True)
        yield made


def sweep(root, *, prompts, models, different=None):
    """``prompts`` x ``models`` stored pictures, all of them different or copies of as many as are."""
    contents = [picture(number) for number in range(different or 0)]
    with building(root) as folder, folder.at_once():
        for prompt in range(prompts):
            for model in range(models):
                name = f"maker/model-{model}"
                columns = {"category": ("kitchen", "garden", "street")[prompt % 3]}
                request = folder.request(
                    f"prompt {prompt:05d}: a stoneware mug", model=name, axes={"model": name}, columns=columns
                )
                content = contents[folder.made % different] if different else None
                folder.store(request, content=content, billed=10_000 * (model + 1), latency_ms=1_000 * (model + 1))
    return folder.folder
