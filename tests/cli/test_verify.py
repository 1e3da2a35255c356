import json


def pictures(tmp_path):
    return sorted((tmp_path / "outputs/job/images").rglob("*.jpg"))


def test_a_clean_folder_ends_with_0_and_says_so(batchgen, bought, job):
    bought(job)
    done = batchgen("verify", "outputs/job", "--read-data")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "outputs/job: 4 pictures checked by size and digest; no difference\n"


def test_differences_are_named_and_a_run_buys_nothing_for_them(batchgen, bought, job, tmp_path):
    bought(job)
    gone, altered, *_ = pictures(tmp_path)
    gone.unlink()
    altered.unlink()
    altered.write_bytes(b"edited")
    done = batchgen("verify", "outputs/job")
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first.startswith(f"deleted    {gone.relative_to(tmp_path / 'outputs/job')} [")
    assert second.startswith(f"altered    {altered.relative_to(tmp_path / 'outputs/job')} [")
    assert "1 deleted, 1 altered" in done.stderr
    said = batchgen("run", job).stderr
    assert "nothing to buy" in said
    assert "deleted by hand: it stays so" in said
    assert "was not replaced" in said


def test_a_picture_that_is_gone_from_under_its_key_is_missing_and_bought_only_when_asked(
    batchgen, bought, job, tmp_path
):
    bought(job)
    (original, *_) = sorted((tmp_path / "outputs/job/.batchgen/pictures").glob("*/*.jpg"))
    for name in pictures(tmp_path):
        if name.samefile(original):
            name.unlink()
    original.unlink()
    done = batchgen("verify", "outputs/job")
    assert (done.returncode, done.stdout.splitlines()[0].split()[0]) == (1, "missing")
    assert "`--retry missing` buys it again" in done.stdout
    assert "nothing to buy" in batchgen("run", job).stderr
    assert batchgen("run", job, "--retry", "missing").returncode == 0
    assert len(pictures(tmp_path)) == 4
    assert batchgen("verify", "outputs/job", "--read-data").returncode == 0


def test_as_json_it_is_one_object(batchgen, bought, job, tmp_path):
    bought(job)
    (tmp_path / "outputs/job/images/mine.png").write_bytes(b"")
    done = batchgen("verify", "outputs/job", "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert said["pictures"] == 4
    assert said["counts"] == {
        "missing": 0,
        "altered": 0,
        "deleted": 0,
        "foreign": 1,
        "unfinished": 0,
        "unread": 0,
        "litter": 0,
    }
    assert said["findings"][0]["file"] == "images/mine.png"


def test_a_damaged_ledger_ends_with_6_and_says_how_to_rebuild_it(batchgen, bought, job, tmp_path):
    bought(job)
    ledger = tmp_path / "outputs/job/.batchgen/ledger.db"
    ledger.write_bytes(b"junk" * 5000)
    for command in ("verify", "status", "report"):
        done = batchgen(command, "outputs/job")
        assert done.returncode == 6, command
        assert "Traceback" not in done.stderr
    done = batchgen("run", job)
    assert done.returncode == 6
    assert "mv " in done.stderr


def test_after_its_ledger_was_moved_away_a_run_rebuilds_it_and_buys_nothing(batchgen, bought, own_job, tmp_path):
    bought(own_job)
    books = tmp_path / "outputs/job/.batchgen/simulator/billing.jsonl"
    before = books.read_bytes()
    summary = json.loads((tmp_path / "outputs/job/summary.json").read_text())
    (tmp_path / "outputs/job/.batchgen/ledger.db").rename(tmp_path / "ledger.db.damaged")
    assert "0 new, 4 done" in batchgen("plan", own_job).stdout
    done = batchgen("run", own_job)
    assert done.returncode == 0, done.stderr
    assert "the ledger was lost and has been made anew: 4 requests stored" in done.stderr
    assert "nothing to buy" in done.stderr
    assert books.read_bytes() == before
    assert batchgen("verify", "outputs/job", "--read-data").returncode == 0
    batchgen("report", "outputs/job")
    again = json.loads((tmp_path / "outputs/job/summary.json").read_text())
    assert again["states"] == summary["states"]
    assert again["billed_microusd"] == summary["billed_microusd"]


def test_a_disk_below_the_mark_ends_with_3_and_nothing_is_sent(batchgen, job, tmp_path):
    done = batchgen("run", job, BATCHGEN_MIN_FREE_MB=str(1 << 40))
    assert done.returncode == 3
    assert "BATCHGEN_MIN_FREE_MB" in done.stderr
    assert not pictures(tmp_path)


def test_a_spill_folder_that_is_not_there_is_a_mistake(batchgen, job):
    assert batchgen("run", job, "--spill-dir", "nowhere").returncode == 2
