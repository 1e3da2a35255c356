"""The last resort for what the ledger can't record any more: nothing that was paid for is dropped silently.

A ledger can be broken while the disk still takes files, and a disk can be full while another one is not.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from batchgen.request import AnswerPicture
from batchgen.store.folder.atomic import sync_folder
from batchgen.store.folder.kept_answers import mark_unbilled, write_answer
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.transitions import Ticket
from batchgen.store.media.inline_pictures import content_of
from batchgen.store.media.sniff import NotAPicture, inspect


class Spill:
    """The store of answers that the ledger can't take. ``messages`` name answers that no later run finds by itself, and
    their places.

    ``spill`` is a folder on another disk; without one, the system's for temporary files.
    """

    def __init__(self, folder: RunFolder, spill: Path | None) -> None:
        self._folder = folder
        self._spill = spill
        self.messages: list[str] = []

    def take(self, ticket: Ticket, body: bytes, pictures: Sequence[AnswerPicture]) -> None:
        """Keep an answer below ``answers/``, for the next run, or else at a place that a message names for a person.

        For a thread, not for the event loop.
        """
        try:
            write_answer(self._folder, ticket.key, ticket.attempt_id, body)
            sync_folder(self._folder.answers)
        except OSError:
            self._name(ticket, body, pictures)

    def note_unbilled(self, ticket: Ticket) -> None:
        """Note beside the ledger, which can't record any more, that this attempt cost nothing and is no doubt."""
        with contextlib.suppress(OSError):
            mark_unbilled(self._folder, ticket.key, ticket.attempt_id)

    def _name(self, ticket: Ticket, body: bytes, pictures: Sequence[AnswerPicture]) -> None:
        places = [self._place(ticket, picture) for picture in pictures]
        found = [place for place in places if place is not None]
        if not found and not pictures:
            with contextlib.suppress(OSError):
                found = [str(self._spilled(ticket.key, body, "body"))]
        if not found:
            self.messages.append(
                f"request {ticket.key} is paid for, and its picture could be kept nowhere: no disk takes it. "
                "The next run calls it in doubt; look for it in the service's own log"
            )
            return
        folder = shlex.quote(str(self._folder.root))
        self.messages.append(
            f"request {ticket.key} is paid for and could not be recorded; its picture is {' and '.join(found)}. Attach "
            f"it before the next run: batchgen adopt {folder} {ticket.key[:12]} {shlex.quote(found[0])}"
        )

    def _place(self, ticket: Ticket, picture: AnswerPicture) -> str | None:
        if picture.url is not None:
            return picture.url
        with contextlib.suppress(OSError, NotAPicture):
            content = content_of(picture)
            return str(self._spilled(ticket.key, content, inspect(content).extension))
        return None

    def _spilled(self, key: str, content: bytes, extension: str) -> Path:
        handle, name = tempfile.mkstemp(f".{extension}", f"batchgen-{key[:12]}-", self._spill)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(handle)
        return Path(name)
