import base64
import hashlib
import os

import pytest

from batchgen.planning.inputs import Inputs, refusal
from tests.photos import photo

PNG = photo()


@pytest.fixture
def inputs(tmp_path):
    return Inputs(tmp_path)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "tiff"])
def test_a_file_and_a_data_uri_of_the_same_bytes_have_one_digest_and_the_type_of_the_bytes(inputs, tmp_path, kind):
    content = photo(kind)
    (tmp_path / "a.bin").write_bytes(content)
    file = inputs.resolve("a.bin")
    uri = inputs.resolve(f"data:image/{kind};base64," + base64.b64encode(content).decode())
    assert file.digest == uri.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert file.media_type == uri.media_type == f"image/{kind}"
    assert (file.path, file.uri) == (tmp_path / "a.bin", None)
    assert uri.path is None


def test_an_address_is_its_own_digest(inputs):
    found = inputs.resolve("https://pictures.example/a.png")
    assert (found.digest, found.uri) == ("url:https://pictures.example/a.png", "https://pictures.example/a.png")


def test_a_file_is_read_once_however_often_it_is_used(inputs, tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    first = inputs.resolve("a.png")
    (tmp_path / "a.png").unlink()
    assert inputs.resolve("a.png") is first


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("none.png", "no such file"),
        ("folder", "no regular file"),
        ("pipe", "no regular file"),
        ("empty.png", "is empty"),
        ("text.png", "is no picture"),
        ("drawing.svg", "is no picture"),
        ("../outside.png", "outside the manifest's folder"),
        ("/etc/passwd", "outside the manifest's folder"),
        ("link.png", "outside the manifest's folder"),
        ("ring.png", "can't be read"),
        ("x" * 300 + ".png", "can't be read: file name too long"),
        ("a prompt in the wrong column " * 200, "can't be read: file name too long"),
        ("nul\0.png", "can't be read"),
        ("large.png", "25,000,000"),
        ("http://pictures.example/a.png", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("https://127.0.0.1/a.png", "public host"),
        ("data:image/png;base64,", "without content"),
        ("data:image/png;base64,a?b", "damaged base64"),
        ("data:image/png;base64,aGVsbG8=", "is no picture"),
        ("", "blank"),
    ],
)
def test_an_input_that_can_not_be_sent_says_why(tmp_path, source, words):
    folder = tmp_path / "job"
    (folder / "folder").mkdir(parents=True)
    os.mkfifo(folder / "pipe")
    (tmp_path / "outside.png").write_bytes(PNG)
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    (folder / "ring.png").symlink_to(folder / "ring.png")
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("no picture")
    (folder / "drawing.svg").write_text("<svg/>")
    with (folder / "large.png").open("wb") as file:
        file.truncate(25_000_001)
    said = refusal(Inputs(folder).resolve(source))
    assert words in said
    assert len(said) < 500
    assert said.isprintable()
