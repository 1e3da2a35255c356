"""The arrows between the rooms of the package: one way, downward, and nothing heavy behind a light door."""

import ast
import importlib
import operator
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import batchgen

ROOT = Path(batchgen.__file__).parent

# What each room may import; `running` takes the manifest's frozen types, `planning` those of a catalogue.
ARROWS = {
    "errors": set(),
    "base64_text": set(),
    "encoding": set(),
    "money": set(),
    "tokens": set(),
    "version": set(),
    "html_view": {"wording"},
    "terminal_table": {"wording"},
    "user_cache": set(),
    "waiter": set(),
    "plugins": {"errors"},
    "request": {"errors", "tokens"},
    "manifest": {"errors", "money", "plugins", "request", "store", "tokens", "wording"},
    "planning": {
        *("errors", "html_view", "money", "request", "store", "tokens", "version", "manifest", "provider"),
        "wording",
    },
    "provider": {
        *("base64_text", "errors", "money", "plugins", "request", "tokens", "version", "simulator", "user_cache"),
        *("waiter", "wording"),
    },
    "store": {"base64_text", "encoding", "errors", "money", "request", "tokens", "waiter", "wording"},
    "commands": set(),
    "running": {
        "errors",
        "money",
        "request",
        "tokens",
        "version",
        "manifest",
        "planning",
        "provider",
        "store",
        "waiter",
        "wording",
    },
    "report": {"encoding", "errors", "html_view", "money", "terminal_table", "request", "store", "wording"},
    "compare": {"encoding", "errors", "money", "request", "store", "report", "user_cache", "wording"},
    "export": {"encoding", "errors", "money", "request", "store", "wording"},
    "wording": set(),
    "simulator": set(),
    "testing": {"request", "provider"},
}
ARROWS["commands"] = {*ARROWS} - {"simulator", "testing"}
ARROWS["cli"] = {*ARROWS}
ARROWS["api"] = {*ARROWS}
ARROWS["__main__"] = {"cli"}

# The doors of rooms that show only a part of themselves to these.
DOORS = {
    ("running", "provider"): {f"batchgen.provider.{door}" for door in ("interface", "arrival", "answer_sink")},
    ("planning", "provider"): {"batchgen.provider.interface"},
    ("manifest", "store"): {"batchgen.store.media.picture_header"},
    ("planning", "store"): {
        "batchgen.store.inputs.decode_worker",
        "batchgen.store.inputs.input_files",
        "batchgen.store.media.picture_header",
    },
    ("running", "manifest"): {"batchgen.manifest"},
    ("testing", "provider"): {"batchgen.provider.interface", "batchgen.provider.arrival"},
}


# Inside the two rooms of money, each part may import these parts, and of the room's own files these.
INNER = {
    "store.media": set(),
    "store.folder": {"store.media"},
    "store.ledger": {"store.folder", "store.media"},
    "store.inputs": {"store.folder", "store.media"},
    "store.pictures": {"store.folder", "store.ledger", "store.media"},
    "store.looks": {"store.folder", "store.ledger", "store.media", "store.pictures"},
    "store.dataset": {f"store.{part}" for part in ("folder", "inputs", "ledger", "media", "pictures", "looks")},
    "running.executors": {"running.desk", "running.bucket_session"},
    "running.buy": {"running.desk", "running.events", "running.executors"},
    "running.schedule": {"running.buy", "running.desk", "running.events"},
}

# Doors have one name wherever they are; a command of the program is called as what it does.
SHARED_FILES = {"__init__", "__main__", "interface"}
KINDS = {"csv", "jsonl", "text", "openai", "imagerouter", "simulator"}


@dataclass(frozen=True)
class Import:
    """One import: which file makes it, what it takes, and whether it stands inside a function."""

    importer: str
    imported: str
    inside: bool
    for_types: bool

    @property
    def rooms(self):
        return room_of(self.importer), room_of(self.imported)


def room_of(module):
    return module.partition(".")[2].partition(".")[0]


def module_of(path):
    parts = ("batchgen", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports_of(module) -> Iterator[Import]:
    yield from _imports(ast.parse(MODULES[module].read_text()), module, inside=False, for_types=False)


def _imports(node, module, *, inside, for_types):
    for child in ast.iter_child_nodes(node):
        for imported in _imported(child, module):
            yield Import(module, imported, inside, for_types)
        yield from _imports(
            child,
            module,
            inside=inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef),
            for_types=for_types or (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"),
        )


def _imported(node, module):
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"{module}: imports are written in full"
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            yield full if full in MODULES else node.module


EVERY = [one for module in MODULES for one in imports_of(module)]
OURS = [one for one in EVERY if one.imported.split(".")[0] == "batchgen"]


def test_every_room_is_on_the_drawing():
    assert {room_of(module) for module in MODULES} - {""} <= ARROWS.keys()


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_imports_only_what_lies_below_it(room):
    found = {one for one in OURS if one.rooms[0] == room and one.rooms[1] not in {room, ""}}
    assert {one for one in found if one.rooms[1] not in ARROWS[room]} == set()


def test_a_room_that_shows_a_door_is_entered_by_it():
    found = {one for one in OURS if one.imported not in DOORS.get(one.rooms, {one.imported})}
    assert found == set()


def test_only_one_file_of_the_provider_knows_the_simulator_and_only_when_it_starts_it():
    found = {(one.importer, one.inside) for one in OURS if one.rooms == ("provider", "simulator")}
    assert found == {("batchgen.provider.simulator", True)}


def test_only_the_command_line_takes_anything_from_the_package_itself():
    found = {one.importer for one in OURS if one.imported == "batchgen"}
    assert {room_of(module) for module in found} <= {"cli"}


@pytest.mark.parametrize("part", INNER)
def test_a_part_of_a_room_imports_only_what_lies_below_it(part):
    inside = f"batchgen.{part}."
    room = inside.split(".")[1]
    found = {
        (one.importer, one.imported)
        for one in OURS
        if one.importer.startswith(inside) and room_of(one.imported) == room and not one.for_types
    }
    allowed = (f"batchgen.{part}", *(f"batchgen.{other}" for other in INNER[part]))
    assert {one for one in found if not f"{one[1]}.".startswith(tuple(f"{door}." for door in allowed))} == set()


def test_every_part_of_the_rooms_of_money_is_on_the_drawing():
    parts = {".".join(module.split(".")[1:3]) for module in MODULES if module.count(".") > 2}
    assert {part for part in parts if part.startswith(("store.", "running."))} == INNER.keys()


def test_a_file_is_found_by_its_name_alone():
    names = Counter(
        path.stem
        for module, path in MODULES.items()
        if path.stem not in SHARED_FILES | KINDS and room_of(module) not in {"cli", "commands"}
    )
    assert {name for name, times in names.items() if times > 1} == set()


def test_a_class_is_found_by_its_name_alone():
    names = Counter(
        node.name
        for path in MODULES.values()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, times in names.items() if times > 1} == set()


@pytest.mark.parametrize("module", sorted({*MODULES} - {"batchgen", "batchgen.__main__"}))
def test_a_module_is_reached_by_its_path(module):
    """A function of the same name on a package would stand in its way."""
    found = importlib.import_module(module)
    assert operator.attrgetter(module.partition(".")[2])(batchgen) is found


def test_no_import_leads_back_to_where_it_started():
    # Types alone lead nowhere at run time.
    graph = {module: set() for module in MODULES}
    for one in OURS:
        if not one.for_types and one.imported != one.importer:
            graph[one.importer].add(one.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_only_the_door_of_buckets_imports_their_client():
    found = {
        (one.importer, one.inside) for one in EVERY if one.imported.split(".")[0] == "obstore" and not one.for_types
    }
    assert found == {("batchgen.store.pictures.bucket", True)}


def test_only_the_export_as_parquet_imports_pyarrow():
    assert {one.importer for one in EVERY if one.imported.split(".")[0] == "pyarrow"} == {"batchgen.export.parquet"}


def test_only_the_report_imports_pandas():
    assert {room_of(one.importer) for one in EVERY if one.imported.split(".")[0] == "pandas"} <= {"report"}


@pytest.mark.parametrize("room", ["errors", "money", "request", "manifest", "planning", "store"])
def test_a_room_without_a_network_imports_none(room):
    network = {"httpx", "httpcore", "aiohttp", "requests", "urllib.request", "http.client"}
    found = {one.imported for one in EVERY if one.rooms[0] == room}
    assert found & network == set()


HEAVY = ("pandas", "numpy", "pyarrow", "httpx", "httpcore", "aiohttp", "starlette", "PIL", "jinja2")


@pytest.mark.process
@pytest.mark.parametrize(
    "module",
    ["batchgen", "batchgen.manifest", "batchgen.planning.plan", "batchgen.provider.interface", "batchgen.cli.main"],
)
def test_a_light_door_opens_without_loading_anything_heavy(module):
    asked = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
