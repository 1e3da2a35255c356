"""One run at a time in a bucket, on whatever machine: the fence, and who is told what in front of it."""

import socket
import subprocess
import sys
from contextlib import closing

import msgspec
import pytest

from batchgen.errors import FolderInUse
from batchgen.request import State
from batchgen.running import bucket_session
from batchgen.running.bucket_session import BucketSession, HeldBucket, OnItsWay
from batchgen.store.folder.lock import boot_id
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.schema import connect
from batchgen.store.pictures import lease as leases
from batchgen.store.pictures.bucket import BucketFailed
from batchgen.store.pictures.lease import LEASE, Holder, LeaseLost, take_lease
from batchgen.store.pictures.ledger_backup import LedgerBackup
from tests import ledgers
from tests.buckets.service import ADDRESS, BUSY
from tests.buckets.test_run import in_bucket, pictures_in


def said(bucket):
    return msgspec.json.decode(bucket.read(LEASE).content, type=Holder)


def claim(bucket, **changes):
    """A lease as another machine would have left it."""
    holder = Holder(4242, "far-away", "another-boot", "2026-03-01 12:00:00", "/srv/out", "t")
    bucket.overwrite(LEASE, msgspec.json.encode(msgspec.structs.replace(holder, **changes)))


@pytest.fixture
def folder(tmp_path):
    """A run folder whose ledger has its tables and nothing else."""
    folder = RunFolder(tmp_path)
    with folder.opened(), closing(connect(folder.ledger)):
        yield folder


def taken(bucket, folder):
    return HeldBucket(take_lease(bucket, "/srv/one"), LedgerBackup(bucket, folder))


def dead_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_bucket_is_held_by_one_run(bucket):
    take_lease(bucket, "/srv/one")
    with pytest.raises(
        FolderInUse, match=rf"{ADDRESS} is in use by process \d+ on \S+ since .*, which said so \d+ s ago"
    ):
        take_lease(bucket, "/srv/two")


def test_a_bucket_that_was_released_is_free(bucket):
    take_lease(bucket, "/srv/one").release()
    assert take_lease(bucket, "/srv/two").before is None


def test_a_holder_that_died_on_this_machine_holds_nothing_and_is_known(bucket):
    claim(bucket, process=dead_process(), host=socket.gethostname(), boot=boot_id(), in_flight=7, reserved_microusd=70)
    assert take_lease(bucket, "/srv/two").before.in_flight == 7


def test_another_machine_is_waited_for_unless_it_is_said_to_be_dead(bucket, monkeypatch):
    claim(bucket, in_flight=7)
    with pytest.raises(FolderInUse, match=r"wait 5 minutes, or use --force-unlock far-away"):
        take_lease(bucket, "/srv/two", force_unlock="elsewhere")
    assert take_lease(bucket, "/srv/two", force_unlock="far-away").before.host == "far-away"
    claim(bucket, in_flight=7)
    monkeypatch.setattr(leases, "SILENT_S", 0.0)
    assert take_lease(bucket, "/srv/two").before.host == "far-away"


def test_what_a_killed_run_had_on_its_way_stays_known_until_another_has_begun(bucket, monkeypatch):
    monkeypatch.setattr(leases, "SILENT_S", 0.0)
    claim(bucket, in_flight=7, reserved_microusd=70)
    take_lease(bucket, "/srv/refused").release()
    assert (said(bucket).host, said(bucket).in_flight, said(bucket).released) == ("far-away", 7, True)
    second = take_lease(bucket, "/srv/two")
    assert said(bucket).in_flight == 7, "also if this one is killed before it begins"
    second.begin(in_flight=2, reserved_microusd=20)
    assert (said(bucket).in_flight, said(bucket).released) == (2, False)
    second.release()
    assert take_lease(bucket, "/srv/three").before is None


def test_a_holder_that_was_taken_over_is_told_by_whom(bucket):
    first = take_lease(bucket, "/srv/one")
    claim(bucket)
    with pytest.raises(LeaseLost, match="was taken over by process 4242 on far-away"):
        first.renew()


def test_what_is_no_lease_is_left_alone(bucket):
    bucket.create(LEASE, b"somebody's own")
    with pytest.raises(BucketFailed, match="is no lease of batchgen"):
        take_lease(bucket, "/srv/one")
    assert bucket.read(LEASE).content == b"somebody's own"


def test_a_run_says_what_may_be_on_its_way_before_it_sends_anything(bucket, folder):
    session = BucketSession(bucket, folder, taken(bucket, folder))
    session.begin(OnItsWay(3, 30_000))
    session.renew()
    assert (said(bucket).in_flight, said(bucket).reserved_microusd) == (3, 30_000)


def test_a_doubt_that_the_copy_of_the_ledger_lacks_is_said_to_be_on_its_way(bucket, tmp_path):
    with ledgers.build(tmp_path / "out") as ledger:
        ledger.begin()
        session = BucketSession(bucket, ledger.folder, taken(bucket, ledger.folder))
        session.begin(OnItsWay(3, 30_000))
        ledger.fail(ledger.request(), State.DOUBT, maybe_microusd=50_000)
        session.renew()
        assert (said(bucket).in_flight, said(bucket).reserved_microusd) == (4, 80_000)
        session.back_up()
        session.renew()
        assert (said(bucket).in_flight, said(bucket).reserved_microusd) == (3, 30_000)


def test_a_run_that_lost_its_bucket_sends_nothing_more_and_writes_no_lists(bucket, folder):
    (folder.root / "summary.json").write_text("{}")
    session = BucketSession(bucket, folder, taken(bucket, folder))
    claim(bucket)
    session.renew()
    assert "was taken over by process 4242 on far-away" in session.failed
    assert not session.is_resting, "what is in flight still goes there, under its key"
    session.publish([folder.root / "summary.json"])
    assert bucket.head("summary.json") is None
    with session.cared_for():
        pass
    assert said(bucket).host == "far-away"


def test_a_run_that_can_say_nothing_for_long_sends_nothing_more(bucket, service, folder, monkeypatch):
    session = BucketSession(bucket, folder, taken(bucket, folder))
    service.fail(BUSY, within="lease")
    session.renew()
    assert session.failed is None
    monkeypatch.setattr(bucket_session, "GIVEN_UP_S", 0.0)
    session.renew()
    assert "it took no word of this run" in session.failed


@pytest.mark.process
@pytest.mark.timeout(300)
def test_of_two_drivers_one_is_refused_and_sends_nothing_until_the_other_is_dead(shop, bucket):
    shop.rules({"delay_s": 90, "harmless": True})
    first = in_bucket(shop, 3).start()
    shop.wait_for_posts(3, first)
    second = shop.run("--out", "other")
    assert second.code == 5
    assert f"{ADDRESS} is in use by process {first.pid}" in second.err
    assert len(shop.posts()) == 3
    shop.kill(first)
    shop.rules()
    ended = shop.run("--retry", "doubt")
    assert ended.code == 0, ended.err
    assert len(pictures_in(bucket)) == 3
    assert said(bucket).released
