"""Providers that installed distributions bring along: found by real entry points, run end to end, refused in a line."""

import json
import os
import subprocess
import sys
import tomllib

import pytest

from batchgen import load_manifest, plugins
from batchgen.errors import ManifestError, UsageError
from batchgen.provider.choose import _PROMISED, Service, choose_provider
from batchgen.provider.interface import Provider
from batchgen.testing.loopback import Reply, loopback
from tests.documents import blocks
from tests.ledgers import picture_bytes
from tests.program import run_here


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of modules and distributions that is looked through like any other."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def install(site, name, entry_points, **modules):
    """A distribution as an installer leaves it, without its RECORD."""
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{kind} = {place}" for kind, place in entry_points.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{plugins.GROUP}]", *lines, ""]))
    for module, text in modules.items():
        (site / f"{module}.py").write_text(text)


def manifest(folder, provider):
    job = folder / "job.yaml"
    job.write_text(f"provider: {json.dumps(provider)}\nprompt: a fox\ndefaults: {{model: acme/one}}\n")
    return job


def run(*words, site, **environment):
    environment = {**os.environ, "PYTHONPATH": str(site), **environment}
    return subprocess.run(
        list(map(str, words)), env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def acme(site):
    """The plugin of the documentation, installed."""
    project = tomllib.loads(blocks("docs/providers.md", "toml")[0][1])["project"]
    plugin, tests = (text for _, text in blocks("docs/providers.md", "python"))
    install(site, project["name"], project["entry-points"][plugins.GROUP], batchgen_acme=plugin, test_acme=tests)
    return site


def test_the_plugin_of_the_documentation_makes_pictures_end_to_end(acme, tmp_path):
    def reply(arrived):
        if arrived.path == "/picture":
            return Reply(body=picture_bytes(7), headers={"Content-Type": "image/png"})
        asked = json.loads(arrived.body)
        assert (asked["prompt"], asked["style"], asked["model"]) == ("a fox", "ink", "acme/one")
        assert arrived.headers["authorization"] == "Bearer acme-secret-key"
        return Reply(body=json.dumps({"link": f"{service.url}/picture", "price": "0.02"}).encode())

    with loopback() as service:
        service.reply = reply
        job = manifest(tmp_path, {"kind": "acme", "base_url": service.url, "options": {"style": "ink"}})
        out = tmp_path / "out"
        done = run_here(tmp_path, "run", job, "--out", out, ACME_API_KEY="acme-secret-key")
        assert done.returncode == 0, done.stderr
        again = run_here(tmp_path, "run", job, "--out", out, ACME_API_KEY="acme-secret-key")
    assert "nothing to buy" in again.stderr
    assert [arrived.method for arrived in service.posts] == ["POST"]
    (line,) = (json.loads(text) for text in (out / "metadata.jsonl").read_text().splitlines())
    assert (line["provider"], line["cost_usd"], line["cost_source"]) == ("acme", 0.02, "answer")
    assert (out / line["file_name"]).read_bytes() == picture_bytes(7)


@pytest.mark.process
def test_the_tests_of_the_documentation_pass_for_its_plugin(acme):
    done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", acme / "test_acme.py", site=acme)
    assert done.returncode == 0, done.stdout
    assert "24 passed" in done.stdout


def test_the_manifest_of_the_documentation_is_sound_once_the_plugin_is_there(acme, tmp_path):
    ((_, text),) = blocks("docs/providers.md", "yaml")
    (tmp_path / "foxes.yaml").write_text(text)
    chosen = load_manifest(tmp_path / "foxes.yaml").provider
    assert (chosen.kind, chosen.options) == ("acme", {"style": "ink"})


def test_a_kind_that_nobody_brings_is_refused_with_those_that_are_there(acme, tmp_path):
    with pytest.raises(ManifestError) as refused:
        load_manifest(manifest(tmp_path, {"kind": "acne"}))
    assert "must be one of imagerouter, openai, simulator, acme, found 'acne' (did you mean 'acme'?)" in str(
        refused.value
    )


def test_options_are_for_plugins_only(tmp_path):
    with pytest.raises(ManifestError, match=r"provider\.options are for the provider of a plugin"):
        load_manifest(manifest(tmp_path, {"kind": "simulator", "options": {"style": "ink"}}))


@pytest.mark.parametrize(
    ("place", "module", "said"),
    [
        ("nowhere:open_it", "", "ModuleNotFoundError: No module named 'nowhere'"),
        ("mine:open_it", "import not_installed_anywhere", "No module named 'not_installed_anywhere'"),
        ("mine:open_it", "raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("mine:open_it", "def open_it(opening): raise ValueError", "ValueError: no reason given"),
        ("mine:open_it", "other = 1", "AttributeError"),
        ("mine:open_it", "open_it = 17", "TypeError: 'int' object is not callable"),
        ("mine:open_it", "def open_it(opening): return object()", "is no provider: it lacks name, base_url"),
        (
            "mine:open_it",
            "def open_it(opening): raise RuntimeError(f'no {opening.key.reveal()}')",
            "RuntimeError: no ********",
        ),
    ],
)
def test_a_plugin_that_can_t_be_opened_is_told_in_a_line_with_its_distribution(
    site, tmp_path, monkeypatch, place, module, said
):
    monkeypatch.setenv("MINE_KIND_API_KEY", "a-secret-of-mine")
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    install(site, "some-plugin", {"mine-kind": place}, mine=module)
    with pytest.raises(UsageError) as refused:
        choose_provider(Service("mine-kind", tmp_path), concurrency=1)
    message = str(refused.value)
    assert "'mine-kind' of some-plugin 1.0" in message
    assert said in message
    assert "\n" not in message
    assert "a-secret-of-mine" not in message


def test_a_usage_error_of_a_plugin_reaches_the_user_as_it_is(acme, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "batchgen_acme", raising=False)
    with pytest.raises(UsageError, match="no key for acme: set ACME_API_KEY"):
        choose_provider(Service("acme", tmp_path), concurrency=1)


def test_a_provider_that_calls_itself_otherwise_is_refused(site, tmp_path, monkeypatch):
    # Its name alone would make real money play money.
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    module = """
from batchgen.provider.simulator import Simulator

def open_it(opening):
    return Simulator({}, state=None, base_url=None, concurrency=1)
"""
    install(site, "some-plugin", {"mine": "mine:open_it"}, mine=module)
    with pytest.raises(UsageError, match="calls itself 'simulator'; its name must be its kind"):
        choose_provider(Service("mine", tmp_path), concurrency=1)


@pytest.mark.parametrize("kind", plugins.BUILT_IN)
def test_a_plugin_can_t_take_the_place_of_one_of_ours(site, tmp_path, kind):
    install(site, "an-impostor", {kind: "mine:open_it"})
    with pytest.raises(UsageError, match=f"an-impostor 1.0 has a provider named {kind!r}"):
        choose_provider(Service("simulator", tmp_path), concurrency=1)
    assert plugins.kinds() == plugins.BUILT_IN


def test_a_kind_of_two_distributions_is_refused(site, tmp_path):
    install(site, "first-plugin", {"mine": "first:open_it"})
    install(site, "second-plugin", {"mine": "second:open_it"})
    with pytest.raises(UsageError, match=r"first-plugin 1\.0 and second-plugin 1\.0; uninstall all but one"):
        choose_provider(Service("mine", tmp_path), concurrency=1)


def test_every_member_of_the_protocol_is_asked_for():
    members = {name for name in vars(Provider) if name[0] != "_"} | {*Provider.__annotations__}
    assert members | {"__aenter__", "__aexit__"} == set(_PROMISED)


def test_no_plugin_is_imported_that_no_manifest_asks_for(site, tmp_path):
    install(site, "some-plugin", {"mine": "mine:open_it"}, mine="raise SystemExit('imported')")
    assert choose_provider(Service("simulator", tmp_path), concurrency=1).name == "simulator"
    assert "mine" in plugins.kinds()
