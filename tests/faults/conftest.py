"""Each test gets a service that fails and a program to fail at; after each of them the same things must hold."""

from dataclasses import asdict

import pytest

from tests.faults.shop import Shop


@pytest.fixture(autouse=True)
def every_program_hears_signals(signals_are_heard):
    pass


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
