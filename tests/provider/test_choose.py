import pytest

from batchgen.errors import UsageError
from batchgen.provider.choose import Service, choose_provider
from batchgen.provider.imagerouter import ImageRouter
from batchgen.provider.openai import OpenAI
from batchgen.provider.simulator import Simulator


@pytest.mark.parametrize(
    ("kind", "env", "provider", "base_url"),
    [
        ("imagerouter", "IMAGEROUTER_API_KEY", ImageRouter, "https://api.imagerouter.io"),
        ("openai", "OPENAI_API_KEY", OpenAI, "https://api.openai.com/v1"),
    ],
)
def test_a_kind_has_its_own_key_and_address(monkeypatch, tmp_path, kind, env, provider, base_url):
    monkeypatch.setenv(env, "k" * 64)
    chosen = choose_provider(Service(kind, tmp_path), concurrency=1)
    assert (type(chosen), chosen.name, chosen.base_url) == (provider, kind, base_url)


@pytest.mark.parametrize(("kind", "env"), [("imagerouter", "IMAGEROUTER_BASE_URL"), ("openai", "OPENAI_BASE_URL")])
def test_the_manifests_address_comes_before_the_environments(monkeypatch, tmp_path, kind, env):
    monkeypatch.setenv(env, "https://from-env.example/")
    monkeypatch.setenv("MINE", "k" * 64)
    assert choose_provider(Service(kind, tmp_path, None, "MINE"), concurrency=1).base_url == "https://from-env.example"
    stated = Service(kind, tmp_path, "https://stated.example", "MINE")
    assert choose_provider(stated, concurrency=1).base_url == "https://stated.example"


@pytest.mark.parametrize("kind", ["imagerouter", "openai"])
def test_a_missing_key_is_told_by_the_name_of_its_variable(tmp_path, kind):
    with pytest.raises(UsageError, match=f"{kind.upper()}_API_KEY"):
        choose_provider(Service(kind, tmp_path), concurrency=1)
    with pytest.raises(UsageError, match="MINE"):
        choose_provider(Service(kind, tmp_path, api_key_env="MINE"), concurrency=1)


@pytest.mark.parametrize("kind", ["imagerouter", "openai"])
def test_a_free_look_up_and_a_service_of_ones_own_need_no_key(tmp_path, kind):
    assert choose_provider(Service(kind, tmp_path), concurrency=1, need_key=False).name == kind
    assert choose_provider(Service(kind, tmp_path, "http://127.0.0.1:1"), concurrency=1).name == kind


def test_the_simulator_needs_nothing(tmp_path):
    service = Service("simulator", tmp_path)
    assert service.simulated
    chosen = choose_provider(service, concurrency=1)
    assert (type(chosen), chosen.name, chosen.base_url) == (Simulator, "simulator", "")


def test_an_address_no_key_should_go_to_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("IMAGEROUTER_API_KEY", "k" * 64)
    with pytest.raises(UsageError, match="base_url"):
        choose_provider(Service("imagerouter", tmp_path, "ftp://x"), concurrency=1)
