"""The errors that end the program, in the user's words; each one knows its exit code.

BatchgenError
├── UsageError              2   bad usage or manifest; nothing was sent
│   ├── ManifestError           all problems of a manifest at once
│   ├── BadRequest              a row and a combination make no request
│   ├── BadName                 the values of a request make no file name
│   └── FolderMismatch          the run folder belongs to something else
├── StoppedEarly            3   the run ended before its plan did; it can be resumed
│   ├── NotWritable             the disk takes nothing; nothing was sent
│   ├── DiskShort               the disk has no room for more answers
│   ├── LedgerFailed            the disk under the ledger failed
│   └── Interrupted       130   a signal came before anything was sent
├── FolderInUse             5   another run holds the folder
└── LedgerDamaged           6   the ledger can't be read, or a newer batchgen wrote it

An exception that the package itself catches before it reaches the user, such as a picture that is refused or a vote
that can't be read, is no :class:`BatchgenError` and is defined beside the code that raises it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class ExitCode(enum.IntEnum):
    """How a command ended. If several apply, the worst one counts: 6 > 5 > 2 > 3 > 4 > 1."""

    OK = 0
    FAILURES = 1
    USAGE = 2
    STOPPED = 3
    DOUBT = 4
    IN_USE = 5
    DAMAGED = 6
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


class BatchgenError(Exception):
    """The base of all errors that end the program."""

    exit_code = ExitCode.BUG


class UsageError(BatchgenError):
    """Something that the user gave can't be used as it is. Nothing was sent."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: what is wrong, in which place, and what was probably meant."""

    message: str
    place: str = ""
    suggestion: str = ""

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        suggestion = f" ({self.suggestion})" if self.suggestion else ""
        return f"{place}{self.message}{suggestion}"


class ManifestError(UsageError):
    """All problems of one manifest; only the first ``SHOWN`` are printed. ``notes`` are odd, and stop nothing."""

    SHOWN = 20

    def __init__(self, problems: Iterable[Problem], *, notes: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems)
        self.notes = tuple(notes)
        super().__init__(self._text())

    def _text(self) -> str:
        lines = [str(problem) for problem in self.problems[: self.SHOWN]]
        hidden = len(self.problems) - len(lines)
        if hidden:
            lines.append(f"… and {hidden} more")
        return "\n".join(lines)


class Together:
    """Collects the mistakes of several steps, to report them all at once."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}
        self._notes: dict[Problem, None] = {}

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Keep the mistakes that end the block, and go on after the block."""
        try:
            yield
        except UsageError as error:
            self._note(error)

    def each(self, read: Callable[[T], R], given: T | None) -> R | None:
        """Return what ``read`` makes of ``given``; ``None`` if nothing is given, or if ``read`` finds a mistake."""
        try:
            return read(given) if given is not None else None
        except UsageError as error:
            self._note(error)
            return None

    def refuse(self) -> None:
        """Raise :class:`ManifestError` with the mistakes that were kept, if there are any."""
        if self._problems:
            raise ManifestError(self._problems, notes=self._notes)

    def _note(self, error: UsageError) -> None:
        problems = error.problems if isinstance(error, ManifestError) else [Problem(str(error))]
        self._problems.update(dict.fromkeys(problems))
        self._notes.update(dict.fromkeys(error.notes if isinstance(error, ManifestError) else ()))


class BadRequest(UsageError):
    """A row and a combination make no request; the message says why."""


class BadName(UsageError):
    """The values of a request make no name for its picture; the message says why."""


class FolderMismatch(UsageError):
    """The run folder holds the state of another job, or is no folder that can be written to."""


class StoppedEarly(BatchgenError):
    """The run stopped before its plan was done; running it again resumes it."""

    exit_code = ExitCode.STOPPED


class NotWritable(StoppedEarly):
    """The disk under the run folder takes no files now. Nothing was sent."""


class DiskShort(StoppedEarly):
    """The disk has no room for more answers: nothing more may be sent. What is in flight can still be stored."""


class LedgerFailed(StoppedEarly):
    """The disk under the ledger failed: nothing more may be sent, and no sync is tried a second time."""


class Interrupted(StoppedEarly):
    """A signal came before anything was sent."""

    exit_code = ExitCode.INTERRUPTED


class FolderInUse(BatchgenError):
    """Another run holds the lock of the run folder."""

    exit_code = ExitCode.IN_USE


class LedgerDamaged(BatchgenError):
    """The ledger can't be trusted: it is left untouched and nothing is sent."""

    exit_code = ExitCode.DAMAGED


def cant_write(what: str, error: OSError) -> BatchgenError:
    """Return the error of a command that makes files from a run folder: another account's folder is no fault of it."""
    if isinstance(error, PermissionError):
        return UsageError(f"{what}: this account may not write there; run as its owner, or copy the folder")
    return StoppedEarly(f"{what}: {error.strerror or error}")


def shortage_of(error: BaseException) -> str | None:
    """Return what this machine lacks and what may mend that, if the error says so; else ``None``.

    Of a group of errors, the first one that says so counts.
    """
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(shortage_of, error.exceptions)), None)
    if isinstance(error, MemoryError):
        return (
            "this machine has no memory left for batchgen. What was bought is recorded and nothing is spoiled; close "
            "other programs or lower limits.concurrency, and run again"
        )
    # CPython's words for `pthread_create` failing, as in a container with a limit on its processes.
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return (
            "this machine lets batchgen start no more threads (can't start new thread). What was bought is recorded; "
            "raise `ulimit -u` or the container's limit of processes, and run again"
        )
    return None


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return ``did you mean 'prompt'?`` with the known word closest to ``word``, or an empty string.

    ``cutoff``, from 0 to 1, says how alike the two have to be.
    """
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f"did you mean {close[0]!r}?" if close else ""
