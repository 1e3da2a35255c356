"""The client of a bucket against a real service: what holds, and what is said if it does not."""

import pytest

from batchgen.errors import StoppedEarly, UsageError
from batchgen.store.pictures.bucket import Bucket, BucketFailed, TagMismatch, translated
from batchgen.store.pictures.bucket_probe import OWN, probe, refuse_unfit
from tests.buckets.service import ADDRESS, BUSY, DENIED, ELSEWHERE, NO_BUCKET, SKEWED, UNKNOWN_KEY

EVERY_CALL = ("PUT", "GET", "HEAD", "DELETE", "POST")


def test_an_object_is_made_once_and_never_written_over(bucket):
    assert bucket.create("a/b.png", b"first", {"key": "1"})
    assert not bucket.create("a/b.png", b"second", {"key": "2"})
    there = bucket.read("a/b.png")
    assert (there.content, there.attributes["key"], there.size) == (b"first", "1", 5)


def test_an_object_is_replaced_only_by_who_knows_its_tag(bucket):
    first = bucket.replace("lease", b"1", None)
    second = bucket.replace("lease", b"2", first)
    for stale in (first, None):
        with pytest.raises(TagMismatch):
            bucket.replace("lease", b"3", stale)
    assert bucket.head("lease").tag == second
    assert bucket.read("lease").content == b"2"


def test_what_is_not_there_is_none_and_no_mistake(bucket):
    assert bucket.read("nothing") is bucket.head("nothing") is None
    assert list(bucket.list("nothing")) == []
    bucket.delete(["nothing"])


def test_a_listing_has_more_than_one_page(bucket):
    for number in range(1_005):
        bucket.create(f"many/{number:04}", b"x")
    assert len(list(bucket.list("many"))) == 1_005


def test_attributes_are_ascii_before_any_service_sees_them(bucket):
    with pytest.raises(ValueError, match="attributes of x must be ASCII: prompt"):
        bucket.create("x", b"1", {"key": "1", "prompt": "é"})
    assert bucket.head("x") is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (DENIED, "access is denied; the account needs to list the bucket"),
        (SKEWED, "this machine's clock differs too much from the service's; set it"),
        (ELSEWHERE, "the bucket lies in another region; set AWS_REGION"),
        (UNKNOWN_KEY, r"does not accept the credentials \(InvalidAccessKeyId\)"),
        (NO_BUCKET, "there is no such bucket; make it, or mend output.pictures"),
    ],
)
def test_what_only_a_person_can_mend_is_said_with_how(bucket, service, answer, words):
    service.fail(answer, calls=EVERY_CALL, within="")
    for call in (
        lambda: bucket.create("x", b"1"),
        lambda: list(bucket.list("x")),
        lambda: bucket.read("x"),
        lambda: refuse_unfit(bucket),
    ):
        with pytest.raises(BucketFailed, match=words) as failed:
            call()
        assert failed.value.lasting
        assert str(failed.value).startswith(f"{ADDRESS}: ")
        assert isinstance(failed.value.refusal(), UsageError)


def test_a_busy_bucket_passes_and_was_tried_again(bucket, service):
    service.fail(BUSY, calls=EVERY_CALL, within="")
    before = service.calls["PUT"]
    with pytest.raises(BucketFailed) as failed:
        bucket.create("x", b"1")
    assert not failed.value.lasting
    assert service.calls["PUT"] - before > 1
    assert isinstance(failed.value.refusal(), StoppedEarly)
    service.fail(None)
    assert bucket.create("x", b"1")


def test_a_service_that_nobody_answers_for_may_pass(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with pytest.raises(BucketFailed, match="error sending request") as failed:
        Bucket(ADDRESS).create("x", b"1")
    assert not failed.value.lasting


def test_an_azure_account_that_nobody_named_is_said(monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(UsageError, match=r"no credentials were found .*AZURE_STORAGE_ACCOUNT_NAME.* Nothing was sent"):
        Bucket("az://mugs/run")


def test_a_panic_of_the_client_is_an_error_like_others(monkeypatch, bucket):
    # Azure's client panics for an attribute that is not ASCII; ours never gets so far, so another one is made here.
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "mugs")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "bXVncw==")
    azure = Bucket("az://mugs/run")
    with pytest.raises(BucketFailed, match="the client failed inside"):
        azure._put("x", b"1", "create", {"prompt": "é"})


def test_a_machine_without_credentials_is_told_where_they_are_looked_for():
    said = RuntimeError("Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 1s")
    assert "no credentials were found (set AWS_ACCESS_KEY_ID" in str(translated(ADDRESS, said))


def test_a_probe_tries_all_that_a_run_needs_and_leaves_nothing(bucket):
    tried = list(probe(bucket))
    assert [one.problem for one in tried] == [None] * 6
    assert [one.what.split()[0] for one in tried] == ["write", "write", "read", "replace", "list", "delete"]
    assert list(bucket.list(OWN)) == []


def test_a_service_that_writes_over_objects_is_unfit(bucket, monkeypatch):
    def overwrites(self, path, content, attributes=None):
        self.overwrite(path, content)
        return True

    monkeypatch.setattr(Bucket, "create", overwrites)
    with pytest.raises(BucketFailed, match=f"{ADDRESS}: the service writes over an object"):
        refuse_unfit(bucket)
