"""Input pictures are decoded to their last pixel before they are sent, once, in processes of their own."""

import hashlib
import io
import itertools
import os
import threading
import zlib
from unittest import mock

import pytest
from PIL import Image

from batchgen.store.inputs import decode_worker
from batchgen.store.inputs.input_files import InputFiles
from batchgen.store.media.picture_header import read_header
from tests.photos import drawing, mask, photo

KINDS = ("png", "jpeg", "webp", "gif", "tiff")


@pytest.fixture
def files(tmp_path):
    """The pictures of a folder, with their memory beside it."""
    with InputFiles(tmp_path, tmp_path / "cache") as found:
        yield found


def decoded(files, content):
    return files.decoded({hashlib.sha256(content).hexdigest(): content})[hashlib.sha256(content).hexdigest()]


def broken_png():
    """A PNG whose chunks are sound and whose pixels are not all there."""
    whole = Image.open(io.BytesIO(photo()))
    stream = io.BytesIO()
    whole.crop((0, 0, 64, 20)).save(stream, "png")
    content = bytearray(stream.getvalue())
    content[20:24] = (48).to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_picture_passes(files, kind):
    assert not decoded(files, photo(kind)).problem


def test_half_a_jpeg_is_never_whole_even_with_an_end_put_behind_it(files):
    for settings in ({}, {"mode": "L"}, {"mode": "CMYK"}):
        content = photo("jpeg", size=(640, 480), **settings)
        half = content[: len(content) // 2] + b"\xff\xd9"
        assert read_header(half), "its header and its end mark say nothing"
        assert "is cut off" in decoded(files, half).problem
        assert not decoded(files, content).problem


def test_a_progressive_jpeg_that_ends_within_a_scan_is_cut_off(files):
    stream = io.BytesIO()
    drawing(size=(640, 480)).save(stream, "jpeg", progressive=True, quality=90)
    content = stream.getvalue()
    assert not decoded(files, content).problem
    assert "is cut off" in decoded(files, content[: len(content) * 3 // 4] + b"\xff\xd9").problem


def test_a_png_without_its_last_rows_is_cut_off(files):
    assert read_header(broken_png()).size == (64, 48)
    assert "is cut off" in decoded(files, broken_png()).problem


def test_whole_pngs_of_any_sort_pass(files):
    pictures = {}
    for mode, size in itertools.product(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"], [(1, 1), (7, 5), (64, 48)]):
        stream = io.BytesIO()
        Image.new(mode, size).save(stream, "png")
        pictures[hashlib.sha256(stream.getvalue()).hexdigest()] = stream.getvalue()
    assert {found.problem for found in files.decoded(pictures).values()} == {""}


def test_a_gif_without_its_last_rows_can_not_be_decoded(files):
    content = photo("gif", size=(200, 200))
    start = content.index(b",", 13 + 768)
    end = start + 11 + (1 + 255) * 20
    half = content[:end] + b"\0;"
    assert read_header(half)
    assert decoded(files, half).problem


@pytest.mark.parametrize(
    ("content", "opaque"), [(mask(alpha=0), False), (mask(alpha=254), False), (mask(alpha=255), True), (photo(), True)]
)
def test_a_mask_is_opaque_if_every_pixel_is(files, content, opaque):
    assert decoded(files, content).opaque == opaque


def test_a_second_look_reads_nothing_and_decodes_nothing(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(photo())
    os.utime(path, ns=(10**18, 10**18))
    with (
        mock.patch("time.time_ns", return_value=path.stat().st_ctime_ns + 10**10),
        InputFiles(tmp_path, tmp_path) as files,
    ):
        first = files.look(path, read_header)
        assert not files.decoded({first.sha256: path})[first.sha256].problem
    with (
        InputFiles(tmp_path, tmp_path) as files,
        mock.patch("pathlib.Path.read_bytes", side_effect=AssertionError),
        mock.patch("batchgen.store.media.worker_processes.WorkerProcesses", side_effect=AssertionError),
    ):
        assert files.look(path, read_header) == first
        assert not files.decoded({first.sha256: path})[first.sha256].problem


@pytest.mark.parametrize("how", ["other bytes", "its old time set back", "another file in its place", "just written"])
def test_a_file_that_is_not_surely_the_same_is_read_again(tmp_path, how):
    path = tmp_path / "a.png"
    old, new = photo(), mask()
    path.write_bytes(old)
    late = path.stat().st_ctime_ns + (10**3 if how == "just written" else 10**10)
    with mock.patch("time.time_ns", return_value=late), InputFiles(tmp_path, tmp_path) as files:
        files.look(path, read_header)
    before = path.stat()
    if how == "another file in its place":
        (tmp_path / "other").write_bytes(new)
        (tmp_path / "other").replace(path)
    else:
        path.write_bytes(new)
    if how != "other bytes":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with InputFiles(tmp_path, tmp_path) as files:
        assert files.look(path, read_header).sha256 == hashlib.sha256(new).hexdigest()


def test_a_cache_folder_that_takes_nothing_costs_only_time(tmp_path):
    (tmp_path / "cache").touch()
    with InputFiles(tmp_path, tmp_path / "cache") as files:
        assert not decoded(files, photo()).problem


def test_progress_is_told_of_what_is_really_decoded(tmp_path):
    heard = []
    pictures = [photo(note=note) for note in range(6)]
    with InputFiles(tmp_path, listen=lambda *counts: heard.append(counts)) as files:
        known = {hashlib.sha256(one).hexdigest(): one for one in pictures}
        files.decoded(known)
        assert heard == [(done, 6) for done in range(7)]
        files.decoded(known)
    assert len(heard) == 7


def test_a_listener_that_raises_ends_the_work_at_once(tmp_path):
    class Enough(Exception):
        pass

    def listen(done, _wanted):
        if done == 2:
            raise Enough

    pictures = [photo(note=note) for note in range(60)]
    known = {hashlib.sha256(one).hexdigest(): one for one in pictures}
    with InputFiles(tmp_path, tmp_path / "cache", listen=listen) as files, pytest.raises(Enough):
        files.decoded(known)
    assert sum(files._known.decoded(digest) is not None for digest in known) == 2
    assert not {thread.name for thread in threading.enumerate() if "ThreadPool" in thread.name}


def test_a_file_that_changes_under_the_decoder_is_told_and_not_remembered(files, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(photo())
    wanted = hashlib.sha256(b"the picture it was").hexdigest()
    assert files.decoded({wanted: path})[wanted].problem == decode_worker.CHANGED
    assert files._known.decoded(wanted) is None


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff"])
@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_an_upright_picture_shows_what_viewers_show_of_the_original(files, tmp_path, kind, orientation):
    content = photo(kind, orientation=orientation, size=(80, 40))
    path = files.upright(content, hashlib.sha256(content).hexdigest())
    turned = path.read_bytes()
    assert path.name == hashlib.sha256(turned).hexdigest()
    header = read_header(turned)
    assert header.kind == kind
    assert header.orientation == 1
    assert header.size == ((40, 80) if orientation > 4 else (80, 40))
    assert files.upright(content, hashlib.sha256(content).hexdigest()) == path


def test_an_upright_picture_is_kept_for_the_next_run(tmp_path):
    content = photo("jpeg", orientation=6)
    digest = hashlib.sha256(content).hexdigest()
    with InputFiles(tmp_path, tmp_path / "cache") as files:
        first = files.upright(content, digest)
    with (
        InputFiles(tmp_path, tmp_path / "cache") as files,
        mock.patch("batchgen.store.media.worker_processes.WorkerProcesses", side_effect=AssertionError),
    ):
        assert files.upright(content, digest) == first
