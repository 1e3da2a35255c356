"""A picture of which there are several takes says so in full size."""

from concurrent.futures import ThreadPoolExecutor

from batchgen.commands.choose import choose
from batchgen.compare.writing import write_page
from batchgen.store.ledger import takes
from tests.compare import folders


def test_a_row_says_which_of_its_takes_is_shown(visit, tmp_path):
    with folders.building(tmp_path / "mugs") as folder:
        folder.begin()
        mugs = [folder.request(f"mug {number}", axes={"model": "maker/one"}) for number in range(2)]
        for mug in mugs:
            folder.store(mug)
        takes.ask(folder.db, [(mugs[0], "images/mug")], run_id=1, now_ms=1)
        again = type(mugs[0])(**{name: getattr(mugs[0], name) for name in mugs[0].__struct_fields__} | {"take": 2})
        folder.store(again, content=folders.picture("another"))
        folder.end()
    with ThreadPoolExecutor(1) as thread:
        # The browser's thread has a loop of its own.
        thread.submit(choose, folder.root, mugs[0].key, 1).result()
    write_page(folder.folder)
    page = visit((folder.root / "compare.html").as_uri())
    said = []
    for number in range(2):
        page.locator(f'.cell[title*="mug {number}"]').click()
        page.wait_for_selector("dialog.zoom[open] footer dl")
        said.append(page.locator("dialog.zoom footer").inner_text())
        page.keyboard.press("Escape")
    assert "1 of 2" in said[0]
    assert " of 2" not in said[1]
