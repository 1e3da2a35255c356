"""What docs/compare.md shows works as it is printed there."""

import re
import shutil
from urllib.parse import unquote

from tests.documents import ROOT, commands, typed


def test_the_commands_of_the_document_work_one_after_the_other(tmp_path):
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")
    shown = commands("docs/compare.md")
    for _, command in shown:
        done = typed(command, tmp_path)
        assert done.returncode == 0, done.stderr
    assert len(shown) == 6
    assert (tmp_path / "outputs/quickstart/compare.html").is_file()
    assert (tmp_path / "outputs/quickstart/compare-with-today.html").is_file()


def test_every_picture_of_the_document_is_there_and_small():
    text = (ROOT / "docs/compare.md").read_text(encoding="utf-8")
    pictures = [ROOT / "docs" / unquote(name) for name in re.findall(r"!\[[^]]*\]\(([^)]*)\)", text)]
    assert len(pictures) == 4
    assert all(0 < picture.stat().st_size < 150_000 for picture in pictures)
