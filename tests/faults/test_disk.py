"""Disks that fill up, turn read-only or fail, and deaths at chosen system calls."""

import re

import pytest

from tests.faults.disks import Disk
from tests.faults.tracing import calls_in, dying_at, failed_at, killed_at, needs_strace, written_down

KINDS = {
    "small": {"harmless": True},
    "large": {"pad": 200_000, "harmless": True},
    "hosted": {"hosted": True, "harmless": True},
}


@pytest.fixture
def disk(shop):
    shop.out.mkdir()
    mounted = Disk(shop.out)
    if not mounted.mounted:
        pytest.skip("mounting a disk is not allowed here")
    yield mounted
    mounted.close()


def resumed_without_paying_again(shop, requests, *, doubts=0):
    """A strict run to the end on a sound disk; at most ``doubts`` requests are not stored by it."""
    shop.note_recorded()
    shop.rules()
    ended = shop.run("--strict")
    assert ended.code in ({0, 4} if doubts else {0}), ended.err
    states = shop.states()
    assert states["stored"] + states["in doubt"] == requests
    assert states["in doubt"] <= doubts
    assert len(shop.billing()) <= requests


def test_a_disk_that_fills_up_stops_the_run_and_keeps_all_that_was_paid(shop, disk):
    shop.rules({"pad": 100_000, "delay_s": 0.1, "harmless": True})
    shop.write(40, concurrency=4)
    process = shop.start("--strict")
    shop.wait(lambda: len(shop.posts()) >= 8, process)
    disk.shrink(100_000)
    full_at = len(shop.posts())
    shop.injected += 1
    ended = shop.end(process)
    assert ended.code == 3, ended.err
    assert len(shop.posts()) <= full_at + 3 * 4
    shop.note_recorded()
    disk.grow()
    shop.rules()
    again = shop.run("--strict")
    assert again.code == 0, again.err
    assert len(shop.billing()) == len(shop.published()) == 40


def test_a_disk_that_is_read_only_from_the_start_costs_nothing(shop, disk):
    shop.write(4)
    disk.remount("ro")
    shop.injected += 1
    assert shop.run().code == 3
    assert not shop.posts()
    disk.remount("rw")
    assert shop.run().code == 0


def test_a_disk_that_is_full_from_the_start_costs_nothing(shop, disk):
    disk.remount("size=8k")
    shop.write(4)
    shop.injected += 1
    ended = shop.run()
    assert ended.code in {3, 6}, ended.err
    assert not shop.posts()


@needs_strace
@pytest.mark.parametrize(
    ("calls", "number", "error"),
    [
        ("fsync", "14", "EIO"),
        ("fdatasync", "8", "EIO"),
        ("pwrite64", "30+", "ENOSPC"),
        ("pwrite64", "90+", "ENOSPC"),
        ("pwrite64", "90+", "EROFS"),
        ("pwrite64", "90", "EIO"),
        ("rename,renameat,renameat2", "5+", "EROFS"),
        ("link,linkat", "2+", "EROFS"),
        ("fsync", "14+", "EDQUOT"),
        ("unlink,unlinkat", "6+", "EROFS"),
    ],
)
def test_a_disk_that_fails_in_the_middle_stops_the_run_and_loses_nothing_that_was_recorded(shop, calls, number, error):
    shop.rules({"pad": 100_000, "harmless": True})
    shop.write(40, concurrency=2)
    shop.injected += 1
    ended = shop.run("--strict", prefix=failed_at(calls, number, error))
    assert ended.code in {3, 6}, ended.err
    assert len(shop.posts()) < 40
    resumed_without_paying_again(shop, 40, doubts=2 if "write" in calls or "sync" in calls else 0)


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_process_with_few_file_descriptors_loses_nothing_that_was_paid(shop):
    shop.rules({"pad": 100_000, "delay_s": 0.1, "hosted": True, "harmless": True})
    shop.write(24, concurrency=16)
    shop.injected += 1
    ended = shop.run("--strict", prefix=["prlimit", "--nofile=24"], timeout=150)
    assert ended.code in {0, 3}, ended.err
    resumed_without_paying_again(shop, 24)


@pytest.mark.parametrize("limit", [150_000, 400_000])
def test_a_limit_on_the_size_of_files_stops_the_run_and_loses_nothing_that_was_paid(shop, limit):
    shop.rules({"pad": 200_000, "delay_s": 0.1, "harmless": True})
    shop.write(24, concurrency=4)
    shop.injected += 1
    ended = shop.run("--strict", prefix=["prlimit", f"--fsize={limit}"])
    assert ended.code in {0, 3}, ended.err
    resumed_without_paying_again(shop, 24, doubts=4)


# The calls at which a picture comes to rest, each with the state of its request if the program dies there.
AT_REST = r"/pictures/../"
STEPS = {
    "a large answer lies beside the ledger": ("replace", {"of": r"\.body", "after": True}, "sent"),
    "the picture is being written": ("fsync", {"of": AT_REST}, "answered"),
    "the picture has its key": ("rename", {"of": AT_REST, "after": True}, "answered"),
    "the key is durable": ("fsync", {"of": r"/pictures/..$", "after": True}, "answered"),
    "the picture is recorded": ("link", {}, "stored"),
    "the picture has its name": ("link", {"after": True}, "stored"),
    "the name is durable": ("fsync", {"of": r"/images/\d+$", "after": True}, "stored"),
}


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ("a large answer lies beside the ledger", "large"),
        ("the picture is being written", "small"),
        ("the picture is being written", "hosted"),
        *(("the picture has its key", kind) for kind in KINDS),
        ("the key is durable", "large"),
        *(("the picture is recorded", kind) for kind in KINDS),
        ("the picture has its name", "small"),
        ("the name is durable", "large"),
    ],
)
def test_a_death_at_any_step_from_an_answer_to_its_name_costs_nothing(shop, step, kind, tmp_path):
    call, which, state = STEPS[step]
    shop.rules(KINDS[kind])
    shop.write(1)
    shop.injected += 1
    assert shop.run("--strict", environment=dying_at(call, 1, tmp_path, **which)).code == -9
    assert shop.states() == {state: 1}
    shop.note_recorded()
    before = [path.stat().st_ino for path in shop.at_rest()]
    ended = shop.run("--strict")
    assert ended.code == 0, ended.err
    assert len(shop.billing()) == len(shop.published()) == 1
    (picture,) = shop.at_rest()
    assert not before or before == [picture.stat().st_ino]
    assert shop.published()[0].samefile(picture)


@needs_strace
def test_a_file_system_without_links_gets_copies_and_is_told_so_once(shop):
    shop.write(4)
    shop.injected += 1
    ended = shop.run(prefix=failed_at("link,linkat", "1+", "EPERM"))
    assert (ended.code, len(shop.billing())) == (0, 4), ended.err
    assert ended.err.count("no links") == 1
    assert {path.stat().st_nlink for path in (*shop.published(), *shop.at_rest())} == {1}
    again = shop.run(prefix=failed_at("link,linkat", "1+", "EPERM"))
    assert (again.code, len(shop.billing())) == (0, 4)
    assert "no links" not in again.err


@needs_strace
def test_a_picture_with_too_many_links_is_copied_and_the_others_are_linked(shop):
    shop.write(1)
    shop.injected += 1
    ended = shop.run(prefix=failed_at("link,linkat", "1", "EMLINK"))
    assert (ended.code, len(shop.billing())) == (0, 1), ended.err
    assert "no links" not in ended.err
    assert shop.published()[0].stat().st_nlink == 1


@needs_strace
@pytest.mark.parametrize(
    ("calls", "number", "mode"),
    [
        ("pwrite64", 12, "strict"),
        ("pwrite64", 19, "retry"),
        ("pwrite64", 30, "strict"),
        ("pwrite64", 41, "retry"),
        ("fdatasync", 4, "strict"),
        ("fdatasync", 6, "retry"),
        ("fdatasync", 9, "strict"),
    ],
)
def test_a_death_at_any_system_call_is_resumed_without_paying_for_what_was_recorded(shop, calls, number, mode):
    options = ["--strict"] if mode == "strict" else []
    shop.rules({"prompt": "mug 1", **KINDS["large"]}, {"prompt": "mug 3", **KINDS["hosted"]})
    shop.write(6, concurrency=2)
    shop.injected += 1
    shop.run(*options, prefix=killed_at(calls, number))
    resumed(shop, options)


@pytest.mark.parametrize(
    ("call", "number", "mode"),
    [
        ("link", 1, "retry"),
        ("link", 3, "strict"),
        ("link", 6, "retry"),
        ("rename", 4, "strict"),
        ("rename", 6, "retry"),
        ("fsync", 10, "strict"),
        ("fsync", 13, "retry"),
        ("fsync", 17, "strict"),
        ("fsync", 22, "retry"),
        ("write", 40, "strict"),
    ],
)
def test_a_death_at_any_step_of_a_file_is_resumed_without_paying_for_what_was_recorded(
    shop, call, number, mode, tmp_path
):
    options = ["--strict"] if mode == "strict" else []
    shop.rules({"prompt": "mug 1", **KINDS["large"]}, {"prompt": "mug 3", **KINDS["hosted"]})
    shop.write(6, concurrency=2)
    shop.injected += 1
    shop.run(*options, environment=dying_at(call, number, tmp_path))
    resumed(shop, options)


def resumed(shop, options):
    shop.note_recorded()
    on_their_way = shop.states()["sent"]
    ended = shop.run(*options)
    states = shop.states()
    assert ended.code == (4 if states["in doubt"] else 0), ended.err
    assert states["stored"] + states["in doubt"] == 6
    assert states["in doubt"] <= (on_their_way if options else 0)


@needs_strace
@pytest.mark.parametrize("kind", ["small", "large"])
def test_each_step_is_durable_before_the_next_one_refers_to_it(shop, kind, tmp_path):
    shop.rules(KINDS[kind])
    shop.write(1)
    trace = tmp_path / "trace"
    calls = "fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg,link,linkat,rename,renameat,renameat2"
    assert shop.run(prefix=written_down(calls, trace)).code == 0
    ((key, sha256, original, name),) = shop.rows(
        "SELECT key, sha256, original, file FROM requests r JOIN pictures p ON p.request_id = r.id"
        " JOIN names n ON n.request_id = r.id"
    )
    found = calls_in(trace)

    def first(wanted, after=-1):
        return next(call for call in found if call.began > after and wanted(call))

    def written(text, after=-1):
        return first(
            lambda call: call.name == "pwrite64" and "ledger.db-wal>" in call.text and text in call.text, after
        )

    def synced(call, name):
        return first(lambda later: "sync" in later.name and name in later.text, after=call.ended)

    def log_synced(call):
        return synced(call, "ledger.db-wal>")

    post = first(lambda call: '"POST /v1/openai/images/' in call.text)
    assert log_synced(written(key)).ended < post.began

    named = first(lambda call: call.name.startswith("rename") and f'{original}"' in call.text)
    (beside,) = re.findall(r"/(\.[0-9a-f]+\.part)\"", named.text)
    assert first(lambda call: call.name == "fsync" and beside in call.text).ended < named.began
    answer_recorded = written("b64_json") if kind == "small" else written(".body")
    assert log_synced(answer_recorded).ended < named.began
    stored = written(sha256)
    assert synced(named, f"/pictures/{original.partition('/')[0]}>").ended < stored.began
    assert first(lambda call: call.name == "fsync" and "/pictures>" in call.text).ended < stored.began

    linked = first(lambda call: call.name.startswith("link") and name.rpartition("/")[2] in call.text)
    assert original in linked.text
    assert log_synced(stored).ended < linked.began
    made = written("made", after=linked.began)
    assert synced(linked, f"/{name.rpartition('/')[0]}>").ended < made.began
    assert synced(linked, "/images>").ended < made.began

    if kind == "large":
        renamed = first(lambda call: call.name.startswith("rename") and ".body" in call.text)
        assert first(
            lambda call: call.name == "fsync" and ".arriving>" in call.text and call.began > post.ended
        ).ended < (renamed.began)
        assert synced(renamed, "/answers>").ended < answer_recorded.began
