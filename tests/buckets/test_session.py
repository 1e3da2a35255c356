"""Pictures that waited on this disk, and what becomes of them once the bucket takes pictures again."""

import pytest

from batchgen.running import bucket_session
from batchgen.running.bucket_session import BucketSession
from batchgen.store.pictures.in_bucket import PICTURES, kept_here, object_of, put_object
from batchgen.store.pictures.receipt import Receipt, read_receipt
from tests import ledgers
from tests.buckets.service import ADDRESS, BUSY


@pytest.fixture
def waiting(tmp_path):
    """A run folder with two stored pictures, billed $0.04 each, which lie on this disk."""
    with ledgers.build(tmp_path / "mugs") as builder:
        builder.begin()
        for prompt in ("a mug", "a cup"):
            builder.store(builder.request(prompt))
    return builder.folder


def test_what_waited_goes_up_with_the_receipts_of_the_ledger(bucket, waiting):
    originals = kept_here(waiting)
    contents = {original: waiting.original(original).read_bytes() for original in originals}
    session = BucketSession(bucket, waiting)
    assert session.move_up() == 0
    assert kept_here(waiting) == []
    assert list(session.news()) == [f"2 pictures kept on this disk went up to {ADDRESS}"]
    for original, content in contents.items():
        there = bucket.read(object_of(original))
        assert there.content == content
        receipt = read_receipt(there.attributes)
        assert (receipt.key, receipt.billed_microusd, receipt.source) == (original[3:35], 40_000, "answer")


def test_a_picture_that_went_up_before_a_kill_is_only_removed_here(bucket, waiting):
    original = kept_here(waiting)[0]
    put_object(bucket, 1, waiting.original(original).read_bytes(), Receipt(original[3:35]))
    assert BucketSession(bucket, waiting).move_up() == 0
    assert len(list(bucket.list(PICTURES))) == 2
    assert kept_here(waiting) == []


def test_other_bytes_under_its_name_are_left_alone_and_it_stays_on_this_disk(bucket, waiting):
    original = kept_here(waiting)[0]
    bucket.create(object_of(original), b"somebody's own")
    session = BucketSession(bucket, waiting)
    assert session.move_up() == session.move_up() == 1
    assert kept_here(waiting) == [original]
    assert bucket.read(object_of(original)).content == b"somebody's own"
    told = list(session.news())
    assert len([news for news in told if "other bytes under that name" in news]) == 1
    assert "1 paid picture waits on this disk" in session.waiting_reason(1)


def test_another_picture_of_a_key_takes_the_next_number(bucket):
    key = "9f" * 16
    one, other = (put_object(bucket, 1, ledgers.picture_bytes(shade), Receipt(key)) for shade in (1, 2))
    again = put_object(bucket, 1, ledgers.picture_bytes(2), Receipt(key))
    assert [one.original, other.original, again.original] == [f"9f/{key}-{number}.png" for number in (1, 2, 2)]


def test_a_bucket_that_failed_is_asked_again_after_a_while(bucket, service, waiting, monkeypatch):
    service.fail(BUSY)
    session = BucketSession(bucket, waiting)
    assert session.move_up() == 2
    assert session.is_resting
    assert session.failed is None
    service.fail(None)
    monkeypatch.setattr(bucket_session.time, "monotonic", lambda: float("inf"))
    assert not session.is_resting
    assert session.move_up() == 0


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"key": "9f" * 16},
        {"key": "9f" * 16, "costmicrousd": "-1"},
        {"key": "9f" * 16, "costmicrousd": "1e9"},
        {"key": "9f" * 16, "costmicrousd": "9" * 16},
        {"key": "9f" * 16, "costmicrousd": "1", "attempt": "x"},
        {"costmicrousd": "1"},
    ],
)
def test_what_is_no_receipt_of_ours_says_nothing_of_a_cost(attributes):
    assert read_receipt(attributes) is None


def test_a_receipt_is_read_as_it_was_written():
    receipt = Receipt("9f" * 16, 2, 7, 40_000, 0, "answer")
    assert read_receipt(receipt.attributes(sha256="0" * 64, format_name="png")) == receipt
    assert "costsource" not in Receipt("9f" * 16, source="größe").attributes(sha256="", format_name="png")


def test_pictures_that_were_edited_go_up_once_beside_the_lists(bucket, service, waiting):
    waiting.inputs.mkdir()
    (waiting.inputs / "0a1b.png").write_bytes(b"a mug")
    (waiting.inputs / ".half.part").write_bytes(b"a m")
    session = BucketSession(bucket, waiting)
    session.publish([])
    assert [(one.path, one.size) for one in bucket.list("inputs")] == [("inputs/0a1b.png", 5)]
    before = service.calls["PUT"]
    session.publish([])
    assert service.calls["PUT"] == before
