"""One bucket service for each test, a bucket in it, and programs that find both in their environment."""

import os

import pytest

from batchgen.running.bucket_session import BucketSession
from batchgen.store.pictures.bucket import Bucket
from tests.buckets.service import ADDRESS, BUCKET, BucketService
from tests.faults.shop import Shop


@pytest.fixture(autouse=True)
def every_program_hears_signals(signals_are_heard):
    pass


@pytest.fixture
def service(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)
    opened = BucketService()
    for name, value in opened.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield opened
    opened.close()
    from moto.s3.models import s3_backends

    for backend in s3_backends.values():
        for one in backend.values():
            one.reset()


@pytest.fixture
def bucket(service):
    import boto3

    boto3.client("s3", endpoint_url=service.url).create_bucket(Bucket=BUCKET)
    return Bucket(ADDRESS)


@pytest.fixture
def shop(tmp_path, bucket):
    opened = Shop(tmp_path / "shop")
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def sessions_are_closed(monkeypatch):
    """Close what tests open without the block that a run has around it."""
    made = []
    begin = BucketSession.__init__

    def noted(session, *words, **options):
        begin(session, *words, **options)
        made.append(session)

    monkeypatch.setattr(BucketSession, "__init__", noted)
    yield
    for session in made:
        session.close()
