"""Bytes as they are, unless conversion was asked for; then what is converted, to what, and what is said of it."""

import hashlib
import io
import json

import pytest
from PIL import Image

from batchgen.errors import UsageError
from batchgen.export.contents import check_target
from batchgen.export.interface import Conversion
from batchgen.store.ledger.transitions import Bill
from tests.export.folders import exported, originals
from tests.export.test_content_credentials import signed
from tests.ledgers import at_rest


def put(ledger, content, prompt="a"):
    request = ledger.request(prompt)
    ticket = ledger.send(request)
    ledger.answer(ticket, Bill(1, 0, None))
    ledger.show(ticket, [at_rest(ledger.folder, request.key, content)])
    return request


def drawn(mode, size, kind, **more):
    stream = io.BytesIO()
    Image.effect_noise(size, 60).convert(mode).save(stream, kind, **more)
    return stream.getvalue()


def only_line(folder):
    (line,) = map(json.loads, (folder / "metadata.jsonl").read_text().splitlines())
    return line, folder / line["file_name"]


def test_nothing_is_encoded_again_unasked_and_links_take_no_room(ledger, tmp_path):
    put(ledger, signed("JPEG"))
    exported(ledger.folder, "imagefolder", tmp_path / "out")
    line, file = only_line(tmp_path / "out")
    assert file.read_bytes() == signed("JPEG")
    assert line["credentials"] == "c2pa"
    assert "original_sha256" not in line
    (original,) = ledger.folder.pictures.glob("*/*")
    # A file system that shares blocks gives the file a number of its own.
    assert file.samefile(original) or file.stat().st_nlink == 1
    done = exported(ledger.folder, "imagefolder", tmp_path / "copies", copies=True)
    assert only_line(tmp_path / "copies")[1].stat().st_nlink == 1
    assert done.tally.credentials == 1


@pytest.mark.parametrize("kind", ["captions", "imagefolder", "parquet", "webdataset"])
def test_a_conversion_is_what_its_columns_say_and_tells_that_credentials_were_lost(ledger, tmp_path, kind):
    put(ledger, signed("PNG"))
    done = exported(ledger.folder, kind, tmp_path / "out", conversion=Conversion("webp"))
    assert done.tally.formats == {"webp": 1}
    assert (done.tally.credentials, done.tally.credentials_lost) == (1, 1)
    assert any("conversion removed" in notice for notice in done.notices)
    assert "conversion removed" in (tmp_path / "out/README.md").read_text()
    again = exported(ledger.folder, kind, tmp_path / "out", conversion=Conversion("webp"))
    assert (again.tally.written, again.tally.credentials_lost) == (0, 1)


def test_what_is_converted_has_both_digests(ledger, tmp_path):
    put(ledger, drawn("RGB", (400, 200), "PNG"))
    exported(ledger.folder, "imagefolder", tmp_path / "out", conversion=Conversion("jpeg", (100, 100)))
    line, file = only_line(tmp_path / "out")
    (original,) = originals(ledger.folder).values()
    assert line["original_sha256"] == hashlib.sha256(original).hexdigest()
    assert line["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (line["width"], line["height"], line["format"], line["bytes"]) == (100, 50, "jpeg", file.stat().st_size)
    assert file.suffix == ".jpg"
    with Image.open(file) as picture:
        assert (picture.format, picture.size) == ("JPEG", (100, 50))


def test_what_is_already_so_is_not_touched_and_nothing_grows(ledger, tmp_path):
    content = drawn("RGB", (40, 20), "JPEG")
    put(ledger, content)
    exported(ledger.folder, "imagefolder", tmp_path / "out", conversion=Conversion("jpeg", (100, 100)))
    assert only_line(tmp_path / "out")[1].read_bytes() == content


def test_a_size_alone_keeps_the_format(ledger, tmp_path):
    put(ledger, drawn("RGB", (40, 20), "WEBP"))
    exported(ledger.folder, "imagefolder", tmp_path / "out", conversion=Conversion(None, (10, 10)))
    assert only_line(tmp_path / "out")[1].suffix == ".webp"


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "1", "I;16", "CMYK"])
@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
def test_every_mode_of_pictures_can_be_converted(ledger, tmp_path, mode, form):
    kind = "TIFF" if mode == "CMYK" else "PNG"
    put(ledger, drawn(mode, (64, 48), kind))
    done = exported(ledger.folder, "imagefolder", tmp_path / "out", conversion=Conversion(form, (32, 32)))
    assert done.tally.problems == []
    with Image.open(only_line(tmp_path / "out")[1]) as picture:
        picture.load()
        assert picture.size == (32, 24)


def test_what_is_transparent_lies_on_white_in_a_jpeg(ledger, tmp_path):
    stream = io.BytesIO()
    Image.new("RGBA", (16, 16), (0, 0, 0, 0)).save(stream, "PNG")
    put(ledger, stream.getvalue())
    exported(ledger.folder, "imagefolder", tmp_path / "out", conversion=Conversion("jpeg"))
    with Image.open(only_line(tmp_path / "out")[1]) as picture:
        assert min(picture.convert("L").tobytes()) > 250


def test_a_picture_that_no_decoder_reads_is_left_out_and_named(ledger, tmp_path):
    cut = drawn("RGB", (64, 64), "PNG")
    broken = cut[:60] + bytes(40) + cut[100:]
    put(ledger, broken)
    put(ledger, drawn("RGB", (64, 64), "PNG"), "good")
    done = exported(ledger.folder, "webdataset", tmp_path / "out", conversion=Conversion("jpeg"))
    assert done.exit_code == 1
    assert done.tally.pictures.total() == 1
    assert "can't be converted" in done.tally.problems[0]


def test_formats_that_nothing_is_converted_to_are_told():
    assert check_target("JPG") == "jpeg"
    with pytest.raises(UsageError, match="pictures are converted to jpeg, png, webp"):
        check_target("gif")
