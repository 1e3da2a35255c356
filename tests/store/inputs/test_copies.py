"""What was edited lies beside the result, and no folder of a stranger leads a copy anywhere else."""

import base64
import hashlib

import pytest

from batchgen.errors import FolderMismatch
from batchgen.request import Input
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.inputs.copies import InputCopies, is_copy
from tests.photos import photo


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()
    return RunFolder(tmp_path / "run")


@pytest.fixture
def picture(tmp_path):
    content = photo()
    (tmp_path / "a.png").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return Input("a.png", f"sha256:{digest}", "image/png", path=tmp_path / "a.png")


def test_a_copy_has_the_bytes_and_is_named_by_them(folder, picture):
    copies = InputCopies(folder)
    assert not copies.files([picture.digest])
    copies.keep([picture])
    (file,) = copies.files([picture.digest])
    assert file == f"inputs/{picture.digest.removeprefix('sha256:')}.png"
    assert (folder.root / file).read_bytes() == picture.path.read_bytes()
    assert InputCopies(folder).files([picture.digest]) == [file]
    assert is_copy(file)


def test_a_copy_is_made_once(folder, picture):
    copies = InputCopies(folder)
    copies.keep([picture])
    (made,) = folder.inputs.iterdir()
    before = made.stat().st_ino
    InputCopies(folder).keep([picture])
    copies.keep([picture])
    assert made.stat().st_ino == before


def test_a_data_uri_has_a_copy_and_an_address_has_none(folder):
    content = photo("jpeg")
    uri = "data:image/jpeg;base64," + base64.b64encode(content).decode()
    inline = Input("data:…", f"sha256:{hashlib.sha256(content).hexdigest()}", "image/jpeg", uri=uri)
    address = Input("https://x.example/a.png", "url:https://x.example/a.png", uri="https://x.example/a.png")
    copies = InputCopies(folder)
    copies.keep([inline, address])
    (file,) = copies.files([inline.digest, address.digest])
    assert (folder.root / file).read_bytes() == content


@pytest.mark.parametrize("now", [None, b"other bytes"])
def test_a_file_that_is_gone_or_another_by_now_has_no_copy(folder, picture, now):
    if now is None:
        picture.path.unlink()
    else:
        picture.path.write_bytes(now)
    copies = InputCopies(folder)
    copies.keep([picture])
    assert not copies.files([picture.digest])


def test_a_folder_that_is_a_link_is_neither_written_nor_read(folder, picture, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    folder.inputs.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / f"{picture.digest.removeprefix('sha256:')}.png").touch()
    copies = InputCopies(folder)
    assert not copies.files([picture.digest])
    with pytest.raises(FolderMismatch, match="a link or a file stands where the copies of inputs belong"):
        copies.keep([picture])
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


def test_a_file_in_the_place_of_the_folder_is_told(folder, picture):
    folder.inputs.touch()
    with pytest.raises(FolderMismatch, match="a link or a file stands where the copies of inputs belong"):
        InputCopies(folder).keep([picture])


def test_a_copy_that_is_a_link_is_none_and_what_the_link_leads_to_is_left_alone(folder, picture, tmp_path):
    folder.inputs.mkdir()
    (tmp_path / "secret").write_text("mine")
    (folder.inputs / f"{picture.digest.removeprefix('sha256:')}.png").symlink_to(tmp_path / "secret")
    copies = InputCopies(folder)
    assert not copies.files([picture.digest])
    copies.keep([picture])
    (file,) = copies.files([picture.digest])
    assert not (folder.root / file).is_symlink()
    assert (tmp_path / "secret").read_text() == "mine"


@pytest.mark.parametrize(
    "file",
    ["inputs/../ledger.db", f"inputs/{'a' * 63}.png", f"inputs/{'a' * 64}.html", f"images/{'a' * 64}.png", "inputs/"],
)
def test_nothing_else_is_called_a_copy(file):
    assert not is_copy(file)
