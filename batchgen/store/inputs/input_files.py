"""Input pictures as files: read once, decoded once in worker processes, and remembered."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from batchgen.store.inputs.decode_worker import CHANGED, TOO_LARGE, Decoded, DecodeTask
from batchgen.store.inputs.known_inputs import InputFile, KnownInputs
from batchgen.store.media.picture_header import PictureHeader

if TYPE_CHECKING:
    from batchgen.store.media.worker_processes import NoAnswer, WorkerProcesses

# Longer than a result gets: what is refused here stops a run, and the machine may be busy.
TIME_CAP_S = 60.0

_MODULE = "batchgen.store.inputs.decode_worker"
# A worker is not worth its start for fewer pictures than this.
_PICTURES_A_WORKER = 4

Listen = Callable[[int, int], None]


def silent(_done: int, _wanted: int) -> None:
    """Ignore how many pictures are decoded: the listener of callers who show no progress."""


class InputFiles:
    """The input pictures of one manifest, whose folder is ``folder``.

    ``cache`` is where the memory of them is kept, if anywhere. Every picture is decoded if ``decodes``; ``listen``
    hears how many are, and of how many.
    """

    def __init__(
        self, folder: Path, cache: Path | None = None, *, decodes: bool = False, listen: Listen = silent
    ) -> None:
        self.decodes = decodes
        self._cache = cache
        self._known = KnownInputs(cache, folder)
        self._listen = listen
        self._stack = ExitStack()
        self._turner: WorkerProcesses | None = None
        self._upright: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Keep what was learned, and end the processes."""
        self._known.save()
        self._stack.close()
        self._turner = None

    def look(self, path: Path, judge: Callable[[bytes], PictureHeader]) -> InputFile:
        """Return what a file is; ``judge`` reads the header of one that is not known. Raises :class:`OSError`."""
        before = path.stat()
        if (known := self._known.file(path, before)) is not None:
            return known
        content = path.read_bytes()
        found = InputFile(hashlib.sha256(content).hexdigest(), judge(content))
        after = path.stat()
        if (before.st_size, before.st_mtime_ns, before.st_ino) == (after.st_size, after.st_mtime_ns, after.st_ino):
            self._known.note_file(path, before, found)
        return found

    def knows(self, sha256: str) -> bool:
        """Return whether a picture was decoded before."""
        return self._known.decoded(sha256) is not None

    def decoded(self, pictures: Mapping[str, Path | bytes]) -> Mapping[str, Decoded]:
        """Return what decoding tells of each picture, by its SHA-256; whatever was decoded before is known."""
        found = {sha256: known for sha256 in pictures if (known := self._known.decoded(sha256)) is not None}
        left = {sha256: source for sha256, source in pictures.items() if sha256 not in found}
        if not left:
            return found
        # Here and below: most plans decode nothing, and a check is to begin at once.
        from batchgen.store.media.worker_processes import WorkerProcesses

        self._listen(0, len(left))
        most = max(1, len(left) // _PICTURES_A_WORKER)
        with (
            tempfile.TemporaryDirectory(prefix="batchgen-") as folder,
            WorkerProcesses(_MODULE, most=most, time_cap_s=TIME_CAP_S) as processes,
            # A listener that raises ends the work, and not only once the garbage is collected.
            closing(processes.answers(_tasks(left, Path(folder)))) as answers,
        ):
            for done, (sha256, answer) in enumerate(zip(left, answers, strict=True), 1):
                found[sha256] = self._noted(sha256, answer)
                self._listen(done, len(left))
        self._known.save()
        return found

    def upright(self, picture: Path | bytes, sha256: str) -> Path | Decoded:
        """Return the file of a picture turned as its EXIF data say; or why it can't be turned."""
        folder, name = self._upright_folder(), f"{sha256} upright"
        known = self._known.decoded(name)
        if known is None or not known.upright or not (folder / known.upright).is_file():
            with tempfile.TemporaryDirectory(prefix="batchgen-") as beside:
                source = picture if isinstance(picture, Path) else Path(beside) / sha256
                if isinstance(picture, bytes):
                    source.write_bytes(picture)
                known = _answered(
                    self._turning().answer(msgspec.json.encode(DecodeTask(str(source), sha256, str(folder))))
                )
            if not known.upright:
                return known
            self._known.note_decoded(name, known)
        return folder / known.upright

    def _noted(self, sha256: str, answer: bytes | NoAnswer) -> Decoded:
        found = _answered(answer)
        # A machine short of time or memory says nothing of the picture, nor does another picture in its place.
        if isinstance(answer, bytes) and found.problem not in (CHANGED, TOO_LARGE):
            self._known.note_decoded(sha256, found)
        return found

    def _turning(self) -> WorkerProcesses:
        from batchgen.store.media.worker_processes import WorkerProcesses

        if self._turner is None:
            self._turner = self._stack.enter_context(WorkerProcesses(_MODULE, count=1, time_cap_s=TIME_CAP_S))
        return self._turner

    def _upright_folder(self) -> Path:
        if self._upright is None:
            if self._cache is not None:
                with suppress(OSError):
                    (self._cache / "upright").mkdir(parents=True, exist_ok=True)
                    self._upright = self._cache / "upright"
            # Until the process ends: what is sent is read from here.
            self._upright = self._upright or _lasting_folder()
        return self._upright


_LASTING: list[tempfile.TemporaryDirectory[str]] = []


def _lasting_folder() -> Path:
    if not _LASTING:
        _LASTING.append(tempfile.TemporaryDirectory(prefix="batchgen-"))
    return Path(_LASTING[0].name)


def _tasks(pictures: Mapping[str, Path | bytes], folder: Path) -> Iterator[bytes]:
    for sha256, source in pictures.items():
        path = source if isinstance(source, Path) else folder / sha256
        if isinstance(source, bytes):
            path.write_bytes(source)
        yield msgspec.json.encode(DecodeTask(str(path), sha256))


def _answered(answer: bytes | NoAnswer) -> Decoded:
    from batchgen.store.media.worker_processes import NoAnswer

    match answer:
        case NoAnswer.TOO_SLOW:
            return Decoded(f"was not decoded within {TIME_CAP_S:g} s")
        case NoAnswer.CRASHED:
            return Decoded("crashes its decoder")
        case _:
            return msgspec.json.decode(answer, type=Decoded)
