"""Makes one file of a run folder's pages, to be sent: a page with its thumbnails inside, or a zip with the pictures."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from batchgen.commands.job import run_folder_at
from batchgen.compare.sharing import Shareable, folder_files, read_shareable, single_page
from batchgen.compare.writing import ThumbnailProgress
from batchgen.errors import UsageError, cant_write, nearest
from batchgen.store.folder.atomic import replacing
from batchgen.store.folder.run_folder import RunFolder

SUFFIXES = (".html", ".zip")
# Before 1980 a zip knows no time; one and the same for all makes equal folders equal files.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class SharedFile:
    """The file that was made: its size, how many pictures it shows, and how many it had to leave out."""

    file: Path
    size_bytes: int
    pictures: int
    left_out: int


@dataclass(frozen=True, slots=True)
class SharePlan:
    """What is about to be written: how many pictures, and about how many bytes."""

    pictures: int
    size_bytes: int


def share(
    folder: str | Path,
    target: Path,
    *,
    overwrite: bool = False,
    tell: Callable[[SharePlan], None] = lambda _: None,
    listen: Callable[[ThumbnailProgress], None] = lambda _: None,
) -> SharedFile:
    """Write ``target``, an .html or a .zip, of the pages of ``folder``; ``tell`` hears its size before it is made.

    Raise :class:`UsageError` if ``target`` is of another kind, is there already and not to be ``overwrite``-n, or if
    there is no picture to share; :class:`LedgerDamaged`; and :class:`StoppedEarly` if a disk fails.
    """
    run_folder = run_folder_at(folder)
    _refuse(target, run_folder, overwrite=overwrite)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            shareable = read_shareable(run_folder, Path(scratch), listen)
            if not shareable.pictures:
                raise UsageError(f"{run_folder.root}: there is no picture to share yet")
            single = target.suffix.lower() == ".html"
            size = shareable.inline_bytes if single else shareable.picture_bytes
            tell(SharePlan(len(shareable.pictures), size))
            with replacing(target) as stream:
                if single:
                    stream.write(single_page(shareable))
                else:
                    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                        _fill(archive, run_folder, shareable, Path(scratch))
    except OSError as error:
        raise cant_write(f"{target}: nothing was written", error) from error
    left_out = shareable.left_out if single else 0
    return SharedFile(target, target.stat().st_size, len(shareable.pictures) - left_out, left_out)


def _refuse(target: Path, folder: RunFolder, *, overwrite: bool) -> None:
    if target.suffix.lower() not in SUFFIXES:
        hint = nearest(target.suffix.lower(), SUFFIXES) or "give a name that ends in .html or .zip"
        raise UsageError(f"{target}: a shared file is an .html or a .zip; {hint}")
    if target.is_dir() or (target.exists() and not overwrite):
        raise UsageError(f"{target}: it is there already; give another name, or --overwrite")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"{target}: there is no folder {target.absolute().parent}")
    if target.resolve().is_relative_to(folder.state.resolve()):
        raise UsageError(f"{target}: nothing but batchgen's own files belongs into {folder.state}")


def _fill(archive: zipfile.ZipFile, folder: RunFolder, shareable: Shareable, scratch: Path) -> None:
    """Write the pages and their pictures, below a folder of the run's name; pictures are compressed already."""
    top = folder.root.resolve().name
    for name, content in (*_report_files(folder, shareable.private, scratch), *folder_files(shareable)):
        entry = zipfile.ZipInfo(f"{top}/{name}", _ZIP_TIME)
        # A plain file that its owner may write and everybody read.
        entry.external_attr = 0o100644 << 16
        if isinstance(content, bytes):
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
            continue
        entry.file_size = content.stat().st_size
        with content.open("rb") as source, archive.open(entry, "w") as copy:
            while block := source.read(1 << 20):
                copy.write(block)


def _report_files(folder: RunFolder, private: Mapping[str, str], scratch: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the report without the places that it names on this machine."""
    from batchgen.report import write_report
    from batchgen.report.html import page

    report = write_report(folder, into=scratch)
    name = Path(folder.root.resolve().name)
    runs = tuple(replace(run, manifest=Path(run.manifest).name) for run in report.runs)
    places = {**private, str(folder.root.resolve()): str(name), str(folder.root.absolute()): str(name)}
    files = {file: (scratch / file).read_bytes() for file in ("report.csv", "summary.json")}
    files["report.html"] = page(replace(report, folder=name, runs=runs))
    for file, content in files.items():
        text = content
        # The longest first: one place may begin with another.
        for place, said in sorted(places.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(place.encode(), said.encode())
        yield file, text
