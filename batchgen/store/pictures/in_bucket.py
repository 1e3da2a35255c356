"""Pictures at rest in a bucket under their keys: each a whole object with its receipt, made once and never replaced."""

from __future__ import annotations

import hashlib
from contextlib import suppress

from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.transitions import StoredPicture
from batchgen.store.media.sniff import FILMS, Format, inspect
from batchgen.store.pictures.bucket import Bucket
from batchgen.store.pictures.receipt import Receipt

PICTURES = "pictures"


def object_of(original: str) -> str:
    """Return the path in a bucket of what the ledger calls ``original``, such as ``9f/9f3c…-1.png``."""
    return f"{PICTURES}/{original}"


def put_object(
    bucket: Bucket, ordinal: int, content: bytes, receipt: Receipt, *, revised_prompt: str | None = None
) -> StoredPicture:
    """Put the picture ``content`` as number ``ordinal`` of an answer, and return what was stored, durable.

    Another picture of the key that has the number already, of an answer the ledger lost, keeps it. Raises
    :class:`NotAPicture` if the bytes are none, and :class:`BucketFailed`. For a thread, not for the event loop.
    """
    found = inspect(content)
    sha256 = hashlib.sha256(content).hexdigest()
    key, number = receipt.key, ordinal
    while True:
        original = f"{key[:2]}/{key}-{number}.{found.extension}"
        if _put(bucket, original, content, found, sha256, receipt):
            return StoredPicture(original, sha256, len(content), found, revised_prompt)
        number += 1


def move_up(bucket: Bucket, folder: RunFolder, original: str, receipt: Receipt) -> bool:
    """Put a picture that was kept on this disk into the bucket, and then remove it here; return whether that was done.

    It stays here if the bucket has other bytes under its name. Raises :class:`NotAPicture`, :class:`BucketFailed` and
    :class:`OSError`.
    """
    path = folder.original(original)
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if not _put(bucket, original, content, inspect(content), sha256, receipt):
        return False
    path.unlink()
    return True


def kept_here(folder: RunFolder) -> list[str]:
    """Return the pictures that lie on this disk until their bucket takes them."""
    found = []
    for path in sorted(folder.pictures.glob("*/[!.]*")):
        with suppress(OSError):
            if path.is_file() and not path.is_symlink():
                found.append(path.relative_to(folder.pictures).as_posix())
    return found


def read_original(bucket: Bucket | None, folder: RunFolder, original: str) -> bytes | None:
    """Return the bytes of a picture, from this disk if they lie here; ``None`` if they are nowhere."""
    with suppress(FileNotFoundError):
        return folder.original(original).read_bytes()
    found = bucket.read(object_of(original)) if bucket else None
    return None if found is None else found.content


def _put(bucket: Bucket, original: str, content: bytes, found: Format, sha256: str, receipt: Receipt) -> bool:
    """Put an object, and return whether the bytes of its name are those wanted."""
    path = object_of(original)
    kind = "video" if found.name in FILMS else "image"
    media = {"Content-Type": "image/svg+xml" if found.name == "svg" else f"{kind}/{found.name}"}
    if bucket.create(path, content, {**media, **receipt.attributes(sha256=sha256, format_name=found.name)}):
        return True
    # A put whose answer was lost is tried again by the client, and finds itself.
    there = bucket.head(path)
    return there is not None and there.size == len(content) and there.attributes.get("sha256") == sha256
