"""Paid bytes come to rest under their keys, once and for good."""

import errno
import hashlib
import os
import stat

import pytest

from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.media.sniff import NotAPicture
from batchgen.store.pictures.on_disk import make_shard, put_picture, shard_of
from tests import ledgers

KEY = f"9f{0:030x}"


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "mugs")
    with folder.opened():
        yield folder


def at_rest(folder):
    return sorted(path.relative_to(folder.pictures).as_posix() for path in folder.pictures.rglob("*.*"))


@pytest.mark.parametrize(("kind", "extension"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")])
def test_the_extension_follows_the_bytes_and_they_are_kept_as_they_came(folder, kind, extension):
    content = ledgers.picture_bytes(1, kind)
    stored = put_picture(folder, KEY, 2, content, revised_prompt="a blue mug")
    assert stored.original == f"9f/{KEY}-2.{extension}"
    assert folder.original(stored.original).read_bytes() == content
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    assert (stored.bytes, stored.revised_prompt) == (len(content), "a blue mug")
    assert at_rest(folder) == [stored.original]


def test_the_only_copy_is_written_through_by_no_editor(folder):
    stored = put_picture(folder, KEY, 1, ledgers.picture_bytes(1))
    assert stat.S_IMODE(folder.original(stored.original).stat().st_mode) == 0o444


def test_no_picture_leaves_no_file(folder):
    with pytest.raises(NotAPicture):
        put_picture(folder, KEY, 1, b"<html>gone</html>")
    assert at_rest(folder) == []


def test_putting_the_same_picture_again_finds_it(folder):
    content = ledgers.picture_bytes(1)
    first = put_picture(folder, KEY, 1, content)
    inode = folder.original(first.original).stat().st_ino
    assert put_picture(folder, KEY, 1, content) == first
    assert folder.original(first.original).stat().st_ino == inode
    assert at_rest(folder) == [first.original]


def test_another_picture_of_the_key_keeps_its_number(folder):
    first, second, third = (ledgers.picture_bytes(shade) for shade in (1, 2, 3))
    put_picture(folder, KEY, 1, first)
    assert put_picture(folder, KEY, 1, second).original == f"9f/{KEY}-2.png"
    assert put_picture(folder, KEY, 1, third).original == f"9f/{KEY}-3.png"
    assert put_picture(folder, KEY, 1, second).original == f"9f/{KEY}-2.png"
    assert folder.original(f"9f/{KEY}-1.png").read_bytes() == first
    assert len(at_rest(folder)) == 3


@pytest.mark.parametrize("target", ["outside.png", "nowhere"])
def test_a_link_that_has_the_number_is_neither_followed_nor_replaced(folder, tmp_path, target):
    content = ledgers.picture_bytes(1)
    (tmp_path / "outside.png").write_bytes(content)
    link = make_shard(folder, KEY) / f"{KEY}-1.png"
    link.symlink_to(tmp_path / target)
    assert put_picture(folder, KEY, 1, content).original == f"9f/{KEY}-2.png"
    assert link.is_symlink()
    assert not (tmp_path / "nowhere").exists()


def test_a_disk_error_is_raised_and_leaves_nothing_behind(folder, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="no space"):
        put_picture(folder, KEY, 1, ledgers.picture_bytes(1))
    assert at_rest(folder) == []
    assert list(folder.pictures.rglob("*.part")) == []


def test_bytes_are_synced_before_they_have_their_name(folder, monkeypatch):
    steps = []
    shard = make_shard(folder, KEY)
    for name in ("fsync", "rename"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, _name=name, _real=real: (steps.append(_name), _real(*args))[1])
    stored = put_picture(folder, KEY, 1, ledgers.picture_bytes(1))
    assert steps == ["fsync", "rename"]
    assert shard_of(folder, stored.original) == shard
