"""What can go wrong, in the user's words; every error knows the exit code it ends the program with.

BatchgenError
├── UsageError              2   bad usage or manifest; nothing was sent
│   ├── ManifestError           every problem of a manifest, at once
│   └── FolderMismatch          the run folder belongs to something else
├── StoppedEarly            3   the run ended before its plan did; it can be resumed
├── FolderInUse             5   another run holds the folder
└── LedgerDamaged           6   the ledger can't be read, or a newer batchgen wrote it
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class ExitCode(enum.IntEnum):
    """How a command ended. Where several apply the worst one counts: 6 > 5 > 2 > 3 > 4 > 1."""

    STORED = 0
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
    """The family every error of this package belongs to."""

    exit_code = ExitCode.BUG


class UsageError(BatchgenError):
    """Something the user gave can't be used as it is. Nothing was sent."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it stands, what was found, what is allowed and what was probably meant."""

    message: str
    place: str = ""
    suggestion: str = ""

    def __str__(self) -> str:
        place = f"{self.place}: " if self.place else ""
        suggestion = f" ({self.suggestion})" if self.suggestion else ""
        return f"{place}{self.message}{suggestion}"


class ManifestError(UsageError):
    """All the problems of one manifest; only the first ``SHOWN`` are printed."""

    SHOWN = 20

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self._text())

    def _text(self) -> str:
        lines = [str(problem) for problem in self.problems[: self.SHOWN]]
        hidden = len(self.problems) - len(lines)
        if hidden:
            lines.append(f"… and {hidden} more")
        return "\n".join(lines)


class Together:
    """Collects the mistakes of several steps, to tell them as one."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Keeps the mistakes that end the block; what comes after it goes on."""
        try:
            yield
        except UsageError as error:
            self._note(error)

    def each(self, read: Callable[[T], R], given: T | None) -> R | None:
        """What ``read`` makes of ``given``, where it is given and no mistake."""
        try:
            return read(given) if given is not None else None
        except UsageError as error:
            self._note(error)
            return None

    def refuse(self) -> None:
        """Raises :class:`ManifestError` with what was kept, if anything was."""
        if self._problems:
            raise ManifestError(self._problems)

    def _note(self, error: UsageError) -> None:
        problems = error.problems if isinstance(error, ManifestError) else [Problem(str(error))]
        self._problems.update(dict.fromkeys(problems))


class FolderMismatch(UsageError):
    """The run folder holds the state of another job, or is no folder we can write to."""


class StoppedEarly(BatchgenError):
    """The run stopped before its plan was done; running it again resumes it."""

    exit_code = ExitCode.STOPPED


class FolderInUse(BatchgenError):
    """Another run holds the lock of the run folder."""

    exit_code = ExitCode.IN_USE


class LedgerDamaged(BatchgenError):
    """The ledger can't be trusted: it is left untouched and nothing is sent."""

    exit_code = ExitCode.DAMAGED


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """``did you mean 'prompt'?`` for the known word closest to ``word``, or an empty string.

    ``cutoff``, from 0 to 1, is how alike the two have to be.
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f"did you mean {close[0]!r}?" if close else ""
