"""Instructions as lines of a file: which count, which are told as mistakes, and what a disk may do to them."""

import re

import pytest

from batchgen.running.control import FORMS, Control, append, read_instruction


@pytest.fixture
def path(tmp_path):
    return tmp_path / "control.jsonl"


def wrote(path, *words):
    append(path, read_instruction(words), line_id="7", at="2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("words", "amount", "model"),
    [
        ("concurrency 64", 64, None),
        ("concurrency 8 openai/*", 8, "openai/*"),
        ("budget 40", 40_000_000, None),
        ("budget 0.05", 50_000, None),
        ("pause", 0, None),
        ("resume maker/one", 0, "maker/one"),
        ("park maker/one", 0, "maker/one"),
        ("drain", 0, None),
    ],
)
def test_words_become_an_instruction(words, amount, model):
    found = read_instruction(words.split())
    assert (found.amount, found.model, found.text) == (amount, model, words)


def test_a_rate_is_written_as_in_a_manifest():
    assert read_instruction(["rate", "60/min", "a"]).rate.starts_per_s == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "is no instruction; there are concurrency, rate"),
        ("puase", "did you mean 'pause'?"),
        ("concurrency", "concurrency: write `concurrency N [MODEL]`"),
        ("concurrency 0", "concurrency '0': it must be a whole number from 1 to 10,000"),
        ("concurrency -4", "must be a whole number"),
        ("concurrency 4 a b", "write `concurrency N [MODEL]`"),
        ("budget $5", "budget '$5': it must be an amount in US dollars"),
        ("budget -1", "must be an amount"),
        ("rate fast", "must be a rate such as 5/s"),
        ("park", "park: write `park MODEL`"),
        ("drain now", "drain: write `drain`"),
    ],
)
def test_other_words_are_told_with_what_to_write(words, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        read_instruction(words.split())


def test_only_lines_written_after_the_start_count_and_each_once(path):
    wrote(path, "drain")
    control = Control(path)
    assert control.news() == []
    wrote(path, "pause")
    wrote(path, "concurrency", "9")
    assert [one.instruction.text for one in control.news()] == ["pause", "concurrency 9"]
    assert control.news() == []


def test_a_file_that_is_removed_and_made_again_is_read_from_its_beginning(path):
    for _ in range(5):
        wrote(path, "drain")
    control = Control(path)
    path.unlink()
    assert control.news() == []
    wrote(path, "pause")
    assert [one.instruction.text for one in control.news()] == ["pause"]


def test_half_a_line_waits_for_its_other_half(path):
    control = Control(path)
    whole = b'{"words": ["pause"]}\n'
    path.write_bytes(whole[:9])
    assert control.news() == []
    path.write_bytes(whole)
    assert [one.instruction.text for one in control.news()] == ["pause"]


def test_a_line_after_a_torn_one_is_a_line_of_its_own(path):
    control = Control(path)
    path.write_bytes(b'{"words": ["dra')
    wrote(path, "pause")
    torn, good = control.news()
    assert "is no line such as" in torn.problem
    assert good.instruction.text == "pause"


@pytest.mark.parametrize(
    "line",
    [
        b"pause",
        b"\xff\xfe\x00",
        b"[]",
        b"{}",
        b'{"words": "pause"}',
        b'{"words": [1]}',
        b'{"words": []}',
        b'{"words": ["puase"]}',
        b'{"words": ["concurrency"]}',
        b"[" * 20_000,
    ],
)
def test_a_malformed_line_is_told_and_the_next_one_counts(path, line):
    control = Control(path)
    path.write_bytes(line + b"\n" + b'{"words": ["pause"]}\n')
    bad, good = control.news()
    assert bad.problem
    assert bad.instruction is None
    assert good.instruction.text == "pause"


def test_a_line_without_end_is_told_and_not_kept_in_memory(path):
    control = Control(path)
    path.write_bytes(b"x" * 200_000)
    assert "a line of more than" in control.news()[0].problem


def test_a_control_file_that_is_a_link_or_a_pipe_is_not_read(tmp_path, path):
    control = Control(path)
    other = tmp_path / "other"
    other.write_bytes(b'{"words": ["drain"]}\n')
    path.symlink_to(other)
    assert "can't be read" in control.news()[0].problem
    assert control.news() == [], "it is told once"
    with pytest.raises(OSError, match="symbolic links"):
        wrote(path, "pause")


def test_the_owner_of_the_file_is_who_said_it(path):
    control = Control(path)
    wrote(path, "pause")
    (said,) = control.news()
    assert said.id == "7"
    assert path.stat().st_mode & 0o777 == 0o600
    assert said.user == path.owner()


def test_every_form_is_read():
    examples = {"N": "4", "[MODEL]": "a", "N/s": "4/s", "USD": "5", "MODEL": "a"}
    for action, form in FORMS.items():
        assert read_instruction([action, *(examples[word] for word in form.split())]).action == action
