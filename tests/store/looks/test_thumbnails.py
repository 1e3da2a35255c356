"""Small pictures of odd, huge and broken ones, made once, in processes that may be killed."""

import hashlib
import io
import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import row_metadata
from batchgen.store.ledger.records import RecordedPicture
from batchgen.store.ledger.row_metadata import Described
from batchgen.store.looks.thumbnails import FOLDER, Thumbnails, forget, inside, read_looks, thumbnail_name
from batchgen.store.looks.update import look_at_new
from batchgen.store.looks.worker import LookTask, shrink
from batchgen.store.looks.workers import LookWorkers
from batchgen.store.media.sniff import Format
from tests.compare.folders import building, picture
from tests.ledgers import at_rest


def saved(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def bomb():
    """A PNG of 40,000 x 40,000 pixels in few bytes."""
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100_000)), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def animated():
    frames = [Image.new("RGB", (300, 200), (shade, 0, 0)) for shade in range(0, 250, 10)]
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:])


@pytest.fixture
def job(tmp_path):
    def make(content):
        source = tmp_path / "source"
        source.write_bytes(content)
        return LookTask("digest", str(source), str(tmp_path / "to" / "small.webp"))

    return make


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (picture(1, size=(1200, 800)), (256, 171)),
        (picture(1, size=(300, 1200), kind="JPEG"), (64, 256)),
        (picture(1, size=(20, 10)), (20, 10)),
        (saved(Image.new("RGB", (4000, 2), "red")), (256, 1)),
        (saved(Image.new("RGBA", (512, 512), (10, 200, 10, 90))), (256, 256)),
        (saved(Image.new("P", (512, 256)), "GIF"), (256, 128)),
        (saved(Image.new("I;16", (512, 512), 40_000)), (256, 256)),
        (saved(Image.new("CMYK", (512, 512), (0, 90, 30, 10)), "JPEG"), (256, 256)),
        (saved(Image.new("L", (512, 512), 90), "TIFF"), (256, 256)),
        (saved(Image.new("1", (512, 512))), (256, 256)),
        (animated(), (256, 171)),
    ],
    ids=["png", "jpeg", "small", "strip", "alpha", "palette", "16 bit", "cmyk", "tiff", "bilevel", "animated"],
)
def test_a_picture_of_any_kind_becomes_small_and_keeps_its_shape(job, content, size):
    wanted = job(content)
    assert shrink(wanted).problem == ""
    with Image.open(wanted.target) as small:
        assert (small.format, small.size) == ("WEBP", size)
        assert getattr(small, "n_frames", 1) == 1
        assert not small.getexif()


def test_a_photograph_stands_upright(job):
    exif = Image.Exif()
    exif[0x0112] = 6
    wanted = job(saved(Image.new("RGB", (400, 200), "red"), "JPEG", exif=exif))
    shrink(wanted)
    with Image.open(wanted.target) as small:
        assert small.size == (128, 256)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bomb(), "DecompressionBomb"),
        (b"", "no picture"),
        (b"<svg/>", "no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture"),
        (picture(1, size=(900, 900))[:2_000], "truncated"),
    ],
    ids=["bomb", "empty", "svg", "postscript", "cut"],
)
def test_what_cannot_be_made_small_says_why_and_leaves_nothing(job, content, said):
    wanted = job(content)
    assert said in shrink(wanted).problem
    assert not list(Path(wanted.target).parent.glob("*"))


def test_a_picture_of_one_colour_is_blank_and_noise_is_not(job):
    assert shrink(job(saved(Image.new("RGB", (64, 64), (200, 201, 199))))).blank
    assert shrink(job(saved(Image.new("RGBA", (64, 64), (0, 0, 0, 0))))).blank
    assert not shrink(job(picture(3))).blank


def test_workers_answer_in_order_and_survive_a_broken_picture(tmp_path):
    jobs = []
    for number in range(12):
        source = tmp_path / f"{number}"
        source.write_bytes(b"broken" if number == 5 else picture(number))
        jobs.append(LookTask(str(number), str(source), str(tmp_path / "small" / f"{number}.webp")))
    with LookWorkers(workers=3) as bench:
        looks = list(bench.shrink_all(jobs))
    assert [look.sha256 for look in looks] == [str(number) for number in range(12)]
    assert [look.sha256 for look in looks if look.problem] == ["5"]


def test_a_picture_that_takes_too_long_costs_its_worker_and_no_other_picture(tmp_path):
    slow, quick = tmp_path / "slow", tmp_path / "quick"
    # Opening a pipe that nobody writes to waits for ever.
    os.mkfifo(slow)
    quick.write_bytes(picture(1))
    jobs = [LookTask(path.name, str(path), str(tmp_path / f"{path.name}.webp")) for path in (quick, slow, quick)]
    with LookWorkers(workers=1, time_cap_s=1.5) as bench:
        looks = list(bench.shrink_all(jobs))
    assert [look.problem for look in looks] == ["", "not made small within 1.5 s", ""]


def shot(folder, content, digits="ab"):
    """A picture at rest, whose digest is said to begin with ``digits``."""
    stored = at_rest(folder, digits * 16, content, form=Format("png", "png", 24, 18))
    size = (stored.format.width, stored.format.height)
    return RecordedPicture(
        1, "images/a.png", stored.original, True, digits + "0" * 62, stored.bytes, "png", *size, None
    )


def test_no_picture_is_decoded_twice_and_the_original_stays_as_it_is(tmp_path):
    folder, made = RunFolder(tmp_path), []
    one = shot(folder, picture(1))
    before = folder.original(one.original).stat()
    with LookWorkers(workers=1) as bench:
        Thumbnails(folder).make(bench, [one, one], made.append)
        Thumbnails(folder).make(bench, [one], made.append)

    assert len(made) == 1
    assert (tmp_path / thumbnail_name(one.sha256)).is_file()
    assert Thumbnails(folder).look(one.sha256) == made[0]
    after = folder.original(one.original).stat()
    assert (after.st_mtime_ns, after.st_size, after.st_ino) == (before.st_mtime_ns, before.st_size, before.st_ino)


def test_a_thumbnail_that_was_removed_is_made_again_and_a_failure_is_remembered(tmp_path):
    folder, made = RunFolder(tmp_path), []
    good, bad = shot(folder, picture(1)), shot(folder, b"broken", "cd")
    with LookWorkers(workers=1) as bench:
        Thumbnails(folder).make(bench, [good, bad], made.append)
        (tmp_path / thumbnail_name(good.sha256)).unlink()
        with (tmp_path / "compare/thumbs/looks.jsonl").open("ab") as diary:
            diary.write(b'{"sha256": "cut off')
        Thumbnails(folder).make(bench, [good, bad], made.append)

    assert [look.sha256[:2] for look in made] == ["ab", "cd", "ab"]


@pytest.mark.parametrize("file", ["../x.png", "/etc/passwd", "images/../../x.png", "", "."])
def test_a_name_that_leads_out_of_the_folder_is_no_file(tmp_path, file):
    assert inside(tmp_path, file) is None


def seen_of(folder):
    return {look.sha256 for looks in read_looks(folder) for look in looks}


def test_what_was_seen_of_a_picture_goes_with_its_last_name_and_comes_back_with_it(tmp_path):
    with building(tmp_path / "mugs") as folder:
        requests = [folder.request(f"mug {number}") for number in range(2)]
        kept, _ = (folder.store(request) for request in requests)
        look_at_new(folder.folder)
        before = seen_of(folder.folder)
        folder.retire(2)
        assert look_at_new(folder.folder).now == 0
        (left,) = seen_of(folder.folder)
        assert left == hashlib.sha256((folder.root / kept).read_bytes()).hexdigest()
        assert [file.stem for file in folder.root.glob(f"{FOLDER}/*/*.webp")] == [left]

        row_metadata.describe(folder.db, [Described(requests[1], "images/again", named=True)], now_ms=folder.now_ms)
        assert look_at_new(folder.folder).now == 1
        assert seen_of(folder.folder) == before
        assert len(list(folder.root.glob(f"{FOLDER}/*/*.webp"))) == 2


def test_a_copy_of_a_retired_picture_keeps_its_thumbnail(tmp_path):
    with building(tmp_path / "mugs") as folder:
        for number in range(2):
            folder.store(folder.request(f"mug {number}"), content=picture(1))
        look_at_new(folder.folder)
        folder.retire(1)
        look_at_new(folder.folder)
        assert len(list(folder.root.glob(f"{FOLDER}/*/*.webp"))) == len(seen_of(folder.folder)) == 1


def test_a_name_in_a_strangers_diary_removes_nothing_outside(tmp_path):
    folder, digits = RunFolder(tmp_path / "run"), "0123456789abcdef"
    victim = tmp_path / "victim.webp"
    victim.write_bytes(b"mine")
    diary = folder.root / FOLDER / "looks.jsonl"
    (diary.parent / digits[:2]).mkdir(parents=True)
    (diary.parent / digits[:2] / digits).mkdir()
    diary.write_text(f'{{"sha256":"{digits}/../../../../../victim","problem":"x"}}\n')
    forget(folder, frozenset({int(digits, 16)}))
    assert victim.read_bytes() == b"mine"
    assert seen_of(folder) == set()
