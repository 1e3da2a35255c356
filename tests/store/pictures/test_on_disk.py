"""Paid bytes become published files."""

import errno
import hashlib
import os
import stat

import pytest

from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.media.sniff import NotAPicture
from batchgen.store.pictures.on_disk import put_picture, spool, spooled
from tests import ledgers


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "mugs")
    with folder.opened():
        yield folder


@pytest.mark.parametrize(("kind", "extension"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")])
def test_the_extension_follows_the_bytes_and_they_are_kept_as_they_came(folder, kind, extension):
    content = ledgers.picture_bytes(1, kind)
    stored = put_picture(folder, "images/00000/a", content, revised_prompt="a blue mug")
    assert stored.file == f"images/00000/a.{extension}"
    assert (folder.root / stored.file).read_bytes() == content
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    assert (stored.bytes, stored.revised_prompt) == (len(content), "a blue mug")


def test_no_picture_leaves_no_file(folder):
    with pytest.raises(NotAPicture):
        put_picture(folder, "images/00000/a", b"<html>gone</html>", revised_prompt=None)
    assert list(folder.images.rglob("*")) == []


def test_putting_the_same_picture_again_finds_it(folder):
    content = ledgers.picture_bytes(1)
    first, again = (put_picture(folder, "images/a", content, revised_prompt=None) for _ in range(2))
    assert first == again
    assert put_picture(folder, "images/a", ledgers.picture_bytes(2), revised_prompt=None).file == "images/a-2.png"


def test_a_disk_error_is_raised_and_leaves_nothing_behind(folder, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="no space"):
        put_picture(folder, "images/a", ledgers.picture_bytes(1), revised_prompt=None)
    with pytest.raises(OSError, match="no space"):
        spool(folder, 3, b"body")
    assert [*folder.images.rglob("*"), *folder.spool.iterdir()] == []


def test_a_spooled_body_is_found_by_its_attempt_and_private(folder):
    path = spool(folder, 17, b"a body")
    (folder.spool / "notes.body").write_bytes(b"")
    assert spooled(folder) == {17: path}
    assert path.read_bytes() == b"a body"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
