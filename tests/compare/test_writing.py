"""The files of the page: what they hold, and what stays when they are written again."""

import json
import re
import shutil

import pytest

from batchgen.compare import writing
from batchgen.compare.page_columns import GONE
from batchgen.compare.writing import page_names, write_page
from batchgen.errors import LedgerDamaged
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.looks.flags import WORDS
from tests.compare import folders
from tests.compare.conftest import SETTLED, until
from tests.ledgers import at_rest
from tests.program import run_here


def rows(root):
    """The batches that the page would load, in their order."""
    texts = (file.read_text(encoding="utf-8") for file in sorted((root / "compare").glob("rows-*.js")))
    return [
        json.loads(re.fullmatch(r'table\.stamp\("\w+"\);\ntable\.rows\((.*)\);\n', text, re.DOTALL)[1])
        for text in texts
    ]


def test_columns_are_numbers_over_one_dictionary(tmp_path):
    folder = folders.sweep(tmp_path / "run", prompts=3, models=2)
    write_page(folder)
    (batch,) = rows(folder.root)
    named = {
        (one["kind"], one["name"]): [batch["strings"][code] for code in one["codes"]] for one in batch["dimensions"]
    }

    assert named["axis", "model"] == ["maker/model-0", "maker/model-1"] * 3
    assert named["column", "category"] == ["kitchen", "kitchen", "garden", "garden", "street", "street"]
    assert batch["cost"] == [10_000, 20_000] * 3
    assert len(batch["strings"]) == len(set(batch["strings"]))


def test_rows_and_details_are_split_and_those_of_an_earlier_page_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "ROWS_A_FILE", 4)
    monkeypatch.setattr(writing, "DETAILS_A_FILE", 2)
    folder = folders.sweep(tmp_path / "run", prompts=5, models=2)
    write_page(folder)
    assert [batch["at"] for batch in rows(folder.root)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(list(folder.root.glob("compare/details-*.js"))) == 5
    (folder.root / "compare/notes.js").touch()
    monkeypatch.undo()
    write_page(folder)

    assert len(rows(folder.root)) == 1
    assert (folder.root / "compare/notes.js").exists()


def test_a_split_page_is_put_together_again(visit, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "ROWS_A_FILE", 7)
    monkeypatch.setattr(writing, "DETAILS_A_FILE", 3)
    folder = folders.sweep(tmp_path / "run", prompts=6, models=4)
    write_page(folder)
    page = visit((folder.root / "compare.html").as_uri())
    until(page, "table.length === 24")
    until(page, SETTLED)
    assert page.locator(".counts").inner_text() == "24 cells · 6 rows"


def test_a_page_that_was_written_anew_under_an_open_one_mixes_nothing(visit, tmp_path):
    folder = folders.sweep(tmp_path / "run", prompts=1_100, models=1, different=5)
    write_page(folder)
    page = visit((folder.root / "compare.html").as_uri() + "#x=model&y=prompt")
    other = folders.sweep(tmp_path / "other", prompts=1_100, models=1, different=7)
    write_page(other)
    shutil.copy(other.root / "compare/details-00001.js", folder.root / "compare/details-00001.js")
    page.keyboard.press("Control+End")
    page.wait_for_selector("text=The page was written again")


def test_an_answer_of_several_pictures_has_a_tab_for_them(visit, tmp_path):
    with folders.building(tmp_path / "run") as made:
        request = made.request("mugs")
        ticket = made.send(request)
        made.answer(ticket, folders.transitions.Bill(30_000, 0, None))
        shots = []
        for number in range(3):
            content = folders.picture(number)
            shots.append(at_rest(made.folder, request.key, content, number + 1))
        made.show(ticket, shots)
    write_page(made.folder)
    page = visit((made.root / "compare.html").as_uri())

    assert page.locator(".colhead b").all_inner_texts() == ["1", "2", "3"]
    (batch,) = rows(made.root)
    assert batch["cost"] == [30_000, 0, 0]


def test_a_folder_without_a_request_says_so(visit, tmp_path):
    with folders.building(tmp_path / "run") as made:
        made.end()
    write_page(made.folder)
    page = visit((made.root / "compare.html").as_uri(), wait=".empty h2")
    assert page.locator(".empty h2").inner_text() == "Nothing was run yet"


def test_a_folder_that_is_none_changes_nothing(tmp_path):
    with pytest.raises(LedgerDamaged):
        write_page(RunFolder(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_page_knows_every_flag_by_its_bit():
    text = (writing.resources.files("batchgen.compare") / "page" / "view.js").read_text(encoding="utf-8")
    known = re.search(r"const FLAGS = \{(.*?)\};", text, re.DOTALL)[1]
    found = {name.strip('"'): int(bit) for name, bit in re.findall(r'("[^"]+"|\w+): (\d+)', known)}
    assert found == {**{words: flag.value for flag, words in WORDS.items()}, "file gone": GONE}


def test_the_page_s_scripts_are_small_and_plain():
    folder = writing.resources.files("batchgen.compare") / "page"
    scripts = {name: (folder / name).read_text(encoding="utf-8") for name in page_names() if name.endswith(".js")}
    named = set(re.findall(r'src="compare/([\w-]+\.js)"', (folder / "compare.html").read_text(encoding="utf-8")))

    assert named == {*scripts, "data.js"}
    for text in scripts.values():
        assert text.startswith('"use strict";')
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)


def test_the_program_names_the_page_and_ends_with_0(tmp_path):
    folder = folders.sweep(tmp_path / "run", prompts=2, models=2)
    done = run_here(tmp_path, "compare", folder.root)
    assert (done.returncode, done.stdout) == (0, f"{folder.root}/compare.html\n")
    assert "thumbnails: 4 of 4" in done.stderr


def test_mistakes_on_the_command_line_are_said_in_a_line(tmp_path):
    def said(*words):
        done = run_here(tmp_path, "compare", *words)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    code, text = said(tmp_path)
    assert (code, "there is no ledger here" in text) == (2, True)
    code, text = said(tmp_path, "--port", "80")
    assert (code, "--serve" in text) == (2, True)
