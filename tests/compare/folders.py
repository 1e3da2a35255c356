"""Run folders with many small pictures that differ, made through the store's own changes."""

import io
import random
from contextlib import closing, contextmanager
from functools import cache

from PIL import Image

from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import transitions
from batchgen.store.ledger.names import stem_of
from batchgen.store.ledger.schema import connect
from batchgen.store.media.sniff import inspect
from tests.ledgers import LedgerBuilder, at_rest


def picture(seed, *, size=(24, 18), kind="PNG"):
    """Noise that no other seed makes, enlarged so that it survives being made small."""
    noise = Image.frombytes("RGB", (8, 6), random.Random(seed).randbytes(8 * 6 * 3))
    stream = io.BytesIO()
    noise.resize(size, Image.Resampling.NEAREST).save(stream, kind)
    return stream.getvalue()


@cache
def looked_at(content):
    return inspect(content)


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
        stem = stem_of(file) if file else f"images/{request.index // 1000:05d}/{request.index:09d}-{request.key[:8]}"
        self.db.execute("UPDATE requests SET stem = ? WHERE id = ?", (stem, ticket.request_id))
        (made,) = self.show(ticket, [at_rest(self.folder, request.key, content, form=looked_at(content))])
        return made

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
