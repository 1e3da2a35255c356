"""The manifests that docs/manifest.md shows, as a reader would write them down."""

import shutil

import pytest

from batchgen import load_manifest, plan
from tests.documents import ROOT, blocks
from tests.photos import mask

PNG = mask()


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(ROOT / "jobs", tmp_path, dirs_exist_ok=True)
    (tmp_path / "subjects.csv").write_text("what,why\nmug,tea\npot,\n", encoding="utf-8")
    (tmp_path / "inputs").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "inputs" / name).write_bytes(PNG + name.encode())
    return tmp_path


def test_every_manifest_in_the_document_is_sound(folder):
    shown = blocks("docs/manifest.md", "yaml")
    assert len(shown) >= 3
    for number, (_, text) in enumerate(shown):
        (folder / f"shown{number}.yaml").write_text(text, encoding="utf-8")
        assert list(plan(load_manifest(folder / f"shown{number}.yaml")))


def test_the_axes_make_as_many_requests_as_the_document_s_words_say(folder):
    (text,) = [text for _, text in blocks("docs/manifest.md", "yaml") if "ratio" in text]
    (folder / "axes.yaml").write_text(text, encoding="utf-8")
    manifest = load_manifest(folder / "axes.yaml")
    assert [(axis.name, len(axis.values)) for axis in manifest.axes] == [
        ("quality", 2),
        ("look", 2),
        ("detail", 3),
        ("subject", 2),
        ("image", 2),
        ("size+ratio", 2),
    ]
    assert len(manifest.include) == 2
