"""A bucket as a store of whole objects: made once, never written over, replaced only by whoever knows their tag.

The client is obstore, which comes with the extra ``cloud``; credentials and region are found as its documents say, in
the environment or from the machine. Its errors are translated here and go no further.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from batchgen.errors import StoppedEarly, UsageError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

T = TypeVar("T")

# A put that fails is tried again by the client, and later by whoever keeps the bytes meanwhile.
_TRIES = 3
_RETRY_S = 10
_CONNECT_S = "5s"
_CALL_S = "60s"

# Endpoints of other services than the three large ones, such as MinIO, R2 or a server of tests.
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT", "GOOGLE_BASE_URL")

_STATUS = re.compile(r"status code: (\d{3})|status: (\d{3})")
_CODE = re.compile(r"<Code>\s*(\w+)\s*</Code>")
_REFUSED = frozenset({400, 401, 403, 404, 405, 409, 411, 412, 501})
_UNCREDENTIALED = (
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "AuthenticationFailed",
)


class BucketFailed(Exception):
    """The bucket did not do what it was asked for. ``lasting``: trying again changes nothing until somebody mends it.

    The message begins with the bucket's address and says what to do.
    """

    def __init__(self, message: str, *, lasting: bool) -> None:
        super().__init__(message)
        self.lasting = lasting

    def refusal(self) -> UsageError | StoppedEarly:
        """Return the error of a command that needs the bucket and can't begin."""
        return (UsageError if self.lasting else StoppedEarly)(f"{self}. Nothing was sent")


class TagMismatch(Exception):
    """An object is another one than the caller knew: somebody else has replaced or made it."""


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object by its path below the bucket's prefix, and its size."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that was read: its bytes, none if only its head was asked for, and what stands beside them."""

    content: bytes
    size: int
    attributes: Mapping[str, str]
    tag: str
    modified: datetime


class Bucket:
    """The objects below one address such as ``s3://bucket/prefix``. Used by several threads; no call is for the event
    loop.

    Every call raises :class:`BucketFailed`. Making one raises :class:`UsageError` if the client is not installed or the
    address is none.
    """

    def __init__(self, address: str) -> None:
        try:
            import obstore
            from obstore.store import from_url
        except ImportError as error:
            raise UsageError(
                f"{address}: pictures in a bucket need a client that is not installed: pip install "
                "'batchgen-runner[cloud]'"
            ) from error
        self.address = address
        self._obstore = obstore
        http = any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS)
        options: Any = {"timeout": _CALL_S, "connect_timeout": _CONNECT_S, "allow_http": http}
        retries: Any = {"max_retries": _TRIES, "retry_timeout": timedelta(seconds=_RETRY_S)}
        # Its types are one signature for each service, and an address may be of any.
        open_store: Callable[..., ObjectStore] = from_url
        try:
            self._store = self._done(lambda: open_store(address, client_options=options, retry_config=retries))
        except BucketFailed as error:
            raise error.refusal() from error

    def create(self, path: str, content: bytes, attributes: Mapping[str, str] | None = None) -> bool:
        """Put a new object, whole; return whether it was made. One that is there already stays as it is.

        ``attributes`` are ASCII: S3 refuses others, and the client panics on Azure.
        """
        strange = [name for name, value in (attributes or {}).items() if not (name.isascii() and value.isascii())]
        if strange:
            raise ValueError(f"attributes of {path} must be ASCII: {', '.join(strange)}")
        try:
            self._put(path, content, "create", attributes)
        except FileExistsError:
            return False
        return True

    def replace(self, path: str, content: bytes, tag: str | None, attributes: Mapping[str, str] | None = None) -> str:
        """Put an object in place of the one with this ``tag``, or a new one for ``None``, and return its tag.

        Raises :class:`TagMismatch` if that is not what is there.
        """
        try:
            return self._put(path, content, "create" if tag is None else {"e_tag": tag}, attributes)
        except FileExistsError as error:
            raise TagMismatch(path) from error

    def overwrite(self, path: str, content: bytes) -> None:
        """Put an object that is derived from others, whatever was there."""
        self._put(path, content, "overwrite")

    def read(self, path: str) -> StoredObject | None:
        """Return an object, or ``None`` if there is none."""
        return self._read(path, head=False)

    def head(self, path: str) -> StoredObject | None:
        """Return an object without its bytes, or ``None`` if there is none."""
        return self._read(path, head=True)

    def list(self, prefix: str) -> Iterator[ListedObject]:
        """Return what lies below the folder ``prefix``."""
        pages = self._done(lambda: iter(self._obstore.list(self._store, prefix=prefix)))
        while (page := self._done(lambda: next(pages, None))) is not None:
            yield from (ListedObject(str(one["path"]), int(one["size"])) for one in page)

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects; one that is not there is no mistake."""
        for path in paths:
            with suppress(FileNotFoundError):
                self._done(partial(self._obstore.delete, self._store, path))

    def _put(self, path: str, content: bytes, mode: Any, attributes: Mapping[str, str] | None = None) -> str:
        # Never in parts: of a condition on parts, Google's service knows nothing.
        put = self._done(
            lambda: self._obstore.put(
                self._store,
                path,
                content,
                attributes=dict(attributes) if attributes else None,
                mode=mode,
                use_multipart=False,
            )
        )
        return str(put["e_tag"])

    def _read(self, path: str, *, head: bool) -> StoredObject | None:
        try:
            found = self._done(lambda: self._obstore.get(self._store, path, options={"head": head}))
            content = b"" if head else self._done(lambda: bytes(found.bytes()))
        except FileNotFoundError:
            return None
        meta = found.meta
        attributes = {str(name).lower(): str(value) for name, value in found.attributes.items()}
        return StoredObject(content, meta["size"], attributes, str(meta["e_tag"]), meta["last_modified"])

    def _done(self, call: Callable[[], T]) -> T:
        """Return what ``call`` of the client returns, with its errors translated.

        Raise ``FileNotFoundError`` for a missing object, and ``FileExistsError`` if a condition does not hold.
        """
        try:
            return call()
        except BaseException as error:
            # A panic of the Rust library is a BaseException of a class that can't be imported.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            if type(error).__name__ in {"AlreadyExistsError", "PreconditionError"}:
                raise FileExistsError(str(error)) from error
            failed = translated(self.address, error)
            if isinstance(error, FileNotFoundError) and not failed.lasting:
                raise
            raise failed from error


def translated(address: str, error: BaseException) -> BucketFailed:
    """Return an error of the client in our words."""
    said = " ".join(str(error).partition("Debug source")[0].split())
    code = found[1] if (found := _CODE.search(said)) else ""
    status = int(found[1] or found[2]) if (found := _STATUS.search(said)) else 0
    why = _explained(type(error).__name__, said, code, status)
    if why is not None:
        return BucketFailed(f"{address}: {why}", lasting=True)
    if isinstance(error, FileNotFoundError):
        return BucketFailed(f"{address}: an object is missing", lasting=False)
    short = said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"
    return BucketFailed(f"{address}: the bucket failed: {short}", lasting=status in _REFUSED)


_SHOWN = 300


def _explained(kind: str, said: str, code: str, status: int) -> str | None:
    """Return what only a person can mend, and how; ``None`` for what may pass by itself."""
    low = said.lower()
    if kind == "PanicException":
        return f"the client failed inside (a bug of obstore): {said[:_SHOWN]}"
    if code == "RequestTimeTooSkewed" or "requesttimetooskewed" in low:
        return "this machine's clock differs too much from the service's; set it (timedatectl, chronyc) and run again"
    if code in {"NoSuchBucket", "ContainerNotFound"} or "specified bucket does not exist" in low:
        return "there is no such bucket; make it, or mend output.pictures and the region"
    if "169.254.169.254" in said or "metadata.google.internal" in low or "account must be specified" in low:
        return f"no credentials were found ({_WHERE})"
    if code in _UNCREDENTIALED or kind == "UnauthenticatedError" or status == 401:
        return f"the service does not accept the credentials{f' ({code})' if code else ''}; {_WHERE}"
    if code in {"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"} or (
        status == 301 or "configured region" in low
    ):
        return "the bucket lies in another region; set AWS_REGION to the bucket's"
    if kind == "PermissionDeniedError" or status == 403:
        return "access is denied; the account needs to list the bucket, and to get, put and delete objects in it"
    if "unable to recognise url" in low or kind == "UnknownConfigurationKeyError":
        return "this is no address of a bucket, such as s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
    return None


_WHERE = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, GOOGLE_APPLICATION_CREDENTIALS, or AZURE_STORAGE_ACCOUNT_NAME "
    "and AZURE_STORAGE_ACCOUNT_KEY, or run where the machine has a role"
)
