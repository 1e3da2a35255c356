"""What every test shares: both async backends by default, and nothing taken from the user's environment."""

import secrets

import pytest


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


def pytest_terminal_summary(terminalreporter):
    # Here and not beside the faults: with several workers only this file is loaded where the end is printed.
    from tests.faults.summary import print_table

    print_table(terminalreporter)
