"""The ledger says which names stand in images/: it wants them, takes them over, and remembers what was deleted."""

import msgspec
import pytest

from batchgen.store.folder.view import Settled, View
from batchgen.store.ledger import names, row_metadata, transitions
from batchgen.store.ledger.row_metadata import Described
from batchgen.store.pictures.on_disk import put_picture
from tests import ledgers


class Shelf:
    """A ledger whose requests have names of the user's own; everything that is wanted is settled on disk."""

    def __init__(self, builder):
        self.builder = builder
        self.db = builder.db
        self.folder = builder.folder
        self.requests = {}
        self.numbers = {}

    def store(self, prompt, file=None, kinds=("PNG",)):
        request = self.requests.setdefault(prompt, self.builder.request(prompt))
        made = self.builder.store(request, kinds=kinds, name=file or f"images/{prompt}.png")
        (self.numbers[prompt],) = self.db.execute("SELECT id FROM requests WHERE key = ?", (request.key,)).fetchone()
        self.settle()
        return made

    def describe(self, **stems):
        """Rows give their requests these names, in this order."""
        rows = [Described(self.requests[prompt], f"images/{stem}", named=True) for prompt, stem in stems.items()]
        return row_metadata.describe(self.db, row_metadata.outdated(self.db, rows), now_ms=1)

    def share(self, *rows):
        """Further rows ask for the same: each is a prompt and a name."""
        described = []
        for place, (prompt, stem) in enumerate(rows, 100):
            request = self.builder.request(prompt)
            described.append(
                Described(msgspec.structs.replace(request, index=place, row=place), f"images/{stem}", named=True)
            )
        ledgers.share(self.db, described)

    def settle(self):
        names.record(self.db, View(self.folder).settle(names.unsettled(self.db)))

    def delete(self, *files):
        """As a person does who rejects a picture, and as the next run finds it."""
        for file in files:
            (self.folder.root / file).unlink()
        names.record_deleted(self.db, files)

    def states(self):
        rows = self.db.execute(
            "SELECT n.file, r.key, n.ordinal, n.state FROM names n JOIN requests r ON r.id = n.request_id ORDER BY 1"
        )
        prompts = {request.key: prompt for prompt, request in self.requests.items()}
        return {
            file: (prompts[key] if ordinal == 1 else f"{prompts[key]} {ordinal}", s) for file, key, ordinal, s in rows
        }

    def kept(self):
        """The files that lists show, and the mark of each picture."""
        rows = self.db.execute("SELECT file FROM kept_pictures ORDER BY request_id, ordinal").fetchall()
        return [file for (file,) in rows]

    def hidden(self, prompt):
        rows = self.db.execute(
            "SELECT hidden FROM pictures WHERE request_id = ? ORDER BY ordinal", (self.numbers[prompt],)
        )
        return [hidden for (hidden,) in rows]

    def retired(self, prompt):
        found = self.db.execute("SELECT retired_ms IS NOT NULL FROM requests WHERE id = ?", (self.numbers[prompt],))
        return bool(found.fetchone()[0])

    def shown(self):
        """What stands in images/, by name, as the prompts of its pictures."""
        found = {}
        for prompt, number in self.numbers.items():
            rows = self.db.execute("SELECT ordinal, original FROM pictures WHERE request_id = ?", (number,)).fetchall()
            for ordinal, original in rows:
                found[self.folder.original(original).read_bytes()] = prompt if ordinal == 1 else f"{prompt} {ordinal}"
        files = sorted(path for path in self.folder.images.rglob("*") if path.is_file())
        return {path.relative_to(self.folder.root).as_posix(): found.get(path.read_bytes(), "?") for path in files}


@pytest.fixture
def shelf(tmp_path):
    with ledgers.build(tmp_path / "out") as builder:
        builder.begin()
        yield Shelf(builder)


def test_a_stored_request_has_a_name_for_each_picture_with_the_extension_of_its_bytes(shelf):
    shelf.store("mug", kinds=("PNG", "WEBP", "JPEG"))
    assert shelf.states() == {
        "images/mug.png": ("mug", "made"),
        "images/mug-2.webp": ("mug 2", "made"),
        "images/mug-3.jpg": ("mug 3", "made"),
    }
    assert shelf.kept() == ["images/mug.png", "images/mug-2.webp", "images/mug-3.jpg"]


def test_a_name_not_made_yet_is_shown_by_lists_all_the_same(shelf):
    shelf.store("mug")
    names.want_again(shelf.db, ["images/mug.png"])
    assert shelf.states() == {"images/mug.png": ("mug", "wanted")}
    assert (shelf.kept(), shelf.hidden("mug")) == (["images/mug.png"], [0])


def test_the_picture_of_a_changed_row_takes_its_name_over_and_retires_the_one_before(shelf):
    shelf.store("mug", "images/a.png")
    shelf.store("cup", "images/a.png")
    assert shelf.states() == {"images/a.png": ("cup", "made")}
    assert shelf.shown() == {"images/a.png": "cup"}
    assert (shelf.retired("mug"), shelf.hidden("mug")) == (True, [1])
    assert (shelf.retired("cup"), shelf.hidden("cup")) == (False, [0])
    assert shelf.kept() == ["images/a.png"]


def test_a_name_that_is_taken_over_with_another_extension_leaves_no_file_of_the_old_one(shelf):
    shelf.store("mug", "images/a.png")
    shelf.store("cup", "images/a.webp", kinds=("WEBP",))
    assert shelf.shown() == {"images/a.webp": "cup"}
    assert shelf.states() == {"images/a.webp": ("cup", "made")}
    assert shelf.retired("mug")


@pytest.mark.parametrize(("kind", "extension"), [("WEBP", "webp"), ("PNG", "png")])
def test_a_further_picture_whose_name_a_row_takes_over_is_called_by_its_key(shelf, kind, extension):
    shelf.store("mug", kinds=("PNG", "WEBP"))
    shelf.store("cup", f"images/mug-2.{extension}", kinds=(kind,))
    called = f"images/mug-2-{shelf.requests['mug'].key[:8]}.webp"
    assert shelf.states() == {
        "images/mug.png": ("mug", "made"),
        f"images/mug-2.{extension}": ("cup", "made"),
        called: ("mug 2", "made"),
    }
    assert shelf.shown()[called] == "mug 2"
    assert (shelf.retired("mug"), shelf.hidden("mug"), shelf.hidden("cup")) == (False, [0, 0], [0])


@pytest.mark.parametrize("kinds", [("PNG", "WEBP"), ("WEBP", "PNG"), ("PNG",), ("PNG", "PNG", "PNG")])
def test_an_answer_of_several_pictures_takes_over_the_names_of_the_one_before(shelf, kinds):
    shelf.store("mug", "images/a.png", kinds=("PNG", "WEBP"))
    made = shelf.store("cup", "images/a.png", kinds=kinds)
    assert [file.partition(".")[0] for file in made] == ["images/a", "images/a-2", "images/a-3"][: len(kinds)]
    assert set(made) <= shelf.shown().keys()
    assert all(shelf.shown()[file].startswith("cup") for file in made)
    # A second picture that has no successor keeps its name until it is pruned.
    assert shelf.retired("mug") == (len(kinds) > 1)


@pytest.mark.parametrize("order", [("mug", "cup"), ("cup", "mug")])
def test_answers_of_several_pictures_swap_all_their_names(shelf, order):
    shelf.store("mug", "images/a.png", kinds=("PNG", "PNG"))
    shelf.store("cup", "images/b.png", kinds=("PNG", "PNG"))
    new = {"mug": "b", "cup": "a"}
    shelf.describe(**{prompt: new[prompt] for prompt in order})
    shelf.settle()
    assert shelf.shown() == {
        "images/a.png": "cup",
        "images/a-2.png": "cup 2",
        "images/b.png": "mug",
        "images/b-2.png": "mug 2",
    }
    assert not any(map(shelf.retired, order))


def test_a_further_picture_that_was_deleted_stays_so_if_a_row_takes_its_name_over(shelf):
    shelf.store("mug", kinds=("PNG", "WEBP"))
    shelf.delete("images/mug-2.webp")
    shelf.store("cup", "images/mug-2.webp", kinds=("WEBP",))
    called = f"images/mug-2-{shelf.requests['mug'].key[:8]}.webp"
    assert shelf.shown() == {"images/mug.png": "mug", "images/mug-2.webp": "cup"}
    assert names.deleted(shelf.db) == [called]
    assert shelf.hidden("mug") == [0, 1]


def test_a_further_picture_is_called_by_its_key_if_a_row_has_its_name(shelf):
    shelf.store("cup", "images/mug-2.png")
    shelf.store("mug", kinds=("PNG", "PNG"))
    called = f"images/mug-2-{shelf.requests['mug'].key[:8]}.png"
    assert shelf.states() == {
        "images/mug-2.png": ("cup", "made"),
        "images/mug.png": ("mug", "made"),
        called: ("mug 2", "made"),
    }
    assert not shelf.retired("cup")


def test_what_no_manifest_asks_for_takes_over_no_name(shelf):
    shelf.store("mug", "images/a.png")
    cup = shelf.requests["cup"] = shelf.builder.request("cup")
    ticket = shelf.builder.send(cup)
    shelf.builder.answer(ticket, transitions.Bill(1))
    shelf.db.execute("UPDATE requests SET stem = 'images/a' WHERE id = ?", (ticket.request_id,))
    stored = [put_picture(shelf.folder, cup.key, 1, ledgers.picture_bytes(200))]
    todo = transitions.store(
        shelf.db, request_id=ticket.request_id, pictures=stored, downloads=0, now_ms=1, takes_names=False
    )
    shelf.numbers["cup"] = ticket.request_id
    assert todo == []
    assert shelf.states() == {"images/a.png": ("mug", "made")}
    assert (shelf.retired("cup"), shelf.hidden("cup"), shelf.retired("mug")) == (True, [1], False)


def test_a_renamed_request_has_its_new_name_and_no_longer_the_old_one(shelf):
    shelf.store("mug", "images/a.png")
    assert shelf.describe(mug="b") == 1
    assert shelf.states() == {"images/a.png": ("mug", "leaving"), "images/b.png": ("mug", "wanted")}
    assert shelf.kept() == ["images/b.png"]
    shelf.settle()
    assert shelf.states() == {"images/b.png": ("mug", "made")}
    assert shelf.shown() == {"images/b.png": "mug"}


def test_a_request_that_is_renamed_and_back_before_the_disk_was_brought_up_stands_as_it_did(shelf):
    shelf.store("mug", "images/a.png")
    shelf.describe(mug="b")
    shelf.describe(mug="a")
    shelf.settle()
    assert shelf.states() == {"images/a.png": ("mug", "made")}
    assert shelf.shown() == {"images/a.png": "mug"}


@pytest.mark.parametrize("order", [("mug", "cup"), ("cup", "mug")])
def test_requests_swap_their_names_and_neither_is_retired(shelf, order):
    shelf.store("mug", "images/a.png")
    shelf.store("cup", "images/b.png")
    new = {"mug": "b", "cup": "a"}
    shelf.describe(**{prompt: new[prompt] for prompt in order})
    shelf.settle()
    assert shelf.shown() == {"images/a.png": "cup", "images/b.png": "mug"}
    assert [shelf.retired(prompt) for prompt in order] == [False, False]
    assert (shelf.hidden("mug"), shelf.hidden("cup")) == ([0], [0])
    assert sorted(shelf.kept()) == ["images/a.png", "images/b.png"]


@pytest.mark.parametrize("order", [("mug", "cup", "jar"), ("jar", "cup", "mug"), ("cup", "jar", "mug")])
def test_names_move_up_by_one_whatever_the_order(shelf, order):
    for prompt, file in (("mug", "1"), ("cup", "2"), ("jar", "3")):
        shelf.store(prompt, f"images/{file}.png")
    new = {"mug": "2", "cup": "3", "jar": "4"}
    shelf.describe(**{prompt: new[prompt] for prompt in order})
    shelf.settle()
    assert shelf.shown() == {"images/2.png": "mug", "images/3.png": "cup", "images/4.png": "jar"}
    assert not any(map(shelf.retired, order))


def test_what_comes_back_to_a_manifest_takes_its_name_again(shelf):
    shelf.store("mug", "images/a.png")
    shelf.store("cup", "images/a.png")
    shelf.describe(mug="a")
    shelf.settle()
    assert shelf.shown() == {"images/a.png": "mug"}
    assert (shelf.retired("mug"), shelf.retired("cup")) == (False, True)
    assert shelf.kept() == ["images/a.png"]


def test_a_deleted_name_is_told_and_its_picture_is_in_no_list(shelf):
    shelf.store("mug")
    shelf.store("cup")
    shelf.delete("images/mug.png")
    assert names.deleted(shelf.db) == ["images/mug.png"]
    assert names.unsettled(shelf.db) == []
    assert (shelf.hidden("mug"), shelf.kept()) == ([1], ["images/cup.png"])
    assert not shelf.retired("mug")
    names.want_again(shelf.db, names.deleted(shelf.db))
    shelf.settle()
    assert shelf.shown() == {"images/cup.png": "cup", "images/mug.png": "mug"}
    assert shelf.hidden("mug") == [0]


def test_what_was_deleted_stays_deleted_under_a_new_name(shelf):
    shelf.store("mug", "images/a.png")
    shelf.store("cup", "images/b.png")
    shelf.delete("images/a.png")
    shelf.describe(mug="c")
    shelf.settle()
    assert shelf.shown() == {"images/b.png": "cup"}
    assert names.deleted(shelf.db) == ["images/c.png"]
    assert (shelf.hidden("mug"), shelf.kept()) == ([1], ["images/b.png"])


def test_what_was_deleted_stays_deleted_if_it_is_renamed_twice_before_the_disk_is_brought_up(shelf):
    shelf.store("mug", "images/a.png")
    shelf.delete("images/a.png")
    shelf.describe(mug="b")
    shelf.describe(mug="c")
    shelf.settle()
    assert shelf.shown() == {}
    assert names.deleted(shelf.db) == ["images/c.png"]


@pytest.mark.parametrize("order", [("mug", "cup"), ("cup", "mug")])
def test_what_was_deleted_stays_deleted_through_a_swap(shelf, order):
    shelf.store("mug", "images/a.png")
    shelf.store("cup", "images/b.png")
    shelf.delete("images/a.png")
    new = {"mug": "b", "cup": "a"}
    shelf.describe(**{prompt: new[prompt] for prompt in order})
    shelf.settle()
    assert shelf.shown() == {"images/a.png": "cup"}
    assert shelf.states() == {"images/a.png": ("cup", "made"), "images/b.png": ("mug", "deleted")}
    assert (shelf.hidden("mug"), shelf.hidden("cup"), shelf.kept()) == ([1], [0], ["images/a.png"])
    assert not any(map(shelf.retired, order))


def test_one_deleted_picture_of_several_stays_deleted_under_a_new_name(shelf):
    shelf.store("mug", "images/a.png", kinds=("PNG", "WEBP"))
    shelf.delete("images/a-2.webp")
    shelf.describe(mug="b")
    shelf.settle()
    assert shelf.shown() == {"images/b.png": "mug"}
    assert names.deleted(shelf.db) == ["images/b-2.webp"]
    assert (shelf.hidden("mug"), shelf.kept()) == ([0, 1], ["images/b.png"])


def test_a_successor_of_what_was_deleted_is_a_new_picture_and_stands(shelf):
    shelf.store("mug", "images/a.png")
    shelf.delete("images/a.png")
    shelf.store("cup", "images/a.png")
    assert shelf.shown() == {"images/a.png": "cup"}
    assert names.deleted(shelf.db) == []
    assert shelf.retired("mug")


def test_every_row_that_asks_for_the_same_has_its_name(shelf):
    shelf.store("mug", "images/a.png")
    shelf.share(("mug", "b"), ("mug", "c"))
    shelf.settle()
    assert shelf.shown() == dict.fromkeys(("images/a.png", "images/b.png", "images/c.png"), "mug")
    assert shelf.kept() == ["images/a.png"]
    shelf.share(("mug", "c"))
    shelf.settle()
    assert shelf.shown() == dict.fromkeys(("images/a.png", "images/c.png"), "mug")


def test_a_row_has_its_name_again_though_its_picture_had_kept_the_name_of_another_row_meanwhile(shelf):
    shelf.store("mug", "images/a.png")
    shelf.share(("mug", "b"))
    shelf.settle()
    shelf.store("cup", "images/a.png")
    assert shelf.shown() == {"images/a.png": "cup", "images/b.png": "mug"}
    assert not shelf.retired("mug")
    assert shelf.describe(mug="a") == 1
    shelf.settle()
    assert shelf.shown() == dict.fromkeys(("images/a.png", "images/b.png"), "mug")


def test_a_further_row_has_its_name_again_though_the_rows_that_ask_for_its_picture_are_the_same(shelf):
    shelf.store("mug", "images/a.png")
    shelf.share(("mug", "b"))
    shelf.settle()
    shelf.store("cup", "images/b.png")
    assert shelf.shown() == {"images/a.png": "mug", "images/b.png": "cup"}
    shelf.share(("mug", "b"))
    shelf.settle()
    assert shelf.shown() == dict.fromkeys(("images/a.png", "images/b.png"), "mug")


def test_a_picture_is_listed_by_the_first_of_its_names_that_stands(shelf):
    shelf.store("mug", "images/a.png")
    shelf.share(("mug", "b"))
    shelf.settle()
    shelf.delete("images/a.png")
    assert (shelf.kept(), shelf.hidden("mug")) == (["images/b.png"], [0])
    shelf.delete("images/b.png")
    assert (shelf.kept(), shelf.hidden("mug")) == ([], [1])
    assert not shelf.retired("mug")


def test_a_deleted_name_stays_deleted_while_another_row_s_is_renamed(shelf):
    shelf.store("mug", "images/a.png")
    shelf.share(("mug", "b"))
    shelf.settle()
    shelf.delete("images/b.png")
    shelf.describe(mug="c")
    shelf.settle()
    assert shelf.shown() == {"images/c.png": "mug"}
    assert names.deleted(shelf.db) == ["images/b.png"]


def test_a_retired_request_whose_rows_are_forgotten_gets_no_name_back(shelf):
    shelf.store("mug", "images/a.png")
    shelf.share(("mug", "b"))
    shelf.settle()
    names.retire(shelf.db, [shelf.numbers["mug"]], now_ms=1)
    shelf.share()
    shelf.settle()
    assert shelf.shown() == {}
    assert (shelf.states(), shelf.kept(), shelf.retired("mug")) == ({}, [], True)


def test_retiring_takes_every_name_away_and_keeps_the_bytes(shelf):
    shelf.store("mug", kinds=("PNG", "WEBP"))
    shelf.store("cup")
    names.retire(shelf.db, [shelf.numbers["mug"]], now_ms=5)
    assert {state for prompt, state in shelf.states().values() if prompt != "cup"} == {"leaving"}
    assert shelf.kept() == ["images/cup.png"]
    shelf.settle()
    assert shelf.shown() == {"images/cup.png": "cup"}
    assert shelf.retired("mug")
    originals = [original for (original,) in shelf.db.execute("SELECT original FROM pictures")]
    assert all(shelf.folder.original(original).is_file() for original in originals)


def test_a_taken_name_is_tried_at_each_run_and_its_picture_is_in_no_list(shelf):
    shelf.folder.images.mkdir(exist_ok=True)
    (shelf.folder.images / "mug.png").write_bytes(b"mine")
    shelf.store("mug")
    assert shelf.states() == {"images/mug.png": ("mug", "taken")}
    assert (shelf.kept(), shelf.hidden("mug")) == ([], [1])
    (shelf.folder.images / "mug.png").unlink()
    shelf.settle()
    assert shelf.shown() == {"images/mug.png": "mug"}
    assert (shelf.kept(), shelf.hidden("mug")) == (["images/mug.png"], [0])


def test_losing_a_picture_leaves_no_name_and_no_row_of_it(shelf):
    shelf.store("mug")
    transitions.lose(shelf.db, request_id=shelf.numbers["mug"], message="gone", now_ms=1)
    assert shelf.states() == {"images/mug.png": ("mug", "leaving")}
    assert (shelf.kept(), shelf.hidden("mug")) == ([], [])
    shelf.store("mug")
    assert shelf.states() == {"images/mug.png": ("mug", "made")}


def test_if_every_name_is_gone_all_are_wanted_again_deleted_ones_too(shelf):
    for prompt in ("mug", "cup", "jar"):
        shelf.store(prompt)
    shelf.delete("images/mug.png")
    for path in shelf.folder.images.glob("*.png"):
        path.unlink()
    assert names.want_all_again(shelf.db) == 3
    assert shelf.hidden("mug") == [0]
    shelf.settle()
    assert sorted(shelf.shown().values()) == ["cup", "jar", "mug"]


def test_a_change_that_overtook_its_settling_is_not_recorded_as_done(shelf):
    shelf.store("mug", "images/a.png")
    shelf.describe(mug="b")
    late = Settled(made=[("images/a.png", "ab/x.png", 1)], removed=["images/b.png"], taken=[])
    names.record(shelf.db, late)
    assert shelf.states() == {"images/a.png": ("mug", "leaving"), "images/b.png": ("mug", "wanted")}


def test_names_are_looked_up_by_folder_and_only_there(shelf):
    for file in ("images/a.png", "images/00000/b.png", "images/00000/deep/c.png", "images/00001/d.png"):
        shelf.store(file, file)
    inode = (shelf.folder.root / "images/00000/b.png").stat().st_ino
    assert names.made_in(shelf.db, "images/00000") == {"b.png": inode}
    assert list(names.made_in(shelf.db, "images")) == ["a.png"]
    assert names.made_in(shelf.db, "images/0000") == {}
    assert names.count_made(shelf.db) == 4
    assert names.made_outside(shelf.db, {"images", "images/00000"}) == ["images/00000/deep/c.png", "images/00001/d.png"]
    assert names.known(shelf.db, ["images/a.png", "images/x.png"]) == {"images/a.png"}


def test_a_name_that_only_begins_alike_is_another_name(shelf):
    shelf.store("mug", "images/a.png")
    shelf.store("cup", "images/a.b.png")
    shelf.store("jar", "images/a/b.png")
    shelf.store("pot", "images/a-2.png")
    assert len(shelf.shown()) == 4
    assert not any(map(shelf.retired, shelf.numbers))
