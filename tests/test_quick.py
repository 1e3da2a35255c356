"""`pytest -m quick` has something for every room of the package, and what its list names is there."""

import ast

import pytest

from tests.conftest import QUICK
from tests.documents import ROOT

PACKAGE = ROOT / "batchgen"
# Rooms that are large enough to have rooms of their own.
LARGE = ("running", "store")


def rooms_in(folder):
    """The modules and packages of a folder, by name."""
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    return packages | {path.stem for path in folder.glob("*.py")} - {"__init__"}


def inner_rooms(name):
    return {f"{name}.{path.parent.name}" for path in (PACKAGE / name).glob("*/__init__.py")}


def test_every_room_has_a_quick_test():
    rooms = rooms_in(PACKAGE) | {room for name in LARGE for room in inner_rooms(name)}
    # `store` is nothing but its inner rooms.
    assert rooms - {"store"} <= QUICK.keys()


@pytest.mark.parametrize("path", sorted({path for paths in QUICK.values() for path in paths}))
def test_what_the_list_names_is_there_and_tests_something(path):
    file, _, name = path.partition("::")
    files = sorted((ROOT / file).rglob("test_*.py")) if (ROOT / file).is_dir() else [ROOT / file]
    # A contract's tests are those of the class that its file inherits.
    found = {
        node.name
        for one in files
        for node in ast.walk(ast.parse(one.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.name.startswith(("test_", "Test"))
    }
    assert name in found if name else found
