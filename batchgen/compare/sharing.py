"""The page as something to send: one file with its thumbnails inside, or the files of a folder with its pictures.

Nothing of the ledger goes along, no key, and no path of this machine; the folder itself stays as it is.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit

from msgspec import structs

from batchgen.compare import votes
from batchgen.compare.entries import About, Entry
from batchgen.compare.page_columns import PlacedEntry
from batchgen.compare.writing import (
    PageData,
    ThumbnailProgress,
    page_data,
    page_file,
    page_files,
    page_html,
    read_page,
    script,
)
from batchgen.request import INPUT_PATH_END, INPUT_PATHS, MASK_PATH
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.looks.thumbnails import inside, thumbnail_name
from batchgen.store.looks.worker import LookTask
from batchgen.store.looks.workers import LookWorkers

# Films and drawings have no thumbnails: those up to this size stand in the page as they are.
LARGEST_INLINE_BYTES = 1 << 20
_SCRIPT = re.compile(r'<script src="compare/([a-z]+\.js)"></script>\n')
_STYLE = '<link rel="stylesheet" href="compare/page.css">'
_MEDIA = {"mp4": "video/mp4", "mov": "video/quicktime", "webm": "video/webm", "svg": "image/svg+xml"}
# Said in the place of a service that only this machine or its network reaches.
_SOMEWHERE = "https://SERVICE"


@dataclass(frozen=True, slots=True)
class SharedPicture:
    """A picture of the page: its ``file`` below the run folder, and the file that stands for it in a single page.

    ``small`` is ``None`` if there is none, as of a long film.
    """

    file: str
    path: Path
    small: Path | None
    media_type: str
    thumbnail: str | None


@dataclass(frozen=True, slots=True)
class Shareable:
    """A page to be sent: its data, and its ``pictures``, those that were edited too, each once.

    ``private`` has the names of files in the place of the paths that they had on this machine.
    """

    data: PageData
    pictures: tuple[SharedPicture, ...]
    private: Mapping[str, str]

    @property
    def inline_bytes(self) -> int:
        """How large the single page is about: base64 takes four characters for three bytes."""
        small = {one.small for one in self.pictures if one.small is not None}
        return self._page_bytes + sum(4 * path.stat().st_size // 3 for path in small)

    @property
    def picture_bytes(self) -> int:
        """How large the page and the pictures themselves are together."""
        return self._page_bytes + sum(one.path.stat().st_size for one in self.pictures)

    @property
    def _page_bytes(self) -> int:
        return sum(map(len, page_files(self.data).values()))

    @property
    def left_out(self) -> int:
        """How many pictures, such as long films, a single page does not hold."""
        return sum(one.small is None for one in self.pictures)


def read_shareable(
    folder: RunFolder, scratch: Path, listen: Callable[[ThumbnailProgress], None] = lambda _: None
) -> Shareable:
    """Return what the page of ``folder`` has to share; small copies of edited pictures are made in ``scratch``.

    Raises :class:`LedgerDamaged` if there is no ledger to read, and ``OSError`` if a disk fails.
    """
    about, rows = read_page(folder, listen)
    shown = [_without_places(row) for row in rows]
    data = page_data(_anywhere(about), shown, votes.read(folder.root))
    paths = {path for row in rows for path in _input_paths(row.entry)}
    private = {path: _last(path) for path in paths if _last(path) != path}
    return Shareable(data, (*_pictures(folder, shown), *_edited(folder, shown, scratch)), private)


def single_page(shareable: Shareable) -> bytes:
    """Return the page as one file that loads nothing else."""
    html = page_html().decode()
    code = "".join(page_file(name).decode() for name in _SCRIPT.findall(html) if name != "data.js")
    data = _data_script(shareable)
    style = page_file("page.css").decode()
    policy = (
        f"default-src 'none'; script-src {_digest(code)} {_digest(data)}; style-src {_digest(style)}; img-src data:; "
        "media-src data:; base-uri 'none'; form-action 'none'"
    )
    html = re.sub(r'(http-equiv="Content-Security-Policy" content=")[^"]*', lambda found: found[1] + policy, html)
    # By functions: what is put in place of a match is no pattern.
    html = html.replace(_STYLE, f"<style>{style}</style>")
    first, *_ = _SCRIPT.findall(html)
    scripts = f"<script>{code}</script>\n<script>{data}</script>\n"
    return _SCRIPT.sub(lambda found: scripts if found[1] == first else "", html).encode()


def folder_files(shareable: Shareable) -> Iterator[tuple[str, Path | bytes]]:
    """Yield the files of the page with its pictures, by their names: as paths to be copied, or as their bytes."""
    yield "compare.html", page_html()
    for name, content in page_files(shareable.data).items():
        yield f"compare/{name}", content
    for picture in shareable.pictures:
        yield picture.file, picture.path
        if picture.thumbnail is not None and picture.small is not None:
            yield picture.thumbnail, picture.small


def _without_places(row: PlacedEntry) -> PlacedEntry:
    """Return a row without the folders in which its pictures lay on this machine."""
    return structs.replace(row, entry=_anonymous(row.entry))


def _anonymous(entry: Entry) -> Entry:
    found = {
        name: INPUT_PATH_END.join(map(_last, value.split(INPUT_PATH_END)))
        if name in {INPUT_PATHS, MASK_PATH}
        else value
        for name, value in entry.columns.items()
    }
    return structs.replace(entry, columns=found)


def _input_paths(entry: Entry) -> list[str]:
    return [
        path for name in (INPUT_PATHS, MASK_PATH) for path in entry.columns.get(name, "").split(INPUT_PATH_END) if path
    ]


def _last(path: str) -> str:
    """Return the name alone of a file whose path starts at the root of a machine, or at a home."""
    rooted = PurePosixPath(path).is_absolute() or path.startswith("~") or PureWindowsPath(path).drive
    return re.split(r"[/\\]", path)[-1] if rooted else path


def _anywhere(about: About) -> About:
    host = urlsplit(about.base_url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return about if "." in host and "@" not in about.base_url else replace(about, base_url=_SOMEWHERE)
    return replace(about, base_url=_SOMEWHERE)


def _pictures(folder: RunFolder, rows: Sequence[PlacedEntry]) -> Iterator[SharedPicture]:
    seen: set[str] = set()
    for row in rows:
        shot = row.entry.shot
        if shot is None or shot.file in seen or (path := inside(folder.root, shot.file)) is None or not path.is_file():
            continue
        seen.add(shot.file)
        thumbnail = thumbnail_name(shot.sha256)
        small = folder.root / thumbnail
        if small.is_file():
            yield SharedPicture(shot.file, path, small, "image/webp", thumbnail)
        elif shot.bytes <= LARGEST_INLINE_BYTES:
            yield SharedPicture(shot.file, path, path, _MEDIA.get(shot.format, f"image/{shot.format}"), None)
        else:
            yield SharedPicture(shot.file, path, None, "", None)


def _edited(folder: RunFolder, rows: Sequence[PlacedEntry], scratch: Path) -> Iterator[SharedPicture]:
    files = {
        file: path for row in rows for file in row.edited if (path := inside(folder.root, file)) and path.is_file()
    }
    small = {file: scratch / f"{number}.webp" for number, file in enumerate(files)}
    if files:
        with LookWorkers() as bench:
            list(bench.shrink_all([LookTask(file, str(files[file]), str(small[file])) for file in files]))
    for file, path in files.items():
        made = small[file] if small[file].is_file() else None
        yield SharedPicture(file, path, made, "image/webp", None)


def _data_script(shareable: Shareable) -> str:
    small = list(dict.fromkeys((one.small, one.media_type) for one in shareable.pictures if one.small is not None))
    numbers = {path: number for number, (path, _) in enumerate(small)}
    files: dict[str, int] = {}
    for one in shareable.pictures:
        if one.small is not None:
            files |= dict.fromkeys(filter(None, (one.file, one.thumbnail)), numbers[one.small])
    uris = [f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}" for path, kind in small]
    data = shareable.data
    parts = (
        script("words.inline", uris, files),
        script("table.begin", data.facts, []),
        *data.parts.values(),
        data.votes,
    )
    # No text of a row may end the script.
    return b"".join(parts).decode().replace("<", "\\u003c")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
