"""Who can know the address of a served page."""

import stat

import pytest

from batchgen.compare.page_token import page_token


@pytest.fixture
def secret(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/batchgen/page-secret"


def test_a_folder_has_the_same_token_each_time_and_no_other_folder_has_it(secret, tmp_path):
    assert page_token(tmp_path / "a") == page_token(tmp_path / "b/../a")
    assert page_token(tmp_path / "a") != page_token(tmp_path / "b")
    assert len(page_token(tmp_path / "a")) == 24


def test_the_secret_is_its_account_s_alone(secret, tmp_path):
    page_token(tmp_path)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert len(secret.read_bytes()) == 32


def spoilt_by(change):
    return pytest.param(change, id=change.__name__)


def readable(secret):
    secret.chmod(0o640)


def cut(secret):
    secret.write_bytes(b"short")


def a_link(secret):
    secret.rename(secret.with_name("else"))
    secret.symlink_to(secret.with_name("else"))


def a_folder(secret):
    secret.unlink()
    secret.mkdir()


@pytest.mark.parametrize("change", [spoilt_by(one) for one in (readable, cut, a_link, a_folder)])
def test_a_secret_that_others_may_know_is_not_used(secret, tmp_path, change):
    before = page_token(tmp_path)
    change(secret)
    tokens = {page_token(tmp_path), page_token(tmp_path)}
    assert len(tokens) == 2
    assert before not in tokens


def test_without_a_cache_folder_each_server_has_a_token_of_its_own(secret, tmp_path):
    secret.parents[1].write_text("no folder")
    assert page_token(tmp_path) != page_token(tmp_path)
