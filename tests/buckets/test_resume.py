"""A second machine with an empty disk goes on from the bucket alone, and knows what it can't know."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from batchgen.errors import FolderMismatch, LedgerDamaged
from batchgen.running.bucket_session import OnItsWay, open_bucket
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.schema import connect
from batchgen.store.pictures.lease import LeaseLost
from batchgen.store.pictures.ledger_backup import BACKUP, LedgerBackup
from tests.buckets.service import ADDRESS
from tests.buckets.test_run import in_bucket, paid_twice, pictures_in
from tests.program import run_here


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "here")
    with folder.opened():
        yield folder


def begin(folder, started_ms):
    with closing(connect(folder.ledger)) as db:
        db.execute(
            "INSERT INTO runs (started_ms, version, manifest, provider, base_url, planned, estimate_microusd)"
            " VALUES (?, '1', 'job.yaml', 'simulator', '', 1, 1)",
            (started_ms,),
        )


def runs(folder):
    with closing(sqlite3.connect(folder.ledger)) as db:
        return [started for (started,) in db.execute("SELECT started_ms FROM runs ORDER BY id")]


def test_a_copy_is_replaced_only_by_the_run_that_knows_it(bucket, folder):
    begin(folder, 1)
    ours = LedgerBackup(bucket, folder)
    ours.save()
    ours.save()
    others = LedgerBackup(bucket, folder)
    begin(folder, 2)
    others.save()
    with pytest.raises(LeaseLost, match=f"{ADDRESS} has a ledger of another run by now"):
        ours.save()


def test_a_folder_without_a_ledger_goes_on_with_the_copy(bucket, folder, tmp_path):
    begin(folder, 1)
    LedgerBackup(bucket, folder).save()
    empty = RunFolder(tmp_path / "there")
    with empty.opened(), open_bucket(ADDRESS, empty) as session:
        session.begin(OnItsWay(1, 1))
        assert runs(empty) == [1]
        assert [f"goes on with the copy of its ledger in {ADDRESS}" in news for news in session.news()] == [True]


def test_a_copy_that_was_brought_for_a_run_which_never_began_is_removed_again(bucket, folder, tmp_path):
    begin(folder, 1)
    LedgerBackup(bucket, folder).save()
    empty = RunFolder(tmp_path / "there")
    with empty.opened():
        with pytest.raises(FolderMismatch), open_bucket(ADDRESS, empty):
            raise FolderMismatch("it is another job's")
        assert not empty.exists
        with open_bucket(ADDRESS, folder):
            assert runs(folder) == [1]


@pytest.mark.parametrize("content", [b"no ledger", b"SQLite format 3\x00" + b"x" * 4096])
def test_what_is_no_ledger_is_refused_and_leaves_nothing_behind(bucket, tmp_path, content):
    bucket.overwrite(BACKUP, content)
    empty = RunFolder(tmp_path / "there")
    with empty.opened():
        with (
            pytest.raises(LedgerDamaged, match=r"_batchgen/ledger\.db: it can't be used"),
            open_bucket(ADDRESS, empty),
        ):
            pass
        assert not empty.exists
        assert [path for path in empty.state.iterdir() if path.suffix == ".part"] == []


def test_a_ledger_that_knows_the_copy_s_newest_run_stays_as_it_is(bucket, folder):
    begin(folder, 1)
    LedgerBackup(bucket, folder).save()
    begin(folder, 2)
    with open_bucket(ADDRESS, folder):
        assert runs(folder) == [1, 2]


def test_a_ledger_that_is_behind_the_bucket_is_refused_and_the_bucket_is_free_again(bucket, folder, tmp_path):
    begin(folder, 1)
    other = RunFolder(tmp_path / "there")
    with other.opened():
        begin(other, 1)
        begin(other, 2)
        LedgerBackup(bucket, other).save()
        with (
            pytest.raises(FolderMismatch, match=r"does not know the newest run of .*\(mv .*ledger\.db"),
            open_bucket(ADDRESS, folder),
        ):
            pass
        assert runs(folder) == [1]
        with open_bucket(ADDRESS, other):
            pass


@pytest.mark.process
@pytest.mark.timeout(400)
def test_a_run_that_ended_goes_on_from_an_empty_disk_and_buys_only_what_is_new(shop, bucket):
    assert in_bucket(shop, 3).run().code == 0
    shutil.rmtree(shop.out)
    in_bucket(shop, 4)
    ended = shop.run()
    assert ended.code == 0, ended.err
    assert "goes on with the copy of its ledger" in ended.err
    assert (len(shop.billing()), paid_twice(shop), len(pictures_in(bucket))) == (4, {}, 4)
    assert shop.rows("SELECT count(*) FROM runs") == [(2,)]


@pytest.mark.process
@pytest.mark.timeout(400)
def test_killed_and_gone_on_with_from_an_empty_disk_only_what_was_on_its_way_may_be_bought_twice(shop, bucket):
    shop.rules({"delay_s": 0.3, "harmless": True})
    process = in_bucket(shop, 40, concurrency=4, retry={"risk_usd": 0.05}).start()
    shop.wait(lambda: len(pictures_in(bucket)) >= 8, process, timeout=90)
    process.kill()
    process.communicate()
    known, billed = len(pictures_in(bucket)), len(shop.billing())
    shutil.rmtree(shop.out)
    refused = shop.run()
    assert refused.code == 2, refused.err
    assert "was killed, and its disk is not here" in refused.err
    assert "consent with --retry doubt" in refused.err
    assert len(shop.billing()) == billed
    shop.rules()
    ended = shop.run("--retry", "doubt")
    assert ended.code == 0, ended.err
    assert "They are asked for again" in ended.err
    twice = paid_twice(shop)
    assert len(twice) <= billed - known
    assert set(twice.values()) <= {2}
    assert len(pictures_in(bucket)) == 40
    assert shop.rows("SELECT count(*) FROM requests WHERE state = 'stored'") == [(40,)]
    again = len(shop.billing())
    assert (shop.run().code, len(shop.billing())) == (0, again)


def test_the_copy_is_one_plain_file(bucket, folder, tmp_path):
    begin(folder, 1)
    LedgerBackup(bucket, folder).save()
    (tmp_path / "copy.db").write_bytes(bucket.read(BACKUP).content)
    with closing(sqlite3.connect(f"file:{tmp_path}/copy.db?immutable=1", uri=True)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (1,)


@pytest.mark.process
@pytest.mark.timeout(400)
def test_another_job_with_the_same_bucket_is_refused_and_leaves_nothing_behind(shop, bucket):
    assert in_bucket(shop, 2).run().code == 0
    other = (shop.root / "job.yaml").read_text().replace("mug ", "cup ")
    (shop.root / "other.yaml").write_text(other)
    ended = run_here(shop.root, "run", "other.yaml", "--out", "other", IMAGEROUTER_API_KEY="x")
    assert ended.returncode == 2
    assert "is another manifest" in ended.stderr
    assert not (shop.root / "other/.batchgen/ledger.db").exists()
    assert len(shop.billing()) == 2
    assert (shop.run().code, len(shop.billing())) == (0, 2)
