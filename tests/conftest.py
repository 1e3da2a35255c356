"""What every test shares: both async backends by default, and nothing taken from the user's environment."""

import secrets
import signal

import pytest
from hypothesis import HealthCheck, settings

from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings

_LEDGER = ("bulk", "joined_ledger", "ledger", "schema", "takes", "writer")
# What `pytest -m quick` runs, by the room of the package it is there for: the files, or tests, that notice first.
# All of it together takes about two minutes of processor time; `test_quick` wants something for every room.
QUICK = {
    "__main__": ["tests/cli/test_processes.py::test_the_package_is_a_program_too"],
    "api": ["tests/test_api.py"],
    "cli": [f"tests/cli/test_{name}.py" for name in ("main", "crash_report", "commands", "completion")],
    "commands": ["tests/commands", "tests/cli/test_explain.py"],
    "compare": [f"tests/compare/test_{name}.py" for name in ("claims", "costs", "journal", "leaderboard")],
    "base64_text": ["tests/test_base64_text.py"],
    "encoding": ["tests/test_encoding.py"],
    "errors": ["tests/cli/test_bad_input.py::test_every_planted_mistake_is_told_at_once_in_the_order_of_the_file"],
    "export": ["tests/export/test_sources.py", "tests/export/test_destination.py"],
    "html_view": ["tests/test_html_view.py"],
    "manifest": [f"tests/manifest/test_{name}.py" for name in ("bad_input", "rows", "shard", "template")],
    "money": ["tests/test_money.py"],
    "planning": ["tests/planning/test_plan.py", "tests/planning/test_reasons.py", "tests/planning/test_naming.py"],
    "plugins": ["tests/provider/test_plugins.py::test_a_plugin_can_t_take_the_place_of_one_of_ours"],
    "provider": [
        *("tests/provider/test_answers.py", "tests/provider/test_encodings.py", "tests/provider/test_cost.py"),
        *("tests/provider/test_imagerouter.py", "tests/provider/test_answer_sink.py"),
        "tests/provider/http/test_plain_answer.py",
    ],
    "tokens": ["tests/test_tokens.py"],
    "report": ["tests/report/test_report.py", "tests/report/test_csv.py", "tests/report/test_tables.py"],
    "request": ["tests/test_request.py"],
    "running": ["tests/running/test_preflight.py", "tests/running/test_missing.py"],
    "running.buy": ["tests/running/buy/test_budget.py", "tests/running/buy/test_retry.py"],
    "running.executors": [f"tests/running/executors/test_{name}.py" for name in ("file_groups", "in_process")],
    "running.schedule": ["tests/running/schedule/test_lanes.py", "tests/running/schedule/test_pool.py"],
    "simulator": ["tests/simulator/test_settings.py", "tests/simulator/test_sold_pictures.py"],
    "store.dataset": [f"tests/store/dataset/test_{name}.py" for name in ("heal", "jsonl_reader", "mark")],
    "store.folder": [f"tests/store/folder/test_{name}.py" for name in ("arriving_answers", "atomic", "run_folder")],
    "store.inputs": ["tests/store/inputs/test_known_inputs.py"],
    "store.ledger": [f"tests/store/ledger/test_{name}.py" for name in _LEDGER],
    "store.looks": ["tests/store/looks/test_index.py", "tests/store/looks/test_near_duplicates.py"],
    "store.media": [
        "tests/store/media/test_sniff.py::test_a_whole_picture_is_named_by_its_bytes",
        "tests/store/media/test_still_size.py",
    ],
    "store.pictures": ["tests/store/pictures/test_on_disk.py", "tests/buckets/test_session.py"],
    "terminal_table": ["tests/test_terminal_table.py"],
    "testing": ["tests/provider/test_contract.py"],
    "user_cache": ["tests/provider/test_catalogue_cache.py"],
    "version": ["tests/cli/test_main.py"],
    "waiter": ["tests/test_waiter.py"],
    "wording": ["tests/cli/test_init.py::test_on_a_terminal_a_long_mistake_goes_on_below_its_beginning"],
    "the arrows between them": ["tests/test_rooms.py", "tests/test_quick.py"],
}

# Whole files of tests that start programs; elsewhere each such test bears the mark itself.
PROCESS = [
    "tests/cli/test_disk.py",
    "tests/cli/test_processes.py",
    "tests/compare/test_serving.py",
    "tests/export/test_kills.py",
    "tests/faults",
    "tests/notebook",
    "tests/running/test_resume.py",
    "tests/simulator/test_embedded.py",
    "tests/store/folder/test_lock.py",
    "tests/store/inputs/test_input_files.py",
]

# How long an example takes tells how busy the machine is, and nothing about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


@pytest.fixture(autouse=True)
def no_cache_of_the_user(monkeypatch, tmp_path_factory):
    # Named and not made: most tests remember nothing.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / f"cache-{secrets.token_hex(8)}"))


@pytest.fixture(autouse=True)
def no_credentials_of_the_user(monkeypatch):
    for name in ("IMAGEROUTER_API_KEY", "IMAGEROUTER_BASE_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def simulator():
    """The address of one simulator for all tests that look at nothing of its books, faults or limits."""
    with embedded(Settings(latency_s=0.01, rate_limits=False, balance_usd=10_000)) as endpoints:
        yield endpoints.api_url


@pytest.fixture
def signals_are_heard():
    """A program inherits what its parent ignores: tests started by `nohup`, or with `&`, would start deaf ones."""
    heard = {signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in heard.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def pytest_collection_modifyitems(items):
    quick = [path for paths in QUICK.values() for path in paths]
    for item in items:
        if _is_of(item.nodeid, quick):
            item.add_marker(pytest.mark.quick)
        if _is_of(item.nodeid, PROCESS):
            item.add_marker(pytest.mark.process)
        if "browser" in item.fixturenames:
            item.add_marker(pytest.mark.browser)


def _is_of(nodeid, paths):
    return any(nodeid == path or nodeid.startswith((f"{path}/", f"{path}::", f"{path}[")) for path in paths)


def pytest_ignore_collect(collection_path, config):
    """Reading all files of tests takes longer than most of the chosen ones: `-m quick` reads those alone."""
    if config.option.markexpr != "quick" or not collection_path.is_file():
        return None
    file = collection_path.relative_to(config.rootpath).as_posix()
    chosen = {path.partition("::")[0] for paths in QUICK.values() for path in paths}
    return None if any(file == path or file.startswith(f"{path}/") for path in chosen) else True


def pytest_terminal_summary(terminalreporter):
    # Here and not beside the faults: with several workers only this file is loaded where the end is printed.
    from tests.faults.summary import print_table

    print_table(terminalreporter)
