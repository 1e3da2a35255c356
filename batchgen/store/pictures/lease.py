"""The lease of a bucket: one run at a time, on whatever machine, fenced by the tag of an object that its holder renews.

The bucket's own clock tells how long a holder was silent: those of two machines may differ.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable

import msgspec

from batchgen.errors import FolderInUse
from batchgen.store.folder.lock import boot_id, is_alive
from batchgen.store.pictures.bucket import Bucket, BucketFailed, TagMismatch
from batchgen.store.pictures.bucket_probe import OWN

LEASE = f"{OWN}/lease.json"

RENEWED_EVERY_S = 30.0
# A bucket may be out of reach for a while: a holder that can't renew its lease for so long sends nothing more,
GIVEN_UP_S = 240.0
# and one that was silent for so long has lost it.
SILENT_S = 300.0


class Holder(msgspec.Struct, frozen=True):
    """What the lease says of the run that holds it: where it runs, and what it may have on its way, at which prices.

    ``released`` says that nobody holds it. What a run that was killed had on its way stays in the lease, also if a
    later run takes and releases it, until one has begun.
    """

    process: int
    host: str
    boot: str
    since: str
    folder: str
    token: str
    in_flight: int = 0
    reserved_microusd: int = 0
    released: bool = False

    @property
    def text(self) -> str:
        return f"process {self.process} on {self.host} since {self.since}"

    @property
    def is_dead(self) -> bool:
        """Return whether this machine knows that the holder has died. Containers have host names of their own."""
        here = self.boot != "-" and self.boot == boot_id() and self.host == socket.gethostname()
        return here and not is_alive(self.process)


class LeaseLost(Exception):
    """Another run has taken the bucket over, since this one was silent for too long or was said to be dead."""


class Lease:
    """The lease of one run. Made by :func:`take_lease`; ``before`` is a run that did not end in order, if any.

    Used by several threads. Every call raises :class:`LeaseLost` and :class:`BucketFailed`.
    """

    def __init__(self, bucket: Bucket, holder: Holder, tag: str, before: Holder | None) -> None:
        self._bucket = bucket
        self._holder = holder
        self._tag = tag
        self._lock = threading.Lock()
        self._begun = False
        self.before = before

    def begin(self, *, in_flight: int, reserved_microusd: int) -> None:
        """Say that so much may be on its way from now on; what the run before had is settled by now."""
        self._begun = True
        self._holder = msgspec.structs.replace(self._holder, in_flight=in_flight, reserved_microusd=reserved_microusd)
        self.renew()

    def renew(self) -> None:
        """Say that the run goes on."""
        self._say(self._holder)

    def release(self) -> None:
        """Let the next run have the bucket. A run that never began leaves what the one before had on its way."""
        if self._begun:
            self._say(msgspec.structs.replace(self._holder, in_flight=0, reserved_microusd=0, released=True))
        else:
            self._say(msgspec.structs.replace(self.before or self._holder, released=True))

    def _say(self, said: Holder) -> None:
        with self._lock:
            self._replace(said)

    def _replace(self, said: Holder) -> None:
        try:
            self._tag = self._bucket.replace(LEASE, msgspec.json.encode(said), self._tag)
        except TagMismatch as error:
            there, tag, _ = _read(self._bucket)
            if there == said and tag is not None:
                # The answer to an earlier try of the client was lost on its way.
                self._tag = tag
                return
            by = there.text if there else "nobody that could be read"
            raise LeaseLost(f"{self._bucket.address} was taken over by {by}") from error


def take_lease(bucket: Bucket, folder: str, *, force_unlock: str | None = None) -> Lease:
    """Take the lease of ``bucket`` for a run in ``folder``.

    ``force_unlock`` names the machine whose lease counts no more, because its user knows that the machine is dead.
    Raises :class:`FolderInUse` if another run holds it, and :class:`BucketFailed`.
    """
    before, tag, silent_s = _read(bucket)
    is_held = before is not None and not before.released and not before.is_dead and before.host != force_unlock
    if before is not None and is_held and (silent := silent_s()) < SILENT_S:
        raise FolderInUse(
            f"{bucket.address} is in use by {before.text}, which said so {silent:.0f} s ago. Nothing was sent. If "
            f"it is surely dead, wait {SILENT_S / 60:.0f} minutes, or use --force-unlock {before.host}"
        )
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    left = before if before is not None and before.in_flight else None
    holder = Holder(
        *(os.getpid(), socket.gethostname(), boot_id(), started, folder, secrets.token_hex(8)),
        in_flight=left.in_flight if left else 0,
        reserved_microusd=left.reserved_microusd if left else 0,
    )
    try:
        tag = bucket.replace(LEASE, msgspec.json.encode(holder), tag)
    except TagMismatch as error:
        there, tag, _ = _read(bucket)
        if there is None or there.token != holder.token or tag is None:
            by = there.text if there else "another run"
            raise FolderInUse(f"{bucket.address} was taken at this moment by {by}. Nothing was sent") from error
    return Lease(bucket, holder, tag, left)


def _read(bucket: Bucket) -> tuple[Holder | None, str | None, Callable[[], float]]:
    """Return who holds the lease, its tag, and a function that asks the bucket how long ago the holder said so."""
    there = bucket.read(LEASE)
    if there is None:
        return None, None, lambda: 0.0
    try:
        holder = msgspec.json.decode(there.content, type=Holder)
    except msgspec.MsgspecError:
        raise BucketFailed(
            f"{bucket.address}: {LEASE} is no lease of batchgen; give the run its own prefix, or delete the object",
            lasting=True,
        ) from None

    def silent_s() -> float:
        clock = f"{OWN}/clock"
        bucket.overwrite(clock, b"")
        now = bucket.head(clock)
        return max(0.0, (now.modified - there.modified).total_seconds()) if now else 0.0

    return holder, there.tag, silent_s
