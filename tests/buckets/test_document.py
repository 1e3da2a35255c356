"""The page on buckets: its manifest and its commands work as they are printed, with its bucket."""

from batchgen.store.pictures.bucket import Bucket
from batchgen.store.pictures.in_bucket import PICTURES
from tests.documents import blocks, commands, typed

PAGE = "docs/buckets.md"


def test_the_page_can_be_followed_line_by_line(bucket, tmp_path):
    ((_, manifest),) = blocks(PAGE, "yaml")
    (tmp_path / "bucket.yaml").write_text(manifest, encoding="utf-8")
    for _, command in commands(PAGE):
        done = typed(command, tmp_path)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert len(list(Bucket("s3://mugs-bucket/night").list(PICTURES))) == 3
