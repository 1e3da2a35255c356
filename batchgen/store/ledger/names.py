"""Which names stand in ``images/``, which picture each is for, and what is to be done on disk to bring them there.

The ledger wants names and remembers those it made, so that a name its user deleted is known from one not made yet. What
the disk holds is looked at and changed by :mod:`batchgen.store.folder.view`; nothing here touches a file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence

import msgspec

from batchgen.encoding import json_text
from batchgen.store.folder.view import Name, Settled, stem_of


def suffix_of(original: str) -> str:
    """Return the extension of an original, which every name of it has."""
    return original.rpartition(".")[2]


def want(db: sqlite3.Connection, request_id: int, *, now_ms: int, takes: bool = True) -> list[Name]:
    """Want the pictures of a stored request under the names of every row that asks for it; return what is to be done.

    A name that another picture has is taken over, and a picture that has lost its last one so is retired; unless
    ``takes`` is false, for what no manifest asks for.
    """
    if (new := _want_new(db, request_id)) is not None:
        return [new]
    wanted, touched = _want_all(db, request_id, now_ms, takes=takes)
    hide(db, [request_id])
    return _named(db, [*wanted, *touched])


def first_made(db: sqlite3.Connection, start: str, count: int) -> list[str]:
    """Return the first names that stand in ``images/`` and begin with ``start``."""
    statement = "SELECT file FROM names WHERE state = 'made' AND substr(file, 1, ?) = ? ORDER BY file LIMIT ?"
    return [file for (file,) in db.execute(statement, (len(start), start, count))]


def _want_new(db: sqlite3.Connection, request_id: int) -> Name | None:
    """Want the one picture of a request under the one name that it has and nothing else is called by.

    That is so of nearly all pictures that were just bought. Return ``None``, and want nothing, in any other case.
    """
    rows = db.execute(_ALONE, (request_id,)).fetchall()
    if len(rows) != 1 or not rows[0][-1]:
        return None
    stem, ordinal, original, sha256, _ = rows[0]
    if ordinal != 1:
        return None
    file = f"{stem}.{suffix_of(original)}"
    db.execute(
        "INSERT INTO names (file, request_id, ordinal, share, state) VALUES (?, ?, 1, -1, 'wanted')", (file, request_id)
    )
    return Name(file, original, sha256, None)


def want_anew(db: sqlite3.Connection, request_id: int, *, now_ms: int, takes: bool = True) -> list[Name]:
    """Do as :func:`want` for a request that shows other pictures now, also under names that their user deleted."""
    leave(db, [request_id])
    wanted = [name.file for name in want(db, request_id, now_ms=now_ms, takes=takes)]
    own = [file for (file,) in db.execute("SELECT file FROM names WHERE request_id = ?", (request_id,))]
    return _named(db, list(dict.fromkeys([*wanted, *own])))


def _want_all(db: sqlite3.Connection, request_id: int, now_ms: int, *, takes: bool) -> tuple[list[str], list[str]]:
    """Return the names that are wanted now, and those that have to go for them."""
    key, stem = db.execute("SELECT key, stem FROM requests WHERE id = ?", (request_id,)).fetchone()
    pictures = db.execute(
        "SELECT ordinal, original FROM pictures WHERE request_id = ? ORDER BY ordinal", (request_id,)
    ).fetchall()
    shares = db.execute("SELECT position, stem FROM shares WHERE key = ?", (key,)).fetchall()
    wanted: list[str] = []
    touched: list[str] = []
    for share, named in ((-1, stem), *shares):
        for ordinal, original in pictures:
            base = named if ordinal == 1 else f"{named}-{ordinal}"
            picture = request_id, ordinal, share
            found, gone = _want_one(db, base, suffix_of(original), picture, key, now_ms, takes=takes)
            wanted += found
            touched += gone
    return wanted, touched


def _want_one(
    db: sqlite3.Connection,
    stem: str,
    suffix: str,
    picture: tuple[int, int, int],
    key: str,
    now_ms: int,
    *,
    takes: bool,
) -> tuple[list[str], list[str]]:
    request_id, ordinal, _ = picture
    called = _called(db, stem)
    rivals = {owner: first == 1 for _, owner, first, state in called if owner != request_id and state != "leaving"}
    if rivals and not takes:
        return [], []
    if any(rivals.values()) and ordinal > 1 and not stem.endswith(key[:8]):
        # The first picture of a row has the right to its name; a further one is called by its key as well.
        return _want_one(db, f"{stem}-{key[:8]}", suffix, picture, key, now_ms, takes=takes)
    file = f"{stem}.{suffix}"
    touched = [other for other, *_ in called if other != file]
    displaced = (
        db.execute(_DISPLACED, (json_text([other for other, *_ in called]), request_id)).fetchall() if rivals else []
    )
    db.executemany("UPDATE names SET state = 'leaving' WHERE file = ?", [(other,) for other in touched])
    db.execute(_WANT, (file, *picture))
    found = [file]
    for rival, further, share, state, rival_key, original in displaced:
        # The rival keeps its picture under a name that holds its key.
        renamed, _ = _want_one(
            db,
            f"{stem}-{rival_key[:8]}",
            suffix_of(original),
            (rival, further, share),
            rival_key,
            now_ms,
            takes=takes,
        )
        if state in {"deleted", "rejected"}:
            _set_state(db, renamed, "rejected", among=("wanted",))
        found += renamed
    give_up(db, rivals, now_ms=now_ms)
    return found, touched


def give_up(db: sqlite3.Connection, requests: Iterable[int], *, now_ms: int) -> None:
    """Retire those of ``requests`` that have no name left."""
    for request_id in requests:
        db.execute(
            "UPDATE requests SET retired_ms = ? WHERE id = ? AND state = 'stored' AND retired_ms IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM names WHERE request_id = requests.id AND state <> 'leaving')",
            (now_ms, request_id),
        )
        hide(db, [request_id])


def hide(db: sqlite3.Connection, requests: Iterable[int]) -> None:
    """Bring the mark ``hidden`` of the pictures of ``requests`` up to their names."""
    db.executemany(_HIDE, [(request_id,) for request_id in requests])


def leave(db: sqlite3.Connection, requests: Sequence[int]) -> None:
    """Want none of the names of ``requests`` any more."""
    wanted = json_text(requests)
    db.execute("UPDATE names SET state = 'leaving' WHERE request_id IN (SELECT value FROM json_each(?))", (wanted,))
    db.execute("UPDATE pictures SET hidden = 1 WHERE request_id IN (SELECT value FROM json_each(?))", (wanted,))


def retire(db: sqlite3.Connection, requests: Sequence[int], *, now_ms: int) -> None:
    """Take the names of stored ``requests`` away: no manifest asks for them."""
    leave(db, requests)
    db.execute(
        "UPDATE requests SET retired_ms = ? WHERE id IN (SELECT value FROM json_each(?)) AND state = 'stored'",
        (now_ms, json_text(requests)),
    )


def rename(db: sqlite3.Connection, requests: Sequence[int], *, now_ms: int) -> None:
    """Want stored requests under the names their rows have now, and their others no longer.

    A picture that its user had deleted under every name stays deleted under the new ones.
    """
    # Looked up before any of them takes over a name of another one.
    rejected = db.execute(_REJECTED, (json_text(requests),)).fetchall()
    for request_id in requests:
        db.execute("UPDATE names SET state = 'leaving' WHERE request_id = ? AND state <> 'deleted'", (request_id,))
        wanted, _ = _want_all(db, request_id, now_ms, takes=True)
        db.execute(
            "DELETE FROM names WHERE request_id = ? AND state = 'deleted'"
            " AND file NOT IN (SELECT value FROM json_each(?))",
            (request_id, json_text(wanted)),
        )
    db.executemany(
        "UPDATE names SET state = 'rejected' WHERE request_id = ? AND ordinal = ? AND state = 'wanted'", rejected
    )
    # One whose name was taken over for a moment is asked for all the same.
    db.execute(
        "UPDATE requests SET retired_ms = NULL WHERE id IN (SELECT value FROM json_each(?))", (json_text(requests),)
    )
    hide(db, requests)


def unsettled(db: sqlite3.Connection) -> list[Name]:
    """Return every name that the disk was not brought up to yet."""
    return [Name(*row) for row in db.execute(_UNSETTLED)]


def record(db: sqlite3.Connection, settled: Settled) -> None:
    """Remember what became of names."""
    freed = db.execute(_TAKEN, (json_text([file for file, _, _ in settled.made]),)).fetchall()
    db.executemany(
        "UPDATE names SET state = 'made', held = ?, inode = ? WHERE file = ? AND state IN ('wanted', 'taken', 'made')",
        [(original, inode, file) for file, original, inode in settled.made],
    )
    removed = [(file,) for file in settled.removed]
    db.executemany("DELETE FROM names WHERE file = ? AND state = 'leaving'", removed)
    db.executemany("UPDATE names SET state = 'deleted' WHERE file = ? AND state = 'rejected'", removed)
    _set_state(db, settled.taken, "taken", among=("wanted", "taken"))
    hide(db, [number for (number,) in freed])


def record_deleted(db: sqlite3.Connection, files: Sequence[str]) -> None:
    """Remember that these names were deleted by their user."""
    _set_state(db, files, "deleted", among=("made",))


def want_again(db: sqlite3.Connection, files: Sequence[str]) -> None:
    """Want these names, deleted or altered ones, on disk again."""
    _set_state(db, files, "wanted", among=("made", "deleted"))


def want_all_again(db: sqlite3.Connection) -> int:
    """Want every name again, deleted ones too, since all of them are gone; return how many those are."""
    count = db.execute("UPDATE names SET state = 'wanted', inode = NULL WHERE state IN ('made', 'deleted')").rowcount
    db.execute(
        "UPDATE pictures SET hidden = 0 WHERE EXISTS (SELECT 1 FROM names n WHERE n.request_id = pictures.request_id"
        " AND n.ordinal = pictures.ordinal AND n.state = 'wanted')"
    )
    return count


def deleted(db: sqlite3.Connection) -> list[str]:
    """Return the names that their user deleted."""
    return [file for (file,) in db.execute("SELECT file FROM names WHERE state = 'deleted' ORDER BY file")]


def made_in(db: sqlite3.Connection, folder: str) -> dict[str, int]:
    """Return the names we made in ``folder``, such as ``images/00000``, each with its inode."""
    files, inodes = db.execute(
        "SELECT json_group_array(substr(file, :cut)), json_group_array(inode) FROM names WHERE file > :first"
        " AND file < :last AND state = 'made' AND NOT instr(substr(file, :cut), '/')",
        # "0" is the character behind "/".
        {"first": f"{folder}/", "last": f"{folder}0", "cut": len(folder) + 2},
    ).fetchone()
    return dict(zip(_texts.decode(files), _integers.decode(inodes), strict=True))


def known(db: sqlite3.Connection, files: Sequence[str]) -> frozenset[str]:
    """Return those of ``files`` that are names of ours, whatever stands there."""
    wanted = "SELECT file FROM names WHERE file IN (SELECT value FROM json_each(?))"
    return frozenset(file for (file,) in db.execute(wanted, (json_text(files),)))


def count_made(db: sqlite3.Connection) -> int:
    """Return how many names we made that stood when the disk was looked at last."""
    return int(db.execute("SELECT count(*) FROM names WHERE state = 'made'").fetchone()[0])


def made_outside(db: sqlite3.Connection, folders: Collection[str]) -> list[str]:
    """Return the names we made in other folders than these."""
    made = (file for (file,) in db.execute("SELECT file FROM names WHERE state = 'made'"))
    return [file for file in made if file.rpartition("/")[0] not in folders]


def _called(db: sqlite3.Connection, stem: str) -> list[tuple[str, int, int, str]]:
    """Return the names called ``stem``, whatever their extension: whose, of which picture, and their states."""
    found = db.execute(
        # "/" is the character behind ".".
        "SELECT file, request_id, ordinal, state FROM names WHERE file > ? AND file < ?",
        (f"{stem}.", f"{stem}/"),
    )
    return [row for row in found if stem_of(row[0]) == stem]


def _named(db: sqlite3.Connection, files: Sequence[str]) -> list[Name]:
    return [Name(*row) for row in db.execute(_SOME, (json_text(files),))] if files else []


def _set_state(db: sqlite3.Connection, files: Sequence[str], state: str, *, among: Sequence[str]) -> None:
    if not files:
        return
    wanted = json_text(files)
    db.execute(
        "UPDATE names SET state = ? WHERE file IN (SELECT value FROM json_each(?))"
        " AND state IN (SELECT value FROM json_each(?))",
        (state, wanted, json_text(among)),
    )
    touched = "SELECT DISTINCT request_id FROM names WHERE file IN (SELECT value FROM json_each(?))"
    hide(db, [number for (number,) in db.execute(touched, (wanted,)).fetchall()])


_texts = msgspec.json.Decoder(list[str])
_integers = msgspec.json.Decoder(list[int])

# The pictures of a request, and whether each is in sight, no other row asks for it and nothing has its name.
_ALONE = """
SELECT r.stem, p.ordinal, p.original, p.sha256, NOT p.hidden
    AND NOT EXISTS (SELECT 1 FROM shares WHERE key = r.key)
    AND NOT EXISTS (SELECT 1 FROM names WHERE file > r.stem || '.' AND file < r.stem || '/')
FROM requests r JOIN pictures p ON p.request_id = r.id WHERE r.id = ?
"""

# A name that stands as it should is left as it is.
_WANT = """
INSERT INTO names (file, request_id, ordinal, share, state) VALUES (?, ?, ?, ?, 'wanted')
ON CONFLICT (file) DO UPDATE SET request_id = excluded.request_id, ordinal = excluded.ordinal, share = excluded.share,
    state = iif(request_id = excluded.request_id AND ordinal = excluded.ordinal AND state <> 'leaving', state, 'wanted')
"""

_HIDE = """
UPDATE pictures SET hidden = NOT EXISTS (
    SELECT 1 FROM names n WHERE n.request_id = pictures.request_id AND n.ordinal = pictures.ordinal
    AND n.state IN ('wanted', 'made')
) WHERE request_id = ?
"""

# Further pictures of answers whose rows keep their names, when another row gives that name its own picture.
_DISPLACED = """
SELECT n.request_id, n.ordinal, n.share, n.state, r.key, p.original FROM names n
JOIN requests r ON r.id = n.request_id JOIN pictures p ON p.request_id = n.request_id AND p.ordinal = n.ordinal
WHERE n.file IN (SELECT value FROM json_each(?)) AND n.request_id <> ? AND n.ordinal > 1 AND n.state <> 'leaving'
AND EXISTS (SELECT 1 FROM names WHERE request_id = n.request_id AND share = n.share AND ordinal = 1
            AND state <> 'leaving')
"""

_TAKEN = """
SELECT DISTINCT request_id FROM names WHERE file IN (SELECT value FROM json_each(?)) AND state = 'taken'
"""

_REJECTED = """
SELECT request_id, ordinal FROM names WHERE request_id IN (SELECT value FROM json_each(?)) AND state <> 'leaving'
GROUP BY request_id, ordinal HAVING min(state IN ('deleted', 'rejected'))
"""

_COLUMNS = """
SELECT n.file, iif(n.state IN ('leaving', 'rejected'), NULL, p.original), p.sha256, n.held
FROM names n LEFT JOIN pictures p ON p.request_id = n.request_id AND p.ordinal = n.ordinal
"""

_UNSETTLED = f"{_COLUMNS} WHERE n.state NOT IN ('made', 'deleted') ORDER BY n.file"

_SOME = f"""
{_COLUMNS} JOIN json_each(?) wanted ON wanted.value = n.file WHERE n.state NOT IN ('made', 'deleted')
ORDER BY wanted.key
"""
