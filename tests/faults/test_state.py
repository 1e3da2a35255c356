"""What lies in the run folder: two runs in one place, damaged ledgers, files that went, manifests that changed."""

import json
import os
import shutil
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


def test_names_that_were_deleted_or_altered_are_told_and_not_bought_again_and_come_back_free(shop):
    shop.write(6)
    assert shop.run().code == 0
    gone, altered, *_ = sorted(shop.published())
    gone.unlink()
    # As editors save: a new file in the place of the old one.
    altered.unlink()
    altered.write_bytes(pictures.png("forged"))
    names = [path.relative_to(shop.out).as_posix() for path in (gone, altered)]
    shop.injected += 2
    verified = shop.run("--read-data", command="verify")
    assert verified.code not in {0, 2, 70}, verified.err
    assert all(name in verified.out + verified.err for name in names)
    again = shop.run()
    assert (again.code, len(shop.posts())) == (0, 6)
    assert all(name in again.err for name in names), again.err
    assert not gone.exists()
    altered.unlink()
    restored = shop.run(command="restore")
    assert restored.code == 0, restored.err
    assert gone.read_bytes() in {path.read_bytes() for path in shop.at_rest()}
    assert shop.run("--read-data", command="verify").code == 0
    assert len(shop.posts()) == 6


def test_a_name_that_was_deleted_stays_deleted_run_after_run(shop):
    shop.write(3)
    assert shop.run().code == 0
    gone, *_ = sorted(shop.published())
    gone.unlink()
    name = gone.relative_to(shop.out).as_posix()
    shop.deleted = {name}
    shop.injected += 1
    for _ in range(2):
        again = shop.run()
        assert (again.code, len(shop.posts())) == (0, 3)
        assert name in again.err
    assert not gone.exists()


@pytest.mark.parametrize(("pad", "posts"), [(0, 4), (100_000, 5)], ids=["its answer is kept", "nothing is kept"])
def test_pictures_that_are_gone_from_under_their_keys_are_told_and_bought_again_only_if_asked(shop, pad, posts):
    shop.rules({"pad": pad, "harmless": True})
    shop.write(4)
    assert shop.run().code == 0
    picture, *_ = shop.at_rest()
    (name,) = (path for path in shop.published() if path.samefile(picture))
    name.unlink()
    picture.unlink()
    original = picture.relative_to(shop.out).as_posix()
    shop.injected += 1
    verified = shop.run(command="verify")
    assert original in verified.out + verified.err
    assert shop.run().code == 0
    assert len(shop.posts()) == 4
    shop.asked_again = posts - 4
    assert shop.run("--retry", "missing").code == 0
    assert len(shop.posts()) == posts
    assert name.exists()


def test_an_empty_images_folder_is_a_loss_and_every_name_is_made_again(shop):
    shop.write(5)
    assert shop.run().code == 0
    before = {path.name: path.read_bytes() for path in shop.published()}
    shutil.rmtree(shop.out / "images")
    shop.injected += 1
    again = shop.run()
    assert (again.code, len(shop.posts())) == (0, 5)
    assert "made again" in again.err
    assert {path.name: path.read_bytes() for path in shop.published()} == before


def killed_with_its_ledger_at_work(shop):
    """Kill a strict run after some of its pictures were stored; its newest commits are in its log alone."""
    shop.rules({"delay_s": 0.1, "harmless": True})
    shop.write(24)
    process = shop.start("--strict")
    shop.wait(lambda: len(shop.at_rest()) >= 8, process)
    shop.kill(process)
    shop.rules()


@pytest.mark.parametrize("lost", [["ledger.db-wal", "ledger.db-shm"], ["ledger.db", "ledger.db-wal", "ledger.db-shm"]])
def test_a_ledger_that_lost_its_newest_commits_or_all_of_them_buys_nothing_twice_of_what_is_here(shop, lost):
    killed_with_its_ledger_at_work(shop)
    here = {path.name.rpartition("-")[0] for path in shop.at_rest()}
    assert len(here) >= 8
    for name in lost:
        (shop.out / ".batchgen" / name).unlink(missing_ok=True)
    shop.injected += 1
    # What was on its way, and small answers that were no pictures yet, stood in what is lost and nowhere else.
    shop.forgotten = shop.accepted().keys() - here
    assert len(shop.forgotten) <= 2 * 4
    ended = shop.run("--strict")
    assert ended.code in {0, 4}, ended.err
    assert {shop.accepted()[key] for key in here} == {1}
    assert here <= {key for (key,) in shop.rows("SELECT key FROM requests WHERE state = 'stored'")}


def test_a_ledger_of_yesterday_s_backup_buys_nothing_twice(shop, tmp_path):
    shop.write(10)
    assert shop.run("--limit", "4").code == 0
    shutil.copytree(shop.out / ".batchgen", tmp_path / "backup")
    assert shop.run().code == 0
    shop.injected += 1
    shutil.copy(tmp_path / "backup/ledger.db", shop.out / ".batchgen/ledger.db")
    again = shop.run()
    assert (again.code, len(shop.posts())) == (0, 10), again.err
    assert "older" in again.err
    # And where pictures and answers are yesterday's too, what lies in images/ and is listed comes back from there.
    shutil.rmtree(shop.out / ".batchgen")
    shutil.copytree(tmp_path / "backup", shop.out / ".batchgen")
    again = shop.run()
    assert (again.code, len(shop.posts())) == (0, 10), again.err
    assert shop.states() == {"stored": 10}


def test_a_copy_of_the_folder_without_links_or_inodes_buys_nothing(shop):
    shop.write(5)
    assert shop.run().code == 0
    copied = shop.root / "copied"
    shutil.copytree(shop.out, copied, copy_function=shutil.copyfile)
    shutil.rmtree(shop.out)
    copied.rename(shop.out)
    again = shop.run()
    assert (again.code, len(shop.posts())) == (0, 5)
    assert all(path.stat().st_nlink == 2 for path in shop.at_rest())


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


def test_equal_rows_are_bought_once_and_each_has_its_name(shop):
    shop.rules({"delay_s": 0.2, "harmless": True})
    shop.write([{"prompt": "a mug"}] * 5 + [{"prompt": "a teapot"}], concurrency=6)
    assert shop.run().code == 0
    assert len(shop.billing()) == len(shop.at_rest()) == 2
    assert len(shop.published()) == 6


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
    shop.write([{"prompt": f"mug {number}", "name": f"mug-{number}"} for number in range(3)], output={"path": "{name}"})
    assert shop.run("--limit", "1").code == 0
    (foreign,) = (path.with_name("mug-2.png") for path in shop.published())
    foreign.write_bytes(b"mine")
    shop.tampered = {"images/mug-2.png"}
    shop.injected += 1
    ended = shop.run()
    assert ended.code == 0
    assert "images/mug-2.png" in ended.err
    assert foreign.read_bytes() == b"mine"
    assert len(shop.at_rest()) == 3
    foreign.unlink()
    shop.tampered = set()
    assert shop.run().code == 0
    assert foreign.read_bytes() in {path.read_bytes() for path in shop.at_rest()}
    assert len(shop.posts()) == 3


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
