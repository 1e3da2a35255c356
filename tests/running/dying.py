"""A process that dies at any of its calls that change names on the disk, and books that outlive it."""

import itertools
import os
from collections import Counter

import anyio

from batchgen.store.ledger.writer import Writer
from tests.running.shop import Shop

DIED = 77

# What a run does to the disk, each a moment at which it may die.
_CALLS = ("link", "replace", "rename", "unlink", "fsync", "rmdir")


def dies_at(number, action, *, commits=False):
    """Runs ``action`` in a process that dies at its ``number``-th call that changes names on the disk; did it?

    With ``commits``, the moments before and after each commit of the ledger count too.
    """
    child = os.fork()
    if child == 0:
        count = itertools.count(1)

        def deadly(real):
            def call(*args, **kwargs):
                if next(count) == number:
                    os._exit(DIED)
                return real(*args, **kwargs)

            return call

        for name in _CALLS:
            setattr(os, name, deadly(getattr(os, name)))
        if commits:
            tried, moment = Writer._tried, deadly(lambda: None)

            def committed(*given):
                moment()
                error = tried(*given)
                moment()
                return error

            Writer._tried = committed
        try:
            anyio.run(action)
        except BaseException:  # noqa: BLE001 - nothing of the test may go on in here
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in {0, DIED}
    return os.waitstatus_to_exitcode(status) == DIED


class Books(Shop):
    """A shop whose books are a file, since its customer's process dies."""

    def __init__(self, file, **scripts):
        super().__init__(**scripts)
        self.file = file

    async def generate(self, request, *, idempotency_key):
        with self.file.open("a") as books:
            books.write(f"{request.parameters['prompt']}\n")
        return await super().generate(request, idempotency_key=idempotency_key)

    def sold(self):
        return Counter(self.file.read_text().split())
