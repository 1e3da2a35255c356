"""What is remembered of input pictures can be lost, and can't be taken for what a changed file is."""

import pytest

from batchgen.store.inputs.decode_worker import Decoded
from batchgen.store.inputs.known_inputs import KnownInputs


def test_what_decoding_told_is_known_to_the_next_one(tmp_path):
    first = KnownInputs(tmp_path, tmp_path)
    first.note_decoded("a" * 64, Decoded("is cut off"))
    first.save()
    assert KnownInputs(tmp_path, tmp_path).decoded("a" * 64) == Decoded("is cut off")
    assert KnownInputs(tmp_path, tmp_path / "elsewhere").decoded("a" * 64) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version":0,"files":{},"decoded":{}}', bytes(100)])
def test_a_memory_that_is_damaged_or_of_another_version_is_as_none(tmp_path, content):
    first = KnownInputs(tmp_path, tmp_path)
    first.note_decoded("a" * 64, Decoded())
    first.save()
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(content)
    assert KnownInputs(tmp_path, tmp_path).decoded("a" * 64) is None
