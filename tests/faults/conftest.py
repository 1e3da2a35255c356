"""Each test gets a service that fails and a program to fail at; after each of them the same things must hold."""

from dataclasses import asdict

import pytest

from tests.faults.shop import Shop, table

_COLUMNS = (
    ("faults injected", "faults"),
    ("requests billed", "billed"),
    ("pictures stored", "stored"),
    ("recorded answers paid twice", "paid_twice"),
    ("lost", "lost"),
    ("in doubt, listed", "in_doubt"),
)


@pytest.fixture
def shop(tmp_path):
    opened = Shop(tmp_path / "shop")
    yield opened
    opened.close()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """A part of the test itself, so that a broken promise fails it, and not its tidying up."""
    result = yield
    for shop in pyfuncitem.funcargs.values():
        if isinstance(shop, Shop):
            try:
                shop.assert_invariants()
            finally:
                pyfuncitem.user_properties.append(("faults", asdict(shop.sums())))
    return result


def pytest_terminal_summary(terminalreporter):
    reports = [report for group in terminalreporter.stats.values() for report in group]
    found = [
        value
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == "faults"
    ]
    if not found:
        return
    total = table(found)
    terminalreporter.section("faults")
    for title, name in _COLUMNS:
        terminalreporter.write_line(f"{title:<30}{total[name]:>8,}")
    terminalreporter.write_line(f"{'in doubt, priced at':<30}{total['in_doubt_microusd'] / 1e6:>8.2f} USD")
