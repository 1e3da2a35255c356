"""Pictures put at rest by this process, with and without a bucket."""

from types import SimpleNamespace

import anyio
import pytest

from batchgen.request import AnswerPicture
from batchgen.running.bucket_session import BucketSession
from batchgen.running.executors.in_process import InProcess
from batchgen.running.executors.interface import PaidPicture
from batchgen.running.executors.into_bucket import IntoBucket
from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.schema import connect
from batchgen.store.media.sniff import NotAPicture
from batchgen.store.pictures.bucket import BucketFailed
from tests import ledgers

pytestmark = pytest.mark.anyio

KEY = "9f" * 16
CONTENT = ledgers.picture_bytes(1)


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "out")
    with folder.opened():
        yield folder


@pytest.fixture
async def on_disk(folder):
    executor = InProcess(SimpleNamespace(folder=folder, space=DiskSpace(folder, concurrency=1)))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(executor.serve)
        yield executor
        tasks.cancel_scope.cancel()


def paid(content=CONTENT, ordinal=1):
    return PaidPicture(1, KEY, ordinal, AnswerPicture(content=content, revised_prompt="a mug, revised"))


async def test_a_picture_lies_under_its_key_and_its_folder_is_still_to_be_synced(on_disk, folder):
    rested = await on_disk.put(paid())
    assert rested.picture.original == f"9f/{KEY}-1.png"
    assert rested.picture.revised_prompt == "a mug, revised"
    assert folder.original(rested.picture.original).read_bytes() == CONTENT
    assert rested.folders == (folder.pictures / "9f",)


async def test_bytes_that_are_no_picture_rest_nowhere(on_disk, folder):
    with pytest.raises(NotAPicture):
        await on_disk.put(paid(b"<html>"))
    assert [path for path in folder.pictures.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("lasting", [True, False])
async def test_a_bucket_that_fails_is_left_alone_and_the_disk_keeps_what_is_paid_for(on_disk, folder, lasting):
    asked = []

    class Fails:
        address = "s3://mugs"

        def create(self, path, content, attributes):
            asked.append(path)
            raise BucketFailed("s3://mugs: it was so", lasting=lasting)

    session = BucketSession(Fails(), folder)
    session.receipt = lambda _request_id: SimpleNamespace(key=KEY, attributes=lambda **_: {})
    connect(folder.ledger).close()
    executor = IntoBucket(session, on_disk)
    for ordinal in (1, 2):
        rested = await executor.put(paid(ledgers.picture_bytes(ordinal), ordinal))
        assert folder.original(rested.picture.original).is_file()
        assert rested.folders
    assert len(asked) == 1
    assert (session.failed is not None) == lasting
    session.close()
