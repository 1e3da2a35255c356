"""What a put into a bucket costs this process, beside writing the same picture to the disk.

    python -m benchmarks.buckets [COUNT] [BYTES]

The service is moto's server in a process of its own; what it costs is not counted.
"""

import io
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.pictures.bucket import Bucket
from batchgen.store.pictures.in_bucket import put_object
from batchgen.store.pictures.on_disk import put_picture
from batchgen.store.pictures.receipt import Receipt

THREADS = 16
SERVICE = """
import sys, boto3
from tests.buckets.service import BUCKET, BucketService
service = BucketService()
client = boto3.client("s3", endpoint_url=service.url, aws_access_key_id="x", aws_secret_access_key="x",
                      region_name="us-east-1")
client.create_bucket(Bucket=BUCKET)
print(service.url, flush=True)
sys.stdin.read()
"""


def picture(size):
    stream = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(stream, "PNG")
    content = stream.getvalue()
    # PNG readers skip what they don't know.
    padding = max(0, size - len(content) - 12)
    return content[:-12] + padding.to_bytes(4, "big") + b"noTe" + os.urandom(padding + 4) + content[-12:]


def measured(name, count, put):
    with ThreadPoolExecutor(THREADS) as threads:
        wall, cpu = time.perf_counter(), time.process_time()
        list(threads.map(put, range(count)))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{name:8} {1000 * cpu / count:6.2f} ms CPU each, {count / wall:7,.0f} a second")


def main(count=400, size=200_000):
    content = picture(size)
    with (
        tempfile.TemporaryDirectory() as place,
        subprocess.Popen([sys.executable, "-c", SERVICE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as service,
    ):
        os.environ |= {
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": service.stdout.readline().decode().strip(),
            "NO_PROXY": "127.0.0.1",
        }
        bucket, folder = Bucket("s3://mugs-bucket/run"), RunFolder(Path(place) / "out")
        keys = [f"{number:032x}" for number in range(count)]
        put_object(bucket, 1, content, Receipt("f" * 32))
        print(f"{count:,} pictures of {len(content):,} bytes, {THREADS} at a time")
        measured("bucket", count, lambda number: put_object(bucket, 1, content, Receipt(keys[number])))
        with folder.opened():
            measured("disk", count, lambda number: put_picture(folder, keys[number], 1, content))
        service.stdin.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
