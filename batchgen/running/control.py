"""What a person says to a run that goes on: lines of a file in its folder, one instruction each.

A file works wherever the folder does: over ssh, in containers, on network disks, without a port or a socket. Only lines
that were written after the run began count, and nothing they say outlives the run.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from batchgen.errors import nearest
from batchgen.manifest import Rate, money, rate
from batchgen.wording import counted, shown

# Each action, and the words that follow it; those in brackets may be left out.
FORMS = {
    "concurrency": "N [MODEL]",
    "rate": "N/s [MODEL]",
    "budget": "USD",
    "pause": "[MODEL]",
    "resume": "[MODEL]",
    "park": "MODEL",
    "drain": "",
}

MOST_CONCURRENCY = 10_000
# A line is a few words: more at once is no instruction, and is not read into memory.
_LONGEST_LOOK = 64 << 10


@dataclass(frozen=True, slots=True)
class Instruction:
    """What a person wants of a run. ``amount`` is the number that ``words`` state: for ``budget``, micro-dollars.

    ``model`` is a name or a glob; ``None`` means all models.
    """

    words: tuple[str, ...]
    amount: int = 0
    rate: Rate | None = None
    model: str | None = None

    @property
    def action(self) -> str:
        return self.words[0]

    @property
    def text(self) -> str:
        return " ".join(self.words)


def read_instruction(words: Sequence[str]) -> Instruction:
    """Return the instruction that ``words`` are, such as ``concurrency 64``. Raise :class:`ValueError`."""
    action, *rest = words or ("",)
    if action not in FORMS:
        hint = nearest(action, FORMS) or f"there are {', '.join(FORMS)}"
        raise ValueError(f"{shown(action)} is no instruction; {hint}")
    wanted = FORMS[action].split()
    least = sum(not word.startswith("[") for word in wanted)
    if not least <= len(rest) <= len(wanted):
        raise ValueError(f"{action}: write `{' '.join([action, *wanted])}`")
    try:
        return _read(action, rest)
    except ValueError as error:
        raise ValueError(f"{action} {shown(rest[0])}: it {error}") from None


def _read(action: str, rest: Sequence[str]) -> Instruction:
    words = (action, *rest)
    match action:
        case "concurrency":
            return Instruction(words, amount=_whole(rest[0]), model=_model(rest[1:]))
        case "rate":
            return Instruction(words, rate=rate(rest[0]), model=_model(rest[1:]))
        case "budget":
            return Instruction(words, amount=money(rest[0]))
        case _:
            return Instruction(words, model=_model(rest))


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or not 1 <= int(text) <= MOST_CONCURRENCY:
        raise ValueError(f"must be a whole number from 1 to {MOST_CONCURRENCY:,}")
    return int(text)


def _model(rest: Sequence[str]) -> str | None:
    return rest[0] if rest else None


class _Line(msgspec.Struct):
    words: tuple[str, ...]
    id: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a control file: whose file it is, and its instruction, or what is wrong with the line."""

    user: str
    id: str = ""
    instruction: Instruction | None = None
    problem: str = ""


@dataclass(slots=True)
class Control:
    """The control file of one run, read from the length the file had when this object was made.

    ``standing`` are the instructions that were followed so far: another stage of the same run begins with them.
    ``answered`` counts the lines that were acknowledged.
    """

    path: Path
    standing: list[tuple[Instruction, str]] = field(default_factory=list)
    answered: int = 0
    _read_bytes: int = 0
    _unreadable: bool = False

    def __post_init__(self) -> None:
        self._read_bytes = _size(self.path)

    def news(self) -> list[Said]:
        """Return the whole lines that were added since the last call. It reads a disk: call it in a thread."""
        try:
            size = self.path.stat().st_size
            if size == self._read_bytes:
                return []
            # A file that has become shorter is another one, made since this run began.
            begin = self._read_bytes if size > self._read_bytes else 0
            content, user = _content(self.path, begin)
        except FileNotFoundError:
            self._read_bytes = 0
            return []
        except OSError as error:
            return self._told(error)
        whole = content[: content.rfind(b"\n") + 1]
        if not whole and len(content) == _LONGEST_LOOK:
            self._read_bytes = begin + len(content)
            return [Said(user, problem=f"{self.path}: a line of more than {counted(_LONGEST_LOOK, 'byte')}")]
        self._read_bytes = begin + len(whole)
        return [_said(line, user) for line in whole.splitlines() if line.strip()]

    def _told(self, error: OSError) -> list[Said]:
        """Return the problem once: the disk is asked again each time."""
        before, self._unreadable = self._unreadable, True
        return [] if before else [Said("", problem=f"{self.path}: it can't be read: {error}")]


def append(path: Path, instruction: Instruction, *, line_id: str, at: str) -> None:
    """Add a line with ``instruction`` to the control file at ``path``. Raise :class:`OSError`."""
    line = msgspec.json.encode({"id": line_id, "at": at, "words": instruction.words}) + b"\n"
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        size = os.fstat(handle).st_size
        # A writer that died may have left half a line.
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        os.write(handle, b"\n" + line if torn else line)
    finally:
        os.close(handle)


def _said(line: bytes, user: str) -> Said:
    try:
        found = msgspec.json.decode(line, type=_Line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        text = line[:200].decode(errors="replace")
        return Said(user, problem=f'{shown(text)} is no line such as {{"words": ["pause"]}}')
    try:
        return Said(user, found.id[:64], read_instruction(found.words))
    except ValueError as error:
        return Said(user, found.id[:64], problem=str(error))


def _content(path: Path, begin: int) -> tuple[bytes, str]:
    """Return up to 64 KiB of the file from ``begin`` on, and the name of its owner."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError("it is no regular file")
        return os.pread(handle, _LONGEST_LOOK, begin), _name_of(found.st_uid)
    finally:
        os.close(handle)


def _name_of(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        # Containers run under numbers that no list of users knows.
        return str(user_id)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
