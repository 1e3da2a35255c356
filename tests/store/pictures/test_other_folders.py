"""Pictures of another run folder: found, checked and linked, and never taken at their word."""

import errno
import os
import sqlite3
from contextlib import closing

import pytest

from batchgen.errors import UsageError
from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.records import records
from batchgen.store.ledger.schema import APPLICATION_ID, MIGRATIONS, connect_read_only
from batchgen.store.pictures.other_folders import NotReusable, Sources, bring
from tests import ledgers


@pytest.fixture
def source(tmp_path):
    """Another run folder, with a request of one picture, one of two, and one that failed."""
    with ledgers.build(tmp_path / "before") as made:
        made.begin()
        requests = [made.request(f"mug {number}") for number in range(3)]
        made.store(requests[0])
        made.store(requests[1], kinds=("PNG", "WEBP"))
        made.fail(requests[2])
        made.end()
        yield made, requests


@pytest.fixture
def own(tmp_path):
    folder = RunFolder(tmp_path / "now")
    with folder.opened():
        yield folder


def sources(source, own, **given):
    made, _ = source
    return closing(Sources([str(made.folder.root)], own=own, **{"simulated": False, **given}))


def taken(source, own, number, stem="images/00000/mug"):
    with sources(source, own) as found:
        (one,) = found.find([source[1][number].key]).values()
        brought = bring(one, own, stem, DiskSpace(own, concurrency=1))
    pictures = [
        one.publish(own, stem if number == 1 else f"{stem}-{number}", {}) for number, one in enumerate(brought, 1)
    ]
    return tuple(pictures)


def test_only_what_is_stored_is_found(source, own):
    with sources(source, own) as found:
        assert set(found.find([one.key for one in source[1]])) == {one.key for one in source[1][:2]}
        assert not found.find([])
        assert not found.find(["0" * 32])
        assert not found.gone


def test_a_picture_is_linked_under_a_name_of_ours_with_its_own_extension(source, own):
    pictures = taken(source, own, 1)
    assert [picture.file for picture in pictures] == ["images/00000/mug.png", "images/00000/mug-2.webp"]
    theirs = [path for record in records(source[0].db) for path in record.pictures][1:]
    for ours, other in zip(pictures, theirs, strict=True):
        assert (own.root / ours.file).samefile(source[0].folder.root / other.file)
        assert (ours.sha256, ours.bytes) == (other.sha256, other.bytes)
    assert not list(own.root.rglob("*.part"))


@pytest.mark.parametrize("error", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP])
def test_what_can_t_be_linked_is_copied(source, own, monkeypatch, error):
    link = os.link

    def of_this_folder_only(first, second, **given):
        if own.root not in first.parents:
            raise OSError(error, os.strerror(error))
        link(first, second, **given)

    monkeypatch.setattr(os, "link", of_this_folder_only)
    (picture,) = taken(source, own, 0)
    content = (own.root / picture.file).read_bytes()
    assert content == ledgers.picture_bytes(20)
    assert (own.root / picture.file).stat().st_nlink == 1


def file_of(source):
    made, _ = source
    return made.folder.root / next(records(made.db)).pictures[0].file


def test_a_file_that_is_missing_or_of_another_size_is_not_found_and_named(source, own):
    for spoil in (lambda file: file.write_bytes(b"short"), lambda file: file.unlink()):
        spoil(file_of(source))
        with sources(source, own) as found:
            assert set(found.find([source[1][0].key])) == set()
            assert found.gone == {source[1][0].key: f"{file_of(source)} is missing or altered"}


def test_a_link_in_its_place_is_no_picture(source, own, tmp_path):
    file = file_of(source)
    file.rename(tmp_path / "elsewhere.png")
    file.symlink_to(tmp_path / "elsewhere.png")
    with sources(source, own) as found:
        assert not found.find([source[1][0].key])


def test_altered_bytes_of_the_same_size_are_found_out_before_anything_is_published(source, own):
    made, _ = source
    _, second = list(records(made.db))[1].pictures
    file = made.folder.root / second.file
    file.write_bytes(bytes(second.bytes))
    with pytest.raises(NotReusable, match="has other bytes than were stored"):
        taken(source, own, 1)
    assert [path for path in own.images.rglob("*") if path.is_file()] == []


def test_a_file_that_went_away_in_between_is_said(source, own):
    with sources(source, own) as found:
        (one,) = found.find([source[1][0].key]).values()
    file_of(source).unlink()
    with pytest.raises(NotReusable, match="is no file any more"):
        bring(one, own, "images/mug", DiskSpace(own, concurrency=1))


def test_what_an_earlier_process_published_and_could_not_record_is_taken_as_it_is(source, own):
    assert taken(source, own, 0) == taken(source, own, 0)


def test_a_name_that_other_bytes_have_is_left_to_them(source, own):
    (own.images / "00000").mkdir()
    (own.images / "00000/mug.png").write_bytes(b"mine")
    (picture,) = taken(source, own, 0)
    assert picture.file == "images/00000/mug-2.png"


def test_a_name_outside_of_the_folder_is_never_linked(source, own, tmp_path):
    made, requests = source
    for place, name in ((0, "../secret.png"), (1, str(tmp_path / "secret.png"))):
        made.db.execute("UPDATE pictures SET file = ? WHERE request_id = ? AND ordinal = 1", (name, place + 1))
    (tmp_path / "secret.png").write_bytes(b"secret")
    with sources(source, own) as found:
        assert not any(str(one).count("secret") for one in found.find([one.key for one in requests]).values())


def test_what_lies_in_the_trash_is_not_taken(source, own):
    source[0].db.execute("UPDATE requests SET trashed_ms = 1")
    with sources(source, own) as found:
        assert not found.find([one.key for one in source[1]])


def test_every_folder_that_can_t_serve_is_named_at_once(source, own, tmp_path):
    (tmp_path / "damaged/.batchgen").mkdir(parents=True)
    (tmp_path / "damaged/.batchgen/ledger.db").write_bytes(b"junk" * 5000)
    names = [str(tmp_path / name) for name in ("nowhere", "before", "damaged")]
    with pytest.raises(UsageError) as refused:
        Sources(names, own=own, simulated=True)
    lines = str(refused.value).splitlines()
    assert len(lines) == 3
    assert "nowhere: there is no ledger here; is this a run folder?" in lines[0]
    assert "before: it holds real pictures, and this run makes simulated ones" in lines[1]
    assert "damaged: " in lines[2]
    assert "can't be read" in lines[2]


def test_a_run_s_own_folder_is_no_source(source):
    made, _ = source
    with pytest.raises(UsageError, match="own folder"):
        Sources([f"{made.folder.root}/../before"], own=made.folder, simulated=False)


def test_the_first_folder_that_has_a_picture_whole_counts(source, own, tmp_path):
    with ledgers.build(tmp_path / "earlier") as other:
        other.begin()
        request = other.request("mug 0")
        other.store(request)
    made, requests = source
    assert request.key == requests[0].key
    file_of(source).unlink()
    names = [str(made.folder.root), str(tmp_path / "earlier")]
    with closing(Sources(names, own=own, simulated=False)) as found:
        assert found.find([request.key])[request.key].folder == tmp_path / "earlier"
        assert not found.gone


def test_a_folder_of_an_older_batchgen_is_read_and_not_changed(source, own):
    made, _ = source
    old = made.folder.state / "old.db"
    with closing(sqlite3.connect(old, isolation_level=None)) as db:
        db.executescript(f"{MIGRATIONS[0]}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1")
        db.execute("ATTACH ? AS new", (str(made.folder.ledger),))
        for table in ("facts", "runs", "requests", "attempts", "pictures"):
            names = ", ".join(f'"{name}"' for _, name, *_ in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM new.{table}")
    made.db.close()
    for path in made.folder.state.glob("ledger.db*"):
        path.unlink()
    old.rename(made.folder.ledger)
    (picture,) = taken(source, own, 0)
    assert picture.bytes == len(ledgers.picture_bytes(20))
    with closing(connect_read_only(made.folder.ledger)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
