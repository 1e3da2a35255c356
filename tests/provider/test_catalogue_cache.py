import errno
import json
import time

import anyio
import msgspec
import pytest

from batchgen.provider import catalogue_cache
from batchgen.provider.catalogue_cache import CatalogueLookup, look_up, recall, remember
from batchgen.provider.imagerouter import ImageRouter
from batchgen.provider.interface import Catalogue, Model, Price
from batchgen.provider.openai import OpenAI
from batchgen.provider.simulator import Simulator
from batchgen.user_cache import cache_folder

pytestmark = pytest.mark.anyio

URL = "https://api.example"
CATALOGUE = Catalogue(
    {"a/1": Model("a/1", "image", Price(1, 2, 3, "catalogue"), aliases=("one",), sizes=("1x1",), takes_mask=False)}
)
LISTED = [{"id": "a/1", "aliases": ["one"], "price": {"min": 0.01}}]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "batchgen"


def the_file(folder):
    (file,) = folder.iterdir()
    return file


def test_what_is_remembered_is_recalled_whole_and_binds_nobody():
    remember(URL, CATALOGUE)
    found = recall(URL)
    assert found.catalogue.models == CATALOGUE.models
    assert not found.catalogue.binding
    assert found.catalogue.find("one").id == "a/1"


def test_each_service_has_a_copy_of_its_own():
    remember(URL, CATALOGUE)
    remember("https://other.example", Catalogue({"b/1": Model("b/1", "image", None)}))
    assert list(recall(URL).catalogue.models) == ["a/1"]
    assert list(recall("https://other.example").catalogue.models) == ["b/1"]
    assert recall("https://third.example") is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "just now"),
        (61, "1 minute ago"),
        (3 * 3600 + 5, "3 hours ago"),
        (90_000, "1 day ago"),
        (10 * 86_400, "10 days ago"),
        # A clock that was set back.
        (-5_000, "just now"),
    ],
)
def test_its_age_is_told(folder, seconds, words):
    remember(URL, CATALOGUE)
    kept = json.loads(the_file(folder).read_bytes())
    the_file(folder).write_text(json.dumps({**kept, "saved_s": time.time() - seconds}))
    found = recall(URL)
    assert found.notice == f"catalogue from {words}: {URL} gives none now"
    assert found.age_s == pytest.approx(max(0, seconds), abs=60)


@pytest.mark.parametrize(
    "content",
    [b"", b"broken", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"version":1}', b'{"version":1,"models":{}}'],
)
def test_a_damaged_copy_is_no_copy(folder, content):
    remember(URL, CATALOGUE)
    the_file(folder).write_bytes(content)
    assert recall(URL) is None


@pytest.mark.parametrize("change", [{"version": 2}, {"base_url": "https://evil.example"}, {"models": []}])
def test_a_copy_of_another_version_or_service_is_no_copy(folder, change):
    remember(URL, CATALOGUE)
    kept = json.loads(the_file(folder).read_bytes())
    the_file(folder).write_text(json.dumps({**kept, **change}))
    assert recall(URL) is None


def test_where_nothing_can_be_kept_nothing_is(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    remember(URL, CATALOGUE)
    assert recall(URL) is None


def test_a_write_that_is_broken_off_leaves_the_old_copy_and_no_litter(folder, monkeypatch):
    remember(URL, CATALOGUE)
    before = the_file(folder).read_bytes()
    monkeypatch.setattr(msgspec.json, "encode", lambda _: b"half")

    def full(*_):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(type(folder), "replace", full)
    remember(URL, Catalogue({}))
    assert the_file(folder).read_bytes() == before


@pytest.mark.parametrize(
    ("platform", "stated", "place"),
    [
        ("linux", "", ".cache/batchgen"),
        ("linux", "relative/is/ignored", ".cache/batchgen"),
        ("darwin", "", "Library/Caches/batchgen"),
        ("win32", "", "AppData/Local/batchgen/Cache"),
    ],
)
def test_each_system_has_its_place_for_caches(platform, stated, place, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setenv("XDG_CACHE_HOME", stated)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / place


async def test_a_service_that_answers_is_believed_and_remembered(recorder):
    recorder.answer("/v2/models", body=json.dumps(LISTED).encode())
    async with ImageRouter(None, base_url=recorder.url, concurrency=1) as provider:
        found = await look_up(provider)
    assert (found.catalogue.binding, found.age_s, found.notice) == (True, None, None)
    assert recall(recorder.url).catalogue.models == found.catalogue.models


@pytest.mark.parametrize(
    ("status", "body"), [(500, b""), (200, b"<html>"), (200, b"{}"), (200, b'{"error": "no"}'), (404, b"[]")]
)
async def test_a_service_that_gives_none_leaves_the_copy(recorder, status, body):
    remember(recorder.url, CATALOGUE)
    recorder.answer("/v2/models", status, body)
    async with ImageRouter(None, base_url=recorder.url, concurrency=1) as provider:
        found = await look_up(provider)
    assert found.catalogue.models == CATALOGUE.models
    assert found.notice.startswith("catalogue from just now")


async def test_a_service_that_never_answers_is_not_waited_for(monkeypatch):
    class Silent:
        name = "imagerouter"
        base_url = URL

        async def catalogue(self):
            await anyio.sleep_forever()

    monkeypatch.setattr(catalogue_cache, "LOOK_UP_S", 0.05)
    with anyio.fail_after(5):
        found = await look_up(Silent())
    assert found.catalogue is None
    assert "aliases, prices and models' parameters are not known" in found.notice


async def test_a_server_of_one_s_own_without_a_list_is_nothing_to_speak_of(recorder):
    async with OpenAI(None, base_url=recorder.url, concurrency=1) as provider:
        assert await look_up(provider) == CatalogueLookup(None)


async def test_a_bare_list_binds_nobody(recorder):
    recorder.answer("/models", body=b'{"data": [{"id": "flux"}]}')
    async with OpenAI(None, base_url=recorder.url, concurrency=1) as provider:
        found = await look_up(provider)
    assert not found.catalogue.binding
    assert found.catalogue.models["flux"].price is None


async def test_the_simulator_s_is_not_kept(folder):
    async with Simulator({}, state=None, base_url=None, concurrency=1) as provider:
        assert (await look_up(provider)).catalogue.models
    assert not folder.exists()
