"""What lies in the run folder: two runs in one place, damaged ledgers, files that went, manifests that changed."""

import json
import os
import sqlite3

import pytest

from tests.faults import pictures

SLOW = {"delay_s": 0.5, "harmless": True}


def test_a_second_run_in_one_folder_sends_nothing_and_a_third_starts_once_the_first_is_dead(shop):
    shop.rules(SLOW)
    shop.write(12)
    first = shop.start()
    shop.wait(lambda: len(shop.posts()) >= 4, first)
    before = {post["key"] for post in shop.posts()}
    second = shop.run(environment={"COLUMNS": "60"})
    assert second.code == 5
    assert str(first.pid) in second.err
    shop.kill(first)
    assert len(before) >= 4
    shop.rules()
    third = shop.run()
    assert third.code == 0, third.err
    assert third.seconds < 20


def test_six_starts_at_once_in_one_folder_buy_each_request_once(shop):
    shop.rules(SLOW)
    shop.write(4)
    processes = [shop.start() for _ in range(6)]
    codes = sorted(shop.end(process).code for process in processes)
    assert codes.count(5) >= 4
    assert set(codes) <= {0, 5}
    assert len(shop.billing()) == 4


def damage_head(content):
    return b"junk" * 25 + content[100:]


def damage_middle(content):
    return content[:4096] + os.urandom(len(content) - 4096)


def cut_short(content):
    return content[: len(content) // 2]


def cut_to_nothing(content):
    return content[:50]


@pytest.mark.parametrize(
    "damage",
    [
        damage_head,
        damage_middle,
        cut_short,
        cut_to_nothing,
    ],
)
def test_a_damaged_ledger_stops_before_anything_is_sent_and_stays_as_it_is(shop, damage):
    shop.write(30)
    assert shop.run("--limit", "20").code == 0
    ledger = shop.out / ".batchgen/ledger.db"
    whole = ledger.read_bytes()
    ledger.write_bytes(damage(whole))
    damaged = ledger.read_bytes()
    shop.injected += 1
    ended = shop.run()
    now, posted = ledger.read_bytes(), len(shop.posts())
    ledger.write_bytes(whole)
    shop.reruns = False
    assert (ended.code, posted) == (6, 20), ended.err
    assert now == damaged
    assert "--out" in ended.err or "backup" in ended.err


def test_a_ledger_of_a_newer_batchgen_is_left_untouched(shop):
    shop.write(3)
    assert shop.run("--limit", "2").code == 0
    ledger = shop.out / ".batchgen/ledger.db"
    with sqlite3.connect(ledger) as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    before = ledger.read_bytes()
    ended = shop.run()
    assert (ended.code, len(shop.posts())) == (6, 2)
    assert ledger.read_bytes() == before
    assert "newer" in ended.err


def test_files_that_were_deleted_or_altered_are_named_and_not_bought_again(shop):
    shop.write(6)
    assert shop.run().code == 0
    gone, altered, *_ = sorted(shop.published())
    gone.unlink()
    altered.write_bytes(pictures.png("forged"))
    names = [path.relative_to(shop.out).as_posix() for path in (gone, altered)]
    shop.removed, shop.tampered = names[:1], names[1:]
    shop.injected += 2
    again = shop.run()
    assert (again.code, len(shop.posts())) == (0, 6)
    verified = shop.run("--read-data", command="verify")
    assert verified.code not in {0, 2, 70}, verified.err
    assert all(name in verified.out + verified.err for name in names)
    assert len(shop.posts()) == 6


def test_a_manifest_that_lost_a_row_and_gained_one_buys_exactly_one(shop):
    rows = [{"prompt": f"mug {number}"} for number in range(12)]
    shop.write(rows)
    assert shop.run().code == 0
    shop.write([{"prompt": "teapot"}, *reversed(rows[1:])])
    assert shop.run().code == 0
    assert [line["prompt"] for line in shop.billing()[12:]] == ["teapot"]


def test_whatever_cannot_change_a_picture_buys_nothing(shop):
    shop.write([{"prompt": "a mug", "note": "one"}], concurrency=1)
    assert shop.run().code == 0
    shop.write([{"note": "two", "title": "a", "prompt": "a mug"}], concurrency=9, retry={"attempts": 2}, name="other")
    assert shop.run().code == 0
    assert len(shop.billing()) == 1


def test_equal_rows_are_bought_once(shop):
    shop.rules({"delay_s": 0.2, "harmless": True})
    shop.write([{"prompt": "a mug"}] * 5 + [{"prompt": "a teapot"}], concurrency=6)
    assert shop.run().code == 0
    assert len(shop.billing()) == 2


def test_a_run_folder_without_its_shared_memory_file_is_resumed_all_the_same(shop):
    shop.rules(SLOW)
    shop.write(8)
    process = shop.start("--strict")
    shop.wait(lambda: len(shop.posts()) >= 4, process)
    shop.kill(process)
    (shop.out / ".batchgen/ledger.db-shm").unlink(missing_ok=True)
    shop.rules()
    assert shop.run("--strict").code == 4
    assert max(shop.accepted().values()) == 1


def test_a_foreign_file_under_a_picture_s_name_is_never_written_over(shop):
    shop.write(3)
    assert shop.run("--limit", "1").code == 0
    (first,) = shop.published()
    foreign = [first.with_name(f"{int(first.stem.split('-')[0]) + n:09d}-foreign.png") for n in (1, 2)]
    for path in foreign:
        path.write_bytes(b"mine")
    assert shop.run().code == 0
    assert all(path.read_bytes() == b"mine" for path in foreign)
    for path in foreign:
        path.unlink()


def test_a_run_that_was_killed_leaves_json_that_can_be_read(shop):
    shop.rules({"delay_s": 0.05, "harmless": True})
    shop.write(30)
    assert shop.run("--limit", "5").code == 0
    process = shop.start()
    shop.wait(lambda: len(shop.posts()) >= 15, process)
    shop.kill(process)
    for name in ("metadata.jsonl", "failures.jsonl"):
        for line in (shop.out / name).read_text(encoding="utf-8").splitlines():
            json.loads(line)
    shop.rules()
    assert shop.run().code == 0
