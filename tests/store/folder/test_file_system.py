"""File systems are named as people name them."""

from pathlib import Path

import pytest

from batchgen.store.folder import file_system
from batchgen.store.folder.file_system import file_system_of
from tests.store.disks import small_disk

LINE = "36 35 {number} / /mnt rw,noatime shared:1 master:2 - {kind} /dev/sdb1 rw,errors=remount-ro\n"


def device(folder):
    number = folder.stat().st_dev
    return f"{number >> 8 & 0xFFF}:{number & 0xFF | number >> 12 & 0xFFF00}"


@pytest.mark.parametrize(
    ("kind", "name"), [("exfat", "exFAT"), ("vfat", "FAT32"), ("fuseblk", "FUSE (exFAT or NTFS)"), ("ext4", "ext4")]
)
def test_a_file_system_is_called_by_its_name(tmp_path, monkeypatch, kind, name):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(LINE.format(number="0:0", kind="proc") + LINE.format(number=device(tmp_path), kind=kind))
    monkeypatch.setattr(file_system, "_MOUNTS", mounts)
    assert file_system_of(tmp_path) == name


def test_without_a_list_of_mounts_there_is_no_name(tmp_path, monkeypatch):
    assert file_system_of(tmp_path / "nowhere") == ""
    monkeypatch.setattr(file_system, "_MOUNTS", tmp_path / "none")
    assert file_system_of(tmp_path) == ""
    monkeypatch.setattr(file_system, "_MOUNTS", Path("/dev/null"))
    assert file_system_of(tmp_path) == ""


def test_a_real_disk_is_named(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        assert file_system_of(disk) == "tmpfs"
