"""``batchgen share`` and ``batchgen open`` as their user types them."""

import re
import zipfile

import pytest

OUT = "outputs/job"


@pytest.fixture
def ran(bought, job):
    bought(job)
    return job


def kilobytes(text):
    return float(re.search(r"([\d.]+) kB", text)[1])


@pytest.mark.parametrize("name", ["mugs.html", "mugs.zip"])
def test_the_size_is_told_before_and_after(batchgen, ran, tmp_path, name):
    done = batchgen("share", OUT, name)
    assert (done.returncode, done.stdout) == (0, f"{name}\n")
    *_, before, after = done.stderr.splitlines()
    assert re.fullmatch(r"4 pictures, about [\d.]+ kB", before)
    assert re.fullmatch(rf"{name}: [\d.]+ kB, 4 pictures", after)
    assert kilobytes(after) == pytest.approx((tmp_path / name).stat().st_size / 1000, abs=1)
    if name.endswith("html"):
        assert kilobytes(before) == pytest.approx(kilobytes(after), rel=0.2)


def test_a_file_that_is_there_is_written_only_if_asked(batchgen, ran, tmp_path):
    (tmp_path / "mugs.zip").write_bytes(b"mine")
    done = batchgen("share", OUT, "mugs.zip")
    assert done.returncode == 2
    assert "it is there already; give another name, or --overwrite" in done.stderr
    assert (tmp_path / "mugs.zip").read_bytes() == b"mine"
    assert batchgen("share", OUT, "mugs.zip", "--overwrite").returncode == 0
    first = (tmp_path / "mugs.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "mugs.zip") as archive:
        assert archive.testzip() is None
        assert "job/compare.html" in archive.namelist()
    assert batchgen("share", OUT, "again.zip").returncode == 0
    assert (tmp_path / "again.zip").read_bytes() == first


WRONG = {
    ("share", OUT, "mugs.htm"): "did you mean '.html'?",
    ("share", OUT, "mugs"): "give a name that ends in .html or .zip",
    ("share", OUT, "nowhere/mugs.zip"): "there is no folder",
    ("share", OUT, f"{OUT}/.batchgen/mugs.zip"): "nothing but batchgen's own files",
    ("share", "outputs/jop", "mugs.zip"): "there is no such folder (did you mean 'job'?)",
    ("open", OUT, "raport"): "did you mean 'report'?",
    ("open", "outputs/jop"): "there is no such folder (did you mean 'job'?)",
}


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_usage_ends_with_exit_code_2_and_writes_nothing(batchgen, ran, tmp_path, words):
    before = sorted(tmp_path.rglob("*"))
    done = batchgen(*words)
    assert done.returncode == 2
    assert WRONG[words] in " ".join(done.stderr.split())
    assert sorted(tmp_path.rglob("*")) == before


def with_opener(tmp_path, code=0):
    """A folder for PATH with an opener in it that notes what it is to open."""
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "xdg-open"
    program.write_text(f'#!/bin/sh\nprintf "%s" "$1" > {tmp_path}/opened\nexit {code}\n')
    program.chmod(0o755)
    return {"PATH": str(programs), "DISPLAY": ":0"}


@pytest.mark.parametrize("page", ["report", "compare"])
def test_a_page_is_opened_and_its_path_printed(batchgen, ran, tmp_path, page):
    done = batchgen("open", OUT, page, **with_opener(tmp_path))
    assert (done.returncode, done.stdout) == (0, f"{OUT}/{page}.html\n")
    assert "not opened" not in done.stderr
    assert (tmp_path / "opened").read_text() == (tmp_path / OUT / f"{page}.html").as_uri()


def test_where_nothing_opens_pages_the_path_is_printed_all_the_same(batchgen, ran, tmp_path):
    failing = with_opener(tmp_path, code=4)
    done = batchgen("open", OUT, **failing)
    assert (done.returncode, done.stdout) == (0, f"{OUT}/report.html\n")
    assert "xdg-open ended with 4; open it yourself" in " ".join(done.stderr.split())
    done = batchgen("open", OUT, **{**failing, "DISPLAY": "", "WAYLAND_DISPLAY": "", "WSL_DISTRO_NAME": ""})
    assert (done.returncode, done.stdout) == (0, f"{OUT}/report.html\n")
    assert "there is no desktop here" in done.stderr
