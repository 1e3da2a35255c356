"""The pictures of a run folder for whoever reads them: on its disk, or brought from its bucket while they are used."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Protocol

from batchgen.errors import BatchgenError
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.pictures_at import pictures_at
from batchgen.store.ledger.records import snapshot
from batchgen.store.pictures.bucket import Bucket, BucketFailed
from batchgen.store.pictures.in_bucket import read_original

_READERS = 16


class KnownPicture(Protocol):
    """What is to be known of a picture to find its bytes and to tell them from others."""

    @property
    def sha256(self) -> str: ...

    @property
    def original(self) -> str: ...


class OriginalFiles:
    """The pictures of one folder, to be read. Used by several threads.

    ``problem`` says why the bucket can't be read, once it could not: from then on nothing is asked of it.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.problem: str | None = None

    @cached_property
    def address(self) -> str | None:
        """The bucket of the folder's pictures; ``None`` if they rest on its disk."""
        if not self._folder.exists:
            return None
        with snapshot(self._folder.ledger) as db:
            return pictures_at(db)

    @cached_property
    def _bucket(self) -> Bucket:
        assert self.address is not None, "only pictures in a bucket are read there"
        return Bucket(self.address)

    def may_be_read(self, original: str) -> bool:
        """Return whether a picture lies on this disk, or in a bucket that can be read."""
        path = self._folder.original(original)
        if path.is_file() and not path.is_symlink():
            return True
        return self.address is not None and self.problem is None

    def read(self, picture: KnownPicture) -> bytes | None:
        """Return the bytes of a picture; ``None`` if they can't be read now, or are not those that were stored."""
        if not self.may_be_read(picture.original):
            return None
        try:
            content = read_original(self._bucket if self.address else None, self._folder, picture.original)
        except (BucketFailed, BatchgenError, OSError) as error:
            self.problem = self.problem or str(error)
            return None
        whole = content is not None and hashlib.sha256(content).hexdigest() == picture.sha256
        return content if whole else None

    @contextmanager
    def brought(self, pictures: Iterable[KnownPicture]) -> Iterator[Mapping[str, Path]]:
        """Return the files of ``pictures`` by their originals: those on this disk, and others for this block only.

        A picture that can't be brought is left out.
        """
        wanted = {picture.original: picture for picture in pictures if self.may_be_read(picture.original)}
        paths = {original: self._folder.original(original) for original in wanted}
        away = [picture for original, picture in wanted.items() if not paths[original].is_file()]
        if not away:
            yield paths
            return
        with tempfile.TemporaryDirectory(prefix="batchgen-") as place, ThreadPoolExecutor(_READERS) as readers:
            for picture, content in zip(away, readers.map(self.read, away), strict=True):
                del paths[picture.original]
                if content is not None:
                    path = Path(place) / picture.original.rpartition("/")[2]
                    path.write_bytes(content)
                    paths[picture.original] = path
            yield paths
