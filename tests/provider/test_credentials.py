import base64
import copy
import logging
import math
import os
import pickle
import traceback
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.errors import UsageError
from batchgen.provider.credentials import MASK, Secret, find_key, redact

NAME = "IMAGEROUTER_API_KEY"
CANARY = "sk-canary+/=0123456789abcdef"


@pytest.fixture(autouse=True)
def no_key_file(monkeypatch):
    monkeypatch.delenv(f"{NAME}_FILE", raising=False)


@pytest.fixture
def key_file(tmp_path, monkeypatch):
    """Writes a key file with this content and mode, and names it in the environment."""

    def key_file(content, mode=0o600):
        path = tmp_path / "key"
        path.write_text(content)
        path.chmod(mode)
        monkeypatch.setenv(f"{NAME}_FILE", str(path))

    return key_file


def test_no_key_anywhere_is_none(tmp_path):
    assert find_key(NAME, tmp_path) is None


def test_the_environment_comes_first_then_dotenv_then_the_key_file(tmp_path, monkeypatch, key_file):
    key_file("from-file\n")
    assert find_key(NAME, tmp_path).reveal() == "from-file"
    (tmp_path / ".env").write_text(f"{NAME}=from-dotenv\n")
    assert find_key(NAME, tmp_path).reveal() == "from-dotenv"
    monkeypatch.setenv(NAME, "from-environment")
    assert find_key(NAME, tmp_path).reveal() == "from-environment"


@pytest.mark.parametrize(
    "line",
    [
        f"{NAME}=k-1",
        f"export {NAME}=k-1",
        f"{NAME} = k-1  ",
        f'{NAME}="k-1"',
        f"{NAME}='k-1' # mine",
        f"{NAME}=k-1 # mine",
        f"\ufeff{NAME}=k-1",
        f"# a comment\n\nOTHER=x\nnot an assignment\n{NAME}=k-1\r\nMORE=y",
        f"{NAME}=old\n{NAME}=k-1",
    ],
)
def test_dotenv_is_read_as_people_write_it(tmp_path, line):
    (tmp_path / ".env").write_text(line)
    assert find_key(NAME, tmp_path).reveal() == "k-1"


@pytest.mark.parametrize("value", ["k#1", "#k1"])
def test_a_hash_that_follows_no_space_is_part_of_the_value(tmp_path, value):
    (tmp_path / ".env").write_text(f"{NAME}={value}\n")
    assert find_key(NAME, tmp_path).reveal() == value


@pytest.mark.parametrize(("text", "said"), [("", "blank"), (" # later", "blank"), (f'"{CANARY}', "quotes around it")])
def test_a_broken_key_in_dotenv_names_the_file_too(tmp_path, text, said):
    (tmp_path / ".env").write_text(f"{NAME}={text}\n")
    with pytest.raises(UsageError, match=rf"^{NAME} in \.env .*{said}") as caught:
        find_key(NAME, tmp_path)
    assert "canary" not in str(caught.value)


def test_a_folder_called_dotenv_is_passed_over(tmp_path):
    (tmp_path / ".env").mkdir()
    assert find_key(NAME, tmp_path) is None


def test_dotenv_may_name_a_key_file_beside_it(tmp_path, key_file, monkeypatch):
    key_file(CANARY)
    monkeypatch.delenv(f"{NAME}_FILE")
    (tmp_path / ".env").write_text(f"{NAME}_FILE=key\n")
    assert find_key(NAME, tmp_path).reveal() == CANARY


BROKEN = [
    ("", "is blank"),
    (" \t", "is blank"),
    (f"{CANARY}\n", "line break"),
    (f"{CANARY}\r", "line break"),
    (f'"{CANARY}"', "quotes around it"),
    (f"'{CANARY}", "quotes around it"),
    (f" {CANARY}", "a space"),
    (f"Bearer {CANARY}", "a space"),
    (f"{CANARY}é", "not ASCII"),
    (f"{CANARY}\x1b", "control characters"),
]


@pytest.mark.parametrize(("value", "said"), BROKEN)
def test_a_key_that_can_not_be_right_is_told_by_name_only(tmp_path, monkeypatch, value, said):
    monkeypatch.setenv(NAME, value)
    with pytest.raises(UsageError, match=f"^{NAME} .*{said}") as caught:
        find_key(NAME, tmp_path)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o606])
def test_a_key_file_that_others_can_read_is_refused(tmp_path, key_file, mode):
    key_file(CANARY, mode)
    with pytest.raises(UsageError, match="chmod 600"):
        find_key(NAME, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"), [("", "is blank"), ("a\nb\n", "line break"), ("x" * 70_000, "more than 65,536 bytes")]
)
def test_a_key_file_holds_one_key(tmp_path, key_file, content, said):
    key_file(content)
    with pytest.raises(UsageError, match=said):
        find_key(NAME, tmp_path)


def test_a_key_file_that_is_missing_or_a_pipe_is_refused_without_waiting(tmp_path, monkeypatch):
    monkeypatch.setenv(f"{NAME}_FILE", "nowhere")
    with pytest.raises(UsageError, match=f"{NAME}_FILE names can't be read: No such file"):
        find_key(NAME, tmp_path)
    os.mkfifo(tmp_path / "nowhere", 0o600)
    with pytest.raises(UsageError, match="not a regular file"):
        find_key(NAME, tmp_path)


@pytest.mark.parametrize(
    "show",
    [repr, str, "{}".format, "{:>40}".format, "%s".__mod__, "%r".__mod__, lambda secret: repr([secret]), dir],
)
def test_a_secret_shows_in_no_text(show):
    assert "canary" not in str(show(Secret(CANARY)))


def test_a_secret_shows_in_no_log_and_no_traceback(caplog):
    secret = Secret(CANARY)
    logging.getLogger(__name__).warning("the key is %s", secret)
    with pytest.raises(ZeroDivisionError) as caught:
        fails_with(secret)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "secret = Secret('********')" in shown
    assert "sk-canary" not in shown + caplog.text


def fails_with(secret):
    return 1 / 0


@pytest.mark.parametrize("send", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_neither_pickled_nor_copied(send):
    with pytest.raises(TypeError, match="never pickled"):
        send(Secret(CANARY))


def test_secrets_are_equal_by_value_and_never_to_a_text():
    assert Secret(CANARY) == Secret(CANARY)
    assert len({Secret(CANARY), Secret(CANARY)}) == 1
    assert Secret(CANARY) != CANARY


@given(st.binary(max_size=10), st.binary(max_size=10))
def test_a_secret_is_taken_out_of_base64_wherever_it_stands(before, after):
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = redact(encode(before + CANARY.encode() + after).decode(), [Secret(CANARY)])
        head, mask, tail = text.partition("********")
        assert mask
        # What is left over encodes the neighbours, and shares at most one character a side with the secret.
        assert len(head) <= math.ceil(len(before) * 8 / 6)
        assert len(tail.rstrip("=")) <= math.ceil(len(after) * 8 / 6) + 1


@pytest.mark.parametrize("form", [CANARY, quote(CANARY, safe=""), quote(CANARY)])
def test_a_secret_is_taken_out_in_every_form(form):
    assert redact(f"https://a.example/?key={form}&x=1", [Secret(CANARY)]) == "https://a.example/?key=********&x=1"


def test_a_dummy_key_does_not_tear_texts_apart():
    assert redact("an example text", [Secret("x")]) == "an example text"


@pytest.mark.parametrize("part", [slice(None, 32), slice(32, None), slice(None, 40), slice(20, None)])
def test_half_a_key_is_taken_out_too(part):
    key = "sk-" + "".join(chr(97 + number * 7 % 26) for number in range(61))
    said = redact(f"Incorrect API key provided: {key[part]}…", [Secret(key)])
    assert MASK in said
    assert not any(key[start : start + 32] in said for start in range(33))
