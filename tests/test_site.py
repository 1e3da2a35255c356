"""The site that is made of the documents: whole, without a warning, and without anything from another host."""

import re
import subprocess
import sys

import pytest
import yaml

from tests.documents import ROOT

pytest.importorskip("mkdocs")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    site = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", site],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    return site, done


def pages(entry):
    """Every page that a part of the navigation names."""
    if isinstance(entry, str):
        return [entry]
    inner = entry.values() if isinstance(entry, dict) else entry
    return [page for one in inner for page in pages(one)]


def test_the_site_is_built_without_a_warning(built):
    _, done = built
    assert done.returncode == 0, done.stderr
    assert not re.search(r"^WARNING", done.stderr, re.MULTILINE)


def test_the_navigation_names_every_document_once():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = pages(yaml.safe_load(text)["nav"])
    assert sorted(named) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_every_document_is_a_page_and_the_notebook_can_be_fetched(built):
    site, _ = built
    for document in (ROOT / "docs").glob("*.md"):
        name = document.stem
        page = site / "index.html" if name == "index" else site / name / "index.html"
        assert page.is_file()
    assert (site / "notebook.ipynb").is_file()


def test_a_page_loads_nothing_from_another_host(built):
    site, _ = built
    loaded = re.compile(r"<(?:script|img|iframe|link)[^>]*\s(?:src|href)=\"?(https?:[^\s\">]*)")
    found = [match for page in site.rglob("*.html") for match in loaded.findall(page.read_text(encoding="utf-8"))]
    assert not found
