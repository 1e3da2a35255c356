"""Pictures of another run folder: found, checked and linked, and never taken at their word."""

import errno
import os
import stat
from contextlib import closing

import pytest

from batchgen.errors import LedgerDamaged, UsageError
from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import names, retired
from batchgen.store.ledger.records import records
from batchgen.store.ledger.schema import VERSION
from batchgen.store.pictures.on_disk import put_picture
from batchgen.store.pictures.other_folders import NotReusable, Sources, take
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


def taken(source, own, number):
    key = source[1][number].key
    with sources(source, own) as found:
        (one,) = found.find([key]).values()
        return take(one, own, key, DiskSpace(own, concurrency=1))


def test_only_what_is_stored_is_found(source, own):
    with sources(source, own) as found:
        assert set(found.find([one.key for one in source[1]])) == {one.key for one in source[1][:2]}
        assert not found.find([])
        assert not found.find(["0" * 32])
        assert not found.gone


def test_a_picture_is_linked_under_its_key_with_its_own_extension(source, own):
    pictures = taken(source, own, 1)
    key = source[1][1].key
    assert [picture.original for picture in pictures] == [f"{key[:2]}/{key}-1.png", f"{key[:2]}/{key}-2.webp"]
    theirs = [path for record in records(source[0].db) for path in record.pictures][1:]
    for ours, other in zip(pictures, theirs, strict=True):
        assert own.original(ours.original).samefile(source[0].folder.original(other.original))
        assert (ours.sha256, ours.bytes) == (other.sha256, other.bytes)
    assert not list(own.root.rglob("*.part"))


@pytest.mark.parametrize("error", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP])
def test_what_can_t_be_linked_is_copied(source, own, monkeypatch, error):
    def link(*args, **given):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "link", link)
    (picture,) = taken(source, own, 0)
    path = own.original(picture.original)
    assert path.read_bytes() == ledgers.picture_bytes(20)
    assert path.stat().st_nlink == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


def file_of(source):
    made, _ = source
    return made.folder.original(next(records(made.db)).pictures[0].original)


def overwrite(file, content):
    file.chmod(0o644)
    file.write_bytes(content)


def test_a_file_that_is_missing_or_of_another_size_is_not_found_and_named(source, own):
    for spoil in (lambda file: overwrite(file, b"short"), lambda file: file.unlink()):
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


def test_altered_bytes_of_the_same_size_are_found_out_before_they_have_a_name(source, own):
    made, _ = source
    _, second = list(records(made.db))[1].pictures
    overwrite(made.folder.original(second.original), bytes(second.bytes))
    with pytest.raises(NotReusable, match="has other bytes than were stored"):
        taken(source, own, 1)
    # The first one of the two, whole, waits for the request under its key.
    assert [path.name for path in own.pictures.rglob("*") if path.is_file()] == [f"{source[1][1].key}-1.png"]


def test_a_file_that_went_away_in_between_is_said(source, own):
    with sources(source, own) as found:
        (one,) = found.find([source[1][0].key]).values()
    file_of(source).unlink()
    with pytest.raises(NotReusable, match="is no file any more"):
        take(one, own, source[1][0].key, DiskSpace(own, concurrency=1))


def test_what_an_earlier_process_published_and_could_not_record_is_taken_as_it_is(source, own):
    assert taken(source, own, 0) == taken(source, own, 0)


def test_a_number_that_another_picture_of_the_key_has_is_left_to_it(source, own):
    key = source[1][0].key
    put_picture(own, key, 1, ledgers.picture_bytes(200))
    (picture,) = taken(source, own, 0)
    assert picture.original == f"{key[:2]}/{key}-2.png"
    assert own.original(f"{key[:2]}/{key}-1.png").read_bytes() == ledgers.picture_bytes(200)


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "ab/../../../secret.png"])
def test_a_ledger_that_calls_a_picture_by_no_key_is_refused_and_nothing_is_linked(source, own, tmp_path, name):
    made, requests = source
    made.db.execute("UPDATE pictures SET original = ? WHERE request_id = 1", (name,))
    (tmp_path / "secret.png").write_bytes(b"secret")
    with sources(source, own) as found, pytest.raises(LedgerDamaged, match="which is no key"):
        found.find([one.key for one in requests])
    assert not any(own.pictures.iterdir())


def test_what_was_retired_is_taken_all_the_same(source, own):
    """Its names are gone, its bytes are not: bought is bought."""
    names.retire(source[0].db, [1, 2], now_ms=1)
    with sources(source, own) as found:
        assert set(found.find([one.key for one in source[1]])) == {one.key for one in source[1][:2]}


def test_what_its_user_deleted_by_hand_is_taken_all_the_same(source, own):
    made, requests = source
    files = [file for (file,) in made.db.execute("SELECT file FROM names")]
    names.record_deleted(made.db, files)
    with sources(source, own) as found:
        assert set(found.find([requests[0].key])) == {requests[0].key}


def test_what_was_discarded_is_not_taken(source, own):
    retired.discard(source[0].db, [1], now_ms=1)
    with sources(source, own) as found:
        assert set(found.find([one.key for one in source[1]])) == {source[1][1].key}
        assert not found.gone


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


@pytest.mark.parametrize("version", [VERSION - 1, VERSION + 1])
def test_a_folder_of_another_version_is_named_and_not_changed(source, own, version):
    made, _ = source
    made.db.execute(f"PRAGMA user_version = {version}")
    made.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = made.folder.ledger.read_bytes()
    with pytest.raises(UsageError, match=rf"before: .*ledger version {version}"):
        Sources([str(made.folder.root)], own=own, simulated=False)
    assert made.folder.ledger.read_bytes() == before
