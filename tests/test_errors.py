"""The family of errors is defined in one file and drawn in its docstring."""

import ast
from pathlib import Path

import pytest

import batchgen
from batchgen import errors
from batchgen.errors import BatchgenError, ExitCode

ROOT = Path(batchgen.__file__).parent


def bases_by_class():
    """Return every class of the package with the names of its bases and the file that defines it."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                yield node.name, {ast.unparse(base).rpartition(".")[2] for base in node.bases}, path


def family():
    """Return the names of all subclasses of BatchgenError, and of those that another file than errors.py defines."""
    classes, members = list(bases_by_class()), {"BatchgenError"}
    for _ in classes:
        members |= {name for name, bases, _ in classes if bases & members}
    return members, {name for name, _, path in classes if name in members and path != ROOT / "errors.py"}


def drawn():
    """Return the lines of the drawing: depth, name, and the exit code if the line has one."""
    for line in errors.__doc__.splitlines():
        before, mark, rest = line.partition("── ")
        if mark or line == "BatchgenError":
            words = (rest or line).split()
            code = int(words[1]) if len(words) > 1 and words[1].isdigit() else None
            yield (len(before) // 4 + 1 if mark else 0), words[0], code


def test_every_error_that_ends_the_program_is_defined_in_one_file():
    members, elsewhere = family()
    assert "ManifestError" in members
    assert elsewhere == set()


def test_every_error_is_drawn_once():
    names = [name for _, name, _ in drawn()]
    assert sorted(names) == sorted(family()[0])


@pytest.mark.parametrize("name", [name for _, name, _ in drawn()])
def test_the_drawing_shows_each_error_below_its_base_and_with_its_exit_code(name):
    above, codes = {}, {0: ExitCode.BUG}
    for depth, member, code in drawn():
        above[depth] = member
        codes[depth] = code if code is not None else codes[depth - 1] if depth else ExitCode.BUG
        if member == name:
            error = getattr(errors, name)
            assert error.exit_code == codes[depth]
            assert error is BatchgenError or error.__base__.__name__ == above[depth - 1]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "no memory left"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (ExceptionGroup("", [ValueError(), ExceptionGroup("", [MemoryError()])]), "no memory left"),
    ],
)
def test_a_shortage_of_the_machine_is_told_in_words(error, words):
    assert words in errors.shortage_of(error)


@pytest.mark.parametrize(
    "error", [ValueError(), RuntimeError("else"), OSError(12, "x"), ExceptionGroup("", [KeyError()])]
)
def test_other_errors_are_no_shortage(error):
    assert errors.shortage_of(error) is None
