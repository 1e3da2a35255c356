"""Runs whose pictures rest in a bucket: a real service, a real program, and the books of both."""

import hashlib
import json
import shutil

import pytest

from batchgen.store.pictures.in_bucket import PICTURES, object_of
from batchgen.store.pictures.ledger_backup import BACKUP
from tests.buckets.service import ADDRESS, BUSY, DENIED, NO_BUCKET

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


def pictures_in(bucket):
    return {one.path for one in bucket.list(PICTURES)}


def in_bucket(shop, rows, **more):
    return shop.write(rows, output={"pictures": ADDRESS}, **more)


def paid_twice(shop):
    return {key: times for key, times in shop.accepted().items() if times > 1}


def test_pictures_lie_in_the_bucket_under_their_keys_each_with_its_receipt(shop, bucket):
    ended = in_bucket(shop, 6).run()
    assert ended.code == 0, ended.err
    stored = shop.rows(
        "SELECT p.original, p.sha256, p.format, r.key FROM pictures p JOIN requests r ON r.id = request_id"
    )
    assert len(stored) == 6
    assert pictures_in(bucket) == {object_of(original) for original, *_ in stored}
    for original, sha256, kind, key in stored:
        there = bucket.read(object_of(original))
        assert hashlib.sha256(there.content).hexdigest() == sha256
        receipt = {name: there.attributes[name] for name in ("key", "sha256", "format", "costmicrousd", "attempt")}
        assert receipt.pop("attempt").isdecimal()
        assert receipt == {"key": key, "sha256": sha256, "format": kind, "costmicrousd": "10000"}
    assert shop.at_rest() == []
    assert shop.published() == []


def test_the_lists_lie_beside_the_pictures_and_name_them(shop, bucket):
    assert in_bucket(shop, 3).run().code == 0
    lines = [json.loads(line) for line in bucket.read("metadata.jsonl").content.splitlines()]
    assert {line["file_name"] for line in lines} == pictures_in(bucket)
    assert bucket.read("summary.json") is not None
    assert bucket.read("report.html") is not None


def test_a_second_run_buys_and_puts_nothing(shop, bucket, service):
    in_bucket(shop, 4).run()
    before = len(shop.billing())
    ended = shop.run()
    assert (ended.code, len(shop.billing())) == (0, before)


def test_a_bucket_that_is_busy_for_a_while_costs_nothing_twice(shop, bucket, service):
    service.fail(BUSY)
    shop.rules({"delay_s": 0.05, "harmless": True})
    process = in_bucket(shop, 12).start()
    shop.wait(lambda: len(shop.at_rest()) >= 2, process)
    service.fail(None)
    ended = shop.end(process)
    assert ended.code == 0, ended.err
    assert "pictures are kept on this disk until the bucket takes them" in ended.err
    assert len(pictures_in(bucket)) == 12
    assert shop.at_rest() == []
    assert len(shop.billing()) == 12


def test_a_bucket_that_stays_busy_leaves_every_picture_on_this_disk_and_the_next_run_puts_them_up(
    shop, bucket, service
):
    service.fail(BUSY)
    ended = in_bucket(shop, 5).run()
    assert ended.code == 3
    assert "5 paid pictures wait on this disk" in ended.err + ended.out
    assert len(shop.at_rest()) == len(shop.billing()) == 5
    service.fail(None)
    ended = shop.run()
    assert ended.code == 0, ended.err
    assert (len(pictures_in(bucket)), shop.at_rest(), len(shop.billing())) == (5, [], 5)
    receipt = bucket.head(pictures_in(bucket).pop()).attributes
    assert receipt["costmicrousd"] == "10000"


@pytest.mark.parametrize(("answer", "why"), [(NO_BUCKET, "no such bucket"), (DENIED, "access is denied")])
def test_a_bucket_that_vanishes_ends_the_run_and_nothing_paid_for_is_lost(shop, bucket, service, answer, why):
    shop.rules({"delay_s": 0.05, "harmless": True})
    process = in_bucket(shop, 60, concurrency=2).start()
    shop.wait(lambda: len(pictures_in(bucket)) >= 3, process)
    service.fail(answer, calls=("PUT", "GET", "HEAD", "DELETE"), within="")
    ended = shop.end(process)
    assert ended.code == 3
    assert why in ended.err + ended.out
    bought = len(shop.billing())
    assert bought < 60
    assert shop.states()["stored"] == bought
    service.fail(None)
    ended = shop.run()
    assert ended.code == 0, ended.err
    assert (len(pictures_in(bucket)), len(shop.billing()), paid_twice(shop)) == (60, 60, {})


def test_verify_compares_the_bucket_with_the_ledger(shop, bucket):
    in_bucket(shop, 4).run()
    assert shop.run(command="verify").code == 0
    gone, altered, cut, _ = sorted(pictures_in(bucket))
    content = bucket.read(altered).content
    bucket.delete([gone])
    bucket.overwrite(altered, content[::-1])
    bucket.overwrite(cut, content[:-1])
    bucket.create("pictures/ab/" + "ab" * 16 + "-1.png", content)
    ended = shop.run("--read-data", command="verify")
    assert ended.code == 1
    found = sorted(line.split()[0] for line in ended.out.splitlines())
    assert found == ["altered", "altered", "foreign", "missing"]
    assert f"{ADDRESS}/{gone}" in ended.out
    assert len(shop.run(command="verify").out.splitlines()) == 3, "by size alone, same sizes are no difference"


def test_a_picture_that_is_gone_from_the_bucket_is_bought_again_only_if_asked(shop, bucket):
    # An answer as large as most is not kept beyond its picture.
    shop.rules({"pad": 150_000, "harmless": True})
    in_bucket(shop, 3).run()
    bucket.delete([min(pictures_in(bucket))])
    assert (shop.run().code, len(shop.billing())) == (0, 3)
    ended = shop.run("--retry", "missing")
    assert (ended.code, len(shop.billing())) == (0, 4), ended.err
    assert len(pictures_in(bucket)) == 3


def test_a_killed_run_goes_on_with_what_lies_in_the_bucket(shop, bucket):
    shop.rules({"delay_s": 0.1, "harmless": True})
    process = in_bucket(shop, 30, concurrency=6, retry={"risk_usd": 0}).start("--strict")
    shop.wait(lambda: len(pictures_in(bucket)) >= 8, process)
    shop.kill(process)
    ended = shop.run("--strict")
    assert ended.code in {0, 4}, ended.err
    assert paid_twice(shop) == {}
    states = shop.states()
    assert states["stored"] + states["in doubt"] == 30
    assert len(pictures_in(bucket)) == states["stored"]


def test_a_ledger_that_is_lost_with_its_copy_is_made_anew_from_the_receipts(shop, bucket):
    in_bucket(shop, 5).run()
    shutil.rmtree(shop.out)
    bucket.delete([BACKUP])
    ended = shop.run()
    assert ended.code == 0, ended.err
    assert len(shop.billing()) == 5
    assert "it knows now: 5 requests stored" in ended.err
    assert shop.rows("SELECT sum(billed_microusd), count(*) FROM attempts") == [(50_000, 5)]
    assert shop.run(command="verify").code == 0


def test_a_folder_keeps_its_pictures_where_they_are(shop, bucket):
    assert shop.write(2).run().code == 0
    ended = in_bucket(shop, 2).run()
    assert ended.code == 2
    assert f"rest in this disk, and output.pictures asks for {ADDRESS}" in ended.err
    assert len(shop.billing()) == 2
