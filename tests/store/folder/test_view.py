"""Names in images/ are brought up to the ledger by any means the disk has; other files and originals are left alone."""

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from batchgen.errors import FolderMismatch, LedgerDamaged
from batchgen.store.folder import view as module
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.view import Name, View, list_images
from batchgen.store.pictures.on_disk import put_picture
from tests import ledgers

KEY = f"9f{0:030x}"
OTHER = f"ab{0:030x}"
FILE = "images/00000/mug.png"


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "mugs")
    with folder.opened():
        yield folder


@pytest.fixture
def mug(folder):
    return put_picture(folder, KEY, 1, ledgers.picture_bytes(1))


@pytest.fixture(autouse=True)
def originals_are_never_touched(folder):
    """Whatever a test does with names, the bytes at rest stay what they were."""
    yield
    for path in folder.pictures.rglob("*-*.*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
        assert path.read_bytes()[:4] == b"\x89PNG"


def wanted(picture, file=FILE, *, held=None):
    return Name(file, picture.original, picture.sha256, held)


def leaving(picture, file=FILE):
    return Name(file, None, None, picture.original if picture else None)


def inode_of(path):
    return path.stat().st_ino


def files(folder):
    return sorted(path.relative_to(folder.root).as_posix() for path in folder.images.rglob("*"))


def everything_below(place):
    return {
        path: (inode_of(path), path.read_bytes() if path.is_file() else None)
        for path in Path(place).rglob("*")
        if not path.is_symlink()
    }


def test_a_name_is_another_link_of_its_picture(folder, mug, monkeypatch):
    monkeypatch.setattr(module, "_clone", failing(errno.ENOTSUP))
    view = View(folder)
    settled = view.settle([wanted(mug)])
    path = folder.root / FILE
    assert path.samefile(folder.original(mug.original))
    assert settled.made == [(FILE, mug.original, inode_of(path))]
    assert not view.copies
    assert (settled.removed, settled.taken, settled.missing) == ([], [], [])


def test_folders_that_were_made_or_changed_are_to_be_synced(folder, mug):
    settled = View(folder).settle([wanted(mug), wanted(mug, "images/deep/er/mug.png")])
    below = {folder.root / name for name in ("images", "images/00000", "images/deep", "images/deep/er")}
    assert set(settled.folders) == below
    assert set(View(folder).settle([leaving(mug)]).folders) == {folder.images / "00000"}


def test_settling_twice_is_settling_once(folder, mug):
    view = View(folder)
    first = view.settle([wanted(mug)])
    again = view.settle([wanted(mug)])
    assert again.made[0][:2] == first.made[0][:2]
    assert inode_of(folder.root / FILE) == again.made[0][2]
    assert files(folder) == ["images/00000", FILE]


def failing(code):
    def fail(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    return fail


CANT_LINK = [errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV]


@pytest.mark.parametrize("code", CANT_LINK)
def test_where_nothing_can_be_linked_names_are_copies_and_that_is_said(folder, mug, monkeypatch, code):
    monkeypatch.setattr(module, "_clone", failing(errno.ENOTTY))
    monkeypatch.setattr(os, "link", failing(code))
    view = View(folder)
    settled = view.settle([wanted(mug)])
    path = folder.root / FILE
    assert path.read_bytes() == ledgers.picture_bytes(1)
    assert not path.samefile(folder.original(mug.original))
    assert settled.made == [(FILE, mug.original, inode_of(path))]
    # One picture with too many links says nothing of the file system.
    assert view.copies == (code != errno.EMLINK)
    assert not list(folder.images.rglob("*.part"))


@pytest.mark.parametrize("code", [*CANT_LINK, errno.EINVAL, errno.ENOTTY])
def test_where_nothing_can_be_cloned_a_name_is_a_link(folder, mug, monkeypatch, code):
    monkeypatch.setattr(module, "_clone", failing(code))
    View(folder).settle([wanted(mug)])
    assert (folder.root / FILE).samefile(folder.original(mug.original))


def test_where_blocks_can_be_shared_a_name_is_a_clone_and_no_link_is_made(folder, mug, monkeypatch):
    monkeypatch.setattr(module, "_clone", lambda source, target: target.write(source.read()))
    monkeypatch.setattr(os, "link", failing(errno.EIO))
    view = View(folder)
    view.settle([wanted(mug)])
    assert (folder.root / FILE).read_bytes() == ledgers.picture_bytes(1)
    assert not (folder.root / FILE).samefile(folder.original(mug.original))
    assert not view.copies


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("way", ["_clone", "link", "copyfileobj"])
def test_a_disk_that_fails_is_raised_and_leaves_no_half_a_name(folder, mug, monkeypatch, way, code):
    monkeypatch.setattr(module, "_clone", failing(code if way == "_clone" else errno.ENOTSUP))
    monkeypatch.setattr(os, "link", failing(code if way == "link" else errno.EPERM))
    monkeypatch.setattr("shutil.copyfileobj", failing(code))
    with pytest.raises(OSError, match=os.strerror(code)):
        View(folder).settle([wanted(mug)])
    assert files(folder) == ["images/00000"]


@pytest.mark.parametrize("clones", [True, False])
def test_a_copy_has_its_name_once_it_is_whole(folder, mug, monkeypatch, clones):
    """A kill in the middle of it leaves no torn file, which would be taken for its user's."""
    seen = []

    def watched(source, target):
        seen.append((folder.root / FILE).exists())
        target.write(source.read())

    monkeypatch.setattr(module, "_clone", watched if clones else failing(errno.ENOTTY))
    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    monkeypatch.setattr("shutil.copyfileobj", watched)
    View(folder).settle([wanted(mug)])
    assert seen == [False]
    assert files(folder) == ["images/00000", FILE]


def test_a_file_that_is_not_ours_is_left_alone_and_told(folder, mug):
    path = folder.root / FILE
    path.parent.mkdir()
    path.write_bytes(b"mine")
    before = inode_of(path)
    settled = View(folder).settle([wanted(mug), leaving(mug)])
    assert (settled.taken, settled.made) == ([FILE], [])
    assert (path.read_bytes(), inode_of(path)) == (b"mine", before)
    # Its name is ours no longer, whosever the file is.
    assert settled.removed == [FILE]


def test_a_folder_that_has_the_name_is_left_alone_and_told(folder, mug):
    path = folder.root / FILE
    path.mkdir(parents=True)
    (path / "mine").write_bytes(b"mine")
    settled = View(folder).settle([wanted(mug)])
    assert settled.taken == [FILE]
    assert (path / "mine").read_bytes() == b"mine"


def test_a_link_that_has_the_name_is_left_alone_and_what_it_leads_to_as_well(folder, mug, tmp_path):
    outside = tmp_path / "outside.png"
    outside.write_bytes(ledgers.picture_bytes(1))
    path = folder.root / FILE
    path.parent.mkdir()
    path.symlink_to(outside)
    settled = View(folder).settle([wanted(mug), leaving(mug)])
    assert settled.taken == [FILE]
    assert path.is_symlink()
    assert outside.read_bytes() == ledgers.picture_bytes(1)


def test_a_copy_of_the_picture_under_its_name_is_ours_and_linked_again(folder, mug):
    """As `cp -r`, a restore from a backup or a ZIP leave them."""
    path = folder.root / FILE
    path.parent.mkdir()
    path.write_bytes(ledgers.picture_bytes(1))
    before = inode_of(path)
    settled = View(folder).settle([wanted(mug)])
    assert settled.made == [(FILE, mug.original, inode_of(path))]
    assert inode_of(path) != before
    assert files(folder) == ["images/00000", FILE]


def test_a_name_that_showed_another_picture_of_ours_is_replaced(folder, mug):
    cup = put_picture(folder, OTHER, 1, ledgers.picture_bytes(2))
    view = View(folder)
    ((_, original, _),) = view.settle([wanted(cup)]).made
    view.settle([wanted(mug, held=original)])
    assert (folder.root / FILE).read_bytes() == ledgers.picture_bytes(1)


def test_a_copy_of_the_picture_that_a_name_showed_is_replaced_as_well(folder, mug):
    cup = put_picture(folder, OTHER, 1, ledgers.picture_bytes(2))
    path = folder.root / FILE
    path.parent.mkdir()
    path.write_bytes(ledgers.picture_bytes(2))
    View(folder).settle([wanted(mug, held=cup.original)])
    assert path.read_bytes() == ledgers.picture_bytes(1)


def test_two_names_are_swapped_whatever_the_order(folder, mug):
    cup = put_picture(folder, OTHER, 1, ledgers.picture_bytes(2))
    view = View(folder)
    view.settle([wanted(mug, "images/a.png"), wanted(cup, "images/b.png")])
    swapped = [
        wanted(cup, "images/a.png", held=mug.original),
        wanted(mug, "images/b.png", held=cup.original),
    ]
    assert len(view.settle(swapped).made) == 2
    assert (folder.images / "a.png").read_bytes() == ledgers.picture_bytes(2)
    assert (folder.images / "b.png").read_bytes() == ledgers.picture_bytes(1)
    assert files(folder) == ["images/a.png", "images/b.png"]


@pytest.mark.parametrize("known", ["by its link", "by its bytes"])
def test_a_name_that_leaves_is_removed_while_it_shows_what_we_put_there(folder, mug, known):
    view = View(folder)
    view.settle([wanted(mug)])
    if known == "by its bytes":
        (folder.root / FILE).unlink()
        (folder.root / FILE).write_bytes(ledgers.picture_bytes(1))
    settled = view.settle([leaving(mug)])
    assert settled.removed == [FILE]
    assert files(folder) == []
    assert folder.images.is_dir()
    assert folder.original(mug.original).is_file()


@pytest.mark.parametrize("way", ["leaves", "is to show another picture"])
def test_a_copy_that_its_user_edited_in_place_is_theirs(folder, mug, monkeypatch, way):
    monkeypatch.setattr(module, "_clone", failing(errno.ENOTTY))
    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    cup = put_picture(folder, OTHER, 1, ledgers.picture_bytes(2))
    view = View(folder)
    ((_, original, inode),) = view.settle([wanted(mug)]).made
    path = folder.root / FILE
    path.write_bytes(b"edited")
    assert inode_of(path) == inode
    view.settle([leaving(mug) if way == "leaves" else wanted(cup, held=original)])
    assert path.read_bytes() == b"edited"


def test_the_last_bytes_of_a_picture_are_not_removed_with_its_name(folder, mug):
    view = View(folder)
    view.settle([wanted(mug)])
    folder.original(mug.original).unlink()
    view.settle([leaving(mug)])
    assert (folder.root / FILE).read_bytes() == ledgers.picture_bytes(1)


@pytest.mark.parametrize("held", [True, False])
def test_a_name_that_leaves_and_shows_another_file_keeps_it(folder, mug, held):
    path = folder.root / FILE
    path.parent.mkdir()
    path.write_bytes(b"mine")
    settled = View(folder).settle([leaving(mug if held else None)])
    assert settled.removed == [FILE]
    assert path.read_bytes() == b"mine"


def test_a_name_that_leaves_and_is_gone_makes_no_folder(folder, mug):
    settled = View(folder).settle([leaving(mug, "images/a/b/c.png")])
    assert settled.removed == ["images/a/b/c.png"]
    assert files(folder) == []


@pytest.mark.timeout(10)
@pytest.mark.parametrize("held", [True, False])
def test_a_pipe_under_one_of_our_names_is_left_alone_and_waits_for_nobody(folder, mug, held):
    (folder.root / FILE).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(folder.root / FILE)
    settled = View(folder).settle([wanted(mug, held=mug.original if held else None)])
    assert (settled.made, settled.taken) == ([], [FILE])
    assert View(folder).settle([leaving(mug)]).removed == [FILE]
    assert stat.S_ISFIFO((folder.root / FILE).stat().st_mode)


def test_folders_that_are_empty_now_go_and_others_stay(folder, mug):
    view = View(folder)
    gone, kept = "images/a/b/mug.png", "images/a/mug.png"
    view.settle([wanted(mug, gone), wanted(mug, kept)])
    view.settle([leaving(mug, gone)])
    assert files(folder) == ["images/a", kept]


def test_a_picture_that_is_gone_comes_back_from_a_name_with_its_bytes(folder, mug):
    view = View(folder)
    view.settle([wanted(mug)])
    original = folder.original(mug.original)
    original.unlink()
    original.parent.rmdir()
    settled = view.settle([wanted(mug), wanted(mug, "images/again.png")])
    assert [file for file, _, _ in settled.made] == [FILE, "images/again.png"]
    assert original.read_bytes() == ledgers.picture_bytes(1)
    assert not list(folder.pictures.rglob("*.part"))


@pytest.mark.parametrize("there", [None, b"other bytes"])
def test_a_picture_that_is_gone_and_whose_name_has_not_its_bytes_is_missing(folder, mug, there):
    folder.original(mug.original).unlink()
    path = folder.root / FILE
    if there is not None:
        path.parent.mkdir()
        path.write_bytes(there)
    settled = View(folder).settle([wanted(mug)])
    assert (settled.missing, settled.made, settled.taken) == ([FILE], [], [])
    assert there is None or path.read_bytes() == there
    assert not folder.original(mug.original).exists()


HOSTILE = [
    *("", "images", "images/", "/etc/x", "../victim", "victim.png", "images/../../x", "images/../victim", "images//x"),
    *("images/./x", "images/.batchgen/x", "images/.x", ".batchgen/ledger.db", "images\\..\\x", "images/a\\b.png"),
    *("images/a\x00b", "images/a\nb", "images/\u202egnp.exe", "Images/x", "images/a/..", "~/x"),
]


@pytest.mark.parametrize("takes_away", [False, True])
@pytest.mark.parametrize("file", HOSTILE)
def test_a_name_that_leads_elsewhere_is_the_damage_of_a_ledger_and_touches_nothing(
    folder, mug, tmp_path, file, takes_away
):
    for victim in (tmp_path / "victim", folder.root / "victim", tmp_path / "x"):
        victim.write_bytes(ledgers.picture_bytes(1))
    before = everything_below(tmp_path)
    name = leaving(mug, file) if takes_away else wanted(mug, file, held=mug.original)
    with pytest.raises(LedgerDamaged, match=r"none below images/.*Nothing was touched"):
        View(folder).settle([name])
    assert everything_below(tmp_path) == before


@pytest.mark.parametrize("original", ["../../victim", "/etc/passwd", f"9f/../../../{KEY}-1.png"])
def test_an_original_that_is_no_key_is_the_damage_of_a_ledger(folder, mug, tmp_path, original):
    (tmp_path / "victim").write_bytes(b"victim")
    before = everything_below(tmp_path)
    for name in (Name("images/a.png", original, "00", None), Name("images/a.png", None, None, original)):
        (folder.images / "a.png").write_bytes(b"mine")
        with pytest.raises(LedgerDamaged, match="which is no key"):
            View(folder).settle([name])
        (folder.images / "a.png").unlink()
    assert {path: found[1] for path, found in everything_below(tmp_path).items()} == {
        path: found[1] for path, found in before.items()
    }


@pytest.mark.parametrize("linked", ["images", "images/00000", "images/00000/deep"])
def test_a_folder_that_is_a_link_is_refused_and_nothing_lands_behind_it(folder, mug, tmp_path, linked):
    (tmp_path / "elsewhere/00000/deep").mkdir(parents=True)
    (tmp_path / "elsewhere/deep").mkdir()
    victim = tmp_path / "elsewhere/mug.png"
    victim.write_bytes(ledgers.picture_bytes(1))
    place = folder.root / linked
    if place.exists():
        place.rmdir()
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(tmp_path / "elsewhere")
    before = everything_below(tmp_path / "elsewhere")
    for name in (wanted(mug, "images/00000/deep/mug.png"), leaving(mug, "images/00000/deep/mug.png")):
        with pytest.raises(FolderMismatch, match=rf"mugs/{linked}: a link stands"):
            View(folder).settle([name])
    assert everything_below(tmp_path / "elsewhere") == before


def test_more_folders_than_may_be_open_at_once_are_all_reached(folder, mug, monkeypatch):
    monkeypatch.setattr(module, "_MOST_OPEN", 3)
    names = [wanted(mug, f"images/{a}/{b}/mug.png") for a in "abc" for b in "xyz"]
    before = len(list(Path("/proc/self/fd").iterdir()))
    settled = View(folder).settle([*names, *reversed(names)])
    assert {file for file, _, _ in settled.made} == {name.file for name in names}
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_picture_of_another_original_with_the_same_bytes_is_as_good(folder, mug):
    twin = put_picture(folder, OTHER, 1, ledgers.picture_bytes(1))
    assert twin.sha256 == hashlib.sha256(ledgers.picture_bytes(1)).hexdigest()
    view = View(folder)
    view.settle([wanted(mug)])
    settled = view.settle([wanted(twin)])
    assert settled.made == [(FILE, twin.original, inode_of(folder.root / FILE))]


def test_what_lies_in_images_is_listed_with_its_inodes_and_without_hidden_files(folder, mug):
    View(folder).settle([wanted(mug), wanted(mug, "images/top.png")])
    (folder.images / "00000/.hidden").write_bytes(b"")
    (folder.images / "empty").mkdir()
    found = {listing.folder: dict(listing.inodes) for listing in list_images(folder)}
    assert found == {
        "images": {"top.png": inode_of(folder.images / "top.png")},
        "images/00000": {"mug.png": inode_of(folder.root / FILE)},
        "images/empty": {},
    }


def test_images_that_are_gone_are_listed_as_empty(folder):
    folder.images.rmdir()
    assert [(one.folder, dict(one.inodes)) for one in list_images(folder)] == [("images", {})]


@pytest.mark.parametrize("file", ["images/a.png", "images/deep"])
def test_a_link_below_images_is_refused_and_named(folder, tmp_path, file):
    (folder.root / file).symlink_to(tmp_path)
    with pytest.raises(FolderMismatch, match=rf"mugs/{file}: a link stands where"):
        list(list_images(folder))
