"""What lies in a folder's trash: whose pictures, how much room they take, and whether they can go back to their places.

A place is a name without its extension: beside `mug.jpg` no other picture is called `mug.png`.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from batchgen.store.folder.atomic import sha256_of
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.trash import Trashed, holders, stem_of
from batchgen.store.ledger.records import prompt_of

# A shorter beginning of a key may just as well be a name.
_SHORTEST = 4


@dataclass(frozen=True, slots=True)
class InTrash:
    """A request whose pictures lie in the trash, with the names they had: ``homes``, in the pictures' order."""

    key: str
    prompt: str
    trashed_ms: int
    pictures: tuple[Trashed, ...]
    homes: tuple[str, ...]

    def is_called(self, word: str, folder: RunFolder) -> bool:
        """Whether ``word`` is the beginning of its key, a name it had or has, or the path of a file in the trash."""
        if len(word) >= _SHORTEST and self.key.startswith(word):
            return True
        names = {name for picture, home in zip(self.pictures, self.homes, strict=True) for name in (home, picture.file)}
        names |= {str(folder.root / name) for name in names}
        names |= {name.removeprefix("images/") for name in self.homes}
        return word in names or word in set(map(stem_of, names))


@dataclass(frozen=True, slots=True)
class TrashSize:
    """How many pictures the trash still holds, and how many bytes they are."""

    pictures: int
    bytes: int


def size_of_trash(db: sqlite3.Connection, folder: RunFolder) -> TrashSize:
    """What the trash takes up; what somebody deleted from it does not count."""
    sizes = [size for file, size in db.execute(_SIZES) if (folder.root / file).is_file()]
    return TrashSize(len(sizes), sum(sizes))


def read_trash(db: sqlite3.Connection) -> list[InTrash]:
    """All requests with pictures in the trash, the last one moved there first."""
    pictures: dict[int, list[Trashed]] = defaultdict(list)
    homes: dict[int, list[str]] = defaultdict(list)
    for request_id, ordinal, file, sha256, home in db.execute(_PICTURES):
        pictures[request_id].append(Trashed(request_id, ordinal, file, sha256))
        homes[request_id].append(home)
    return [
        InTrash(key, prompt_of(canonical), trashed_ms, tuple(pictures[request_id]), tuple(homes[request_id]))
        for request_id, key, canonical, trashed_ms in db.execute(_REQUESTS)
        if request_id in pictures
    ]


def obstacles(db: sqlite3.Connection, folder: RunFolder, wanted: Sequence[InTrash]) -> list[str]:
    """Why pictures can't go back to their places, one sentence each; none where all of them can."""
    found = []
    places: dict[str, str] = {}
    for one in wanted:
        for picture, home in zip(one.pictures, one.homes, strict=True):
            other = places.setdefault(stem_of(home), one.key)
            if other != one.key:
                found.append(f"{home}: both {other[:8]} and {one.key[:8]} had this name; bring back one of them")
            elif why := _in_the_way(db, folder, one.key, picture, home):
                found.append(why)
    return found


def _in_the_way(db: sqlite3.Connection, folder: RunFolder, key: str, picture: Trashed, home: str) -> str | None:
    if not (folder.root / picture.file).is_file():
        return f"{home}: it was in the trash and is no file there any more"
    if taken := holders(db, stem_of(home), besides=key):
        (canonical,) = db.execute("SELECT canonical FROM requests WHERE id = ?", (taken[0].request_id,)).fetchone()
        return f'{home} is taken by request {taken[0].key[:8]}, "{prompt_of(canonical)[:60]}"'
    path = folder.root / home
    if not path.is_symlink() and not path.exists():
        return None
    # An earlier process may have got as far as this name, or a person copied the picture there.
    same = not path.is_symlink() and path.is_file() and sha256_of(path) == picture.sha256
    return None if same else f"{home} is taken by a file that the ledger does not know"


_SIZES = """
SELECT p.file, p.bytes FROM requests r JOIN pictures p ON p.request_id = r.id
WHERE r.trashed_ms IS NOT NULL AND p.home IS NOT NULL
"""

_PICTURES = """
SELECT p.request_id, p.ordinal, p.file, p.sha256, p.home FROM requests r JOIN pictures p ON p.request_id = r.id
WHERE r.trashed_ms IS NOT NULL AND p.home IS NOT NULL ORDER BY p.request_id, p.ordinal
"""

_REQUESTS = """
SELECT id, key, canonical, trashed_ms FROM requests WHERE trashed_ms IS NOT NULL AND state = 'stored'
ORDER BY trashed_ms DESC, id
"""
