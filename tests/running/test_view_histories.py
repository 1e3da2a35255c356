"""Nights in any order, each killed at any step: names follow the manifest, and no picture is ever touched."""

import itertools
import os
import shutil
from dataclasses import dataclass
from functools import partial

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from batchgen.commands.verify import Discrepancy
from batchgen.errors import ExitCode
from batchgen.store.ledger.records import snapshot
from tests.running.dying import Books, dies_at
from tests.running.names import NAMED, differences, metadata, pictures
from tests.running.shop import PICTURES, Customer, sold

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PROMPTS = ["red", "blue", "green"]
ICONS = ["mug", "cup", "pot", "can"]
TEMPLATES = {"icons/{icon}": "icons/{}", "{icon}/one": "{}/one"}


@dataclass(frozen=True)
class Night:
    """What is asked for: a prompt for each icon, the template, and what else happens."""

    rows: dict[str, str]
    template: str
    prune: bool = False
    dies_at: int | None = None
    loses_links: bool = False


nights = st.builds(
    Night,
    rows=st.dictionaries(st.sampled_from(ICONS), st.sampled_from(PROMPTS), min_size=1),
    template=st.sampled_from(list(TEMPLATES)),
    prune=st.booleans(),
    dies_at=st.none() | st.integers(1, 60),
    loses_links=st.booleans(),
)


# Of the last night's rows, one has the name that a further row of another picture gave two nights before.
ROWS_OF_ANOTHER_NIGHT = [
    Night({"mug": "red", "cup": "red", "pot": "red", "can": "red"}, "icons/{icon}"),
    Night({"can": "green", "mug": "red", "cup": "red", "pot": "green"}, "{icon}/one"),
    Night({"pot": "blue"}, "icons/{icon}"),
    Night({"pot": "blue", "mug": "red", "cup": "green", "can": "red"}, "{icon}/one"),
]
# A picture loses one of its two names for a night.
ROW_OF_ANOTHER_PICTURE = [
    Night({"pot": "red", "mug": "red"}, "icons/{icon}"),
    Night({"pot": "blue"}, "icons/{icon}"),
    Night({"pot": "red", "mug": "red"}, "icons/{icon}"),
]


def names_of(night):
    """The names that a night's manifest gives, and the pictures they show."""
    stem = TEMPLATES[night.template]
    return {f"{stem.format(icon)}.png": PROMPTS.index(prompt) + 1 for icon, prompt in night.rows.items()}


def order(me, night):
    rows = [{"icon": icon, "prompt": prompt} for icon, prompt in night.rows.items()]
    return me.order((), rows=rows, output=NAMED | {"path": night.template}, retry={"risk_usd": 10})


def break_links(me):
    """What a copy, a zip or a backup does to the folder."""
    copy = me.folder.root.with_name("copied")
    shutil.copytree(me.folder.root, copy)
    shutil.rmtree(me.folder.root)
    copy.rename(me.folder.root)


def bytes_at_rest(me):
    return {path.name: (path.read_bytes(), path.stat().st_mode) for path in me.folder.pictures.glob("*/*.png")}


@settings(
    max_examples=int(os.environ.get("VIEW_HISTORIES", "25")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=st.lists(nights, min_size=1, max_size=4), links=st.booleans())
@example(history=ROWS_OF_ANOTHER_NIGHT, links=True)
@example(history=ROWS_OF_ANOTHER_NIGHT, links=False)
@example(history=ROW_OF_ANOTHER_PICTURE, links=True)
def test_names_follow_the_manifest_through_any_history_and_no_picture_is_touched(tmp_path_factory, history, links):
    root = tmp_path_factory.mktemp("history")
    foreign = {}
    with pytest.MonkeyPatch.context() as patch:
        if not links:
            patch.setattr(os, "link", _refused)
        me = Customer(root, Books(root / "books", **{prompt: [sold(n)] for n, prompt in enumerate(PROMPTS, 1)}))
        (root / "books").touch()
        for night in history:
            order(me, night)
            if night.loses_links and me.folder.root.exists():
                break_links(me)
            kept = bytes_at_rest(me) if me.folder.root.exists() else {}

            async def run(customer=me, prune=night.prune):
                # As scripted: each prompt brings its own picture, however often it is asked for.
                customer.shop.scripts.update({prompt: [sold(n)] for n, prompt in enumerate(PROMPTS, 1)})
                return await customer.run(checked=False, prune=prune)

            if night.dies_at is not None:
                dies_at(night.dies_at, run)
            finished = anyio.run(run)
            # More than half of all names at once are not taken away.
            assert finished.exit_code in {ExitCode.OK, ExitCode.STOPPED}, finished.reason
            wanted = names_of(night)
            found = pictures(me)
            assert found.items() >= wanted.items()
            assert bytes_at_rest(me).items() >= kept.items()
            assert all(mode & 0o777 == 0o444 for _, mode in bytes_at_rest(me).values())
            if finished.pruned or (night.prune and finished.exit_code is ExitCode.OK):
                assert found == wanted
            assert {line["file_name"].removeprefix("images/") for line in metadata(me)} == set(found)
            assert not {Discrepancy.MISSING, Discrepancy.ALTERED, Discrepancy.DELETED} & set(differences(me))
            with snapshot(me.folder.ledger) as db:
                doubts = db.execute("SELECT count(*) FROM attempts WHERE outcome = 'in doubt'").fetchone()[0]
            assert me.shop.sold().total() <= len(PROMPTS) + doubts
            # What a user put there is nobody's to touch.
            foreign = foreign or _put_foreign_file(me)
            assert all(path.read_bytes() == content for path, content in foreign.items())
    shutil.rmtree(root)


def _refused(*_, **__):
    raise PermissionError(1, "Operation not permitted")


def _put_foreign_file(me):
    path = me.folder.images / "mine.txt"
    path.write_bytes(b"mine")
    return {path: b"mine"}


@pytest.mark.parametrize("links", [True, False])
def test_a_swap_and_a_cycle_there_and_back_killed_at_every_step(tmp_path, links):
    there, cycle = {"mug": "red", "cup": "blue", "pot": "green"}, {"mug": "blue", "cup": "green", "pot": "red"}
    with pytest.MonkeyPatch.context() as patch:
        if not links:
            patch.setattr(os, "link", _refused)
        for number in itertools.count(1):
            root = tmp_path / str(number)
            root.mkdir()
            me = Customer(root, Books(root / "books", **{prompt: [sold(n)] for n, prompt in enumerate(PROMPTS, 1)}))
            anyio.run(order(me, Night(there, "icons/{icon}")).run)
            kept = bytes_at_rest(me)
            died = False
            for rows in (cycle, there):
                night = Night(rows, "icons/{icon}")
                order(me, night)
                died = dies_at(number, partial(me.run, checked=False)) or died
                anyio.run(me.run)
                assert pictures(me) == names_of(night), number
                assert differences(me) == [], number
                assert bytes_at_rest(me) == kept, number
            assert me.shop.sold().total() == len(PROMPTS)
            assert all(content in PICTURES for content, _ in kept.values())
            shutil.rmtree(root)
            if not died:
                break
        assert number > 10
