"""Further takes of what is stored, in a bucket: each with its receipt, none lost or paid twice without a disk."""

import json
import shutil

import pytest

from batchgen.store.pictures.in_bucket import object_of
from batchgen.store.pictures.ledger_backup import BACKUP
from tests.buckets.service import BUSY
from tests.buckets.test_run import in_bucket, pictures_in

pytestmark = [pytest.mark.process, pytest.mark.timeout(400)]

PRICE = "10000"


def takes(shop):
    """Every take of the first row: its number, its picture below ``pictures/``, and what it cost."""
    return shop.rows(
        "SELECT p.take, original, (SELECT sum(billed_microusd) FROM attempts a WHERE a.request_id = p.request_id"
        " AND a.take = p.take) FROM (SELECT request_id, take, original FROM pictures UNION ALL"
        " SELECT request_id, take, original FROM other_takes) p JOIN requests r ON r.id = p.request_id"
        " WHERE r.row = 1 ORDER BY p.take"
    )


def shown(shop):
    return shop.rows("SELECT p.take FROM pictures p JOIN requests r ON r.id = p.request_id WHERE r.row = 1")


def receipts(bucket, shop):
    """What the receipt of each take of the first row says: its take, what it cost, its attempt."""
    there = [bucket.head(object_of(original)).attributes for _, original, _ in takes(shop)]
    return [(one.get("take"), one["costmicrousd"], one["attempt"]) for one in there]


def forget_the_bucket_s_ledger(bucket):
    bucket.delete([BACKUP])


def bought_three_takes(shop):
    assert in_bucket(shop, 2).run().code == 0
    for _ in range(2):
        ended = shop.run("--again", "row=1")
        assert ended.code == 0, ended.err


def test_each_take_has_a_receipt_of_its_own_and_no_run_takes_it_for_news(shop, bucket):
    bought_three_takes(shop)
    found = receipts(bucket, shop)
    assert [one[:2] for one in found] == [(None, PRICE), ("2", PRICE), ("3", PRICE)]
    assert len({attempt for *_, attempt in found}) == 3
    before = takes(shop)
    ended = shop.run()
    assert (ended.code, takes(shop)) == (0, before)
    assert "more take" not in ended.err
    assert len(pictures_in(bucket)) == len(shop.billing()) == 4
    assert shop.run(command="verify").code == 0


def test_without_disk_and_copy_every_take_comes_back_at_its_price_and_nothing_is_bought(shop, bucket):
    bought_three_takes(shop)
    before = takes(shop)
    shutil.rmtree(shop.out)
    forget_the_bucket_s_ledger(bucket)
    ended = shop.run()
    assert ended.code == 0, ended.err
    assert takes(shop) == before
    assert shown(shop) == [(3,)]
    assert len(shop.billing()) == 4
    assert shop.rows("SELECT sum(billed_microusd), sum(estimated_microusd) FROM attempts") == [(40_000, 0)]


def test_a_copy_older_than_a_take_neither_loses_it_nor_buys_it_again(shop, bucket):
    assert in_bucket(shop, 2).run().code == 0
    old = bucket.read(BACKUP)
    assert shop.run("--again", "row=1").code == 0
    before = takes(shop)
    bucket.delete([BACKUP])
    bucket.create(BACKUP, old.content, {name: old.attributes[name] for name in ("run", "started", "saved")})
    shutil.rmtree(shop.out)
    ended = shop.run()
    assert ended.code == 0, ended.err
    assert "1 more take of what is stored" in ended.err
    assert (takes(shop), shown(shop)) == (before, [(2,)])
    assert len(shop.billing()) == 3


def test_a_take_that_was_asked_for_and_not_sent_is_bought_from_an_empty_disk_once(shop, bucket):
    assert in_bucket(shop, 2, retry={"risk_usd": 1}).run().code == 0
    shop.rules({"delay_s": 60, "harmless": True})
    process = shop.start("--again", "row=1")
    shop.wait_for_posts(3, process)
    process.kill()
    process.communicate()
    shutil.rmtree(shop.out)
    shop.rules()
    ended = shop.run()
    assert ended.code == 0, ended.err
    assert [take for take, *_ in takes(shop)] == [1, 2]
    assert len(shop.posts()) == 4


def test_a_take_that_the_bucket_did_not_take_lies_here_beside_the_first_and_goes_up(shop, bucket, service):
    assert in_bucket(shop, 2).run().code == 0
    (_, first, _) = takes(shop)[0]
    content = bucket.read(object_of(first)).content
    shop.rules({"delay_s": 2, "harmless": True})
    process = shop.start("--again", "row=1")
    shop.wait_for_posts(3, process)
    service.fail(BUSY)
    ended = shop.end(process)
    assert ended.code == 3, ended.err
    originals = [original for _, original, _ in takes(shop)]
    assert len(set(originals)) == 2
    assert [path.name for path in shop.at_rest()] == [originals[1].rpartition("/")[2]]
    service.fail(None)
    ended = shop.run()
    assert ended.code == 0, ended.err
    assert pictures_in(bucket) >= {object_of(original) for original in originals}
    assert [one[:2] for one in receipts(bucket, shop)] == [(None, PRICE), ("2", PRICE)]
    assert bucket.read(object_of(first)).content == content
    assert shop.at_rest() == []


def test_a_take_in_a_bucket_is_chosen_and_one_whose_object_is_gone_is_not(shop, bucket):
    bought_three_takes(shop)
    (key,) = shop.rows("SELECT key FROM requests WHERE row = 1")[0]
    assert shop.run(key[:8], "1", command="choose").code == 0
    assert shown(shop) == [(1,)]
    lines = [json.loads(line) for line in (shop.out / "metadata.jsonl").read_text().splitlines()]
    (line,) = [one for one in lines if one["key"] == key]
    assert line["file_name"] == object_of(takes(shop)[0][1])
    bucket.delete([object_of(takes(shop)[1][1])])
    refused = shop.run(key[:8], "2", command="choose")
    assert refused.code == 2
    assert "is gone" in refused.err
    assert shown(shop) == [(1,)]
