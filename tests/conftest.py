"""What every test shares: both async backends by default, and nothing taken from the user's environment."""

import secrets
import signal

import pytest
from hypothesis import HealthCheck, settings

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


@pytest.fixture
def signals_are_heard():
    """A program inherits what its parent ignores: tests started by `nohup`, or with `&`, would start deaf ones."""
    heard = {signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in heard.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def pytest_terminal_summary(terminalreporter):
    # Here and not beside the faults: with several workers only this file is loaded where the end is printed.
    from tests.faults.summary import print_table

    print_table(terminalreporter)
