"""The word in the page's address that other accounts of this machine can't know: without it nothing is answered.

It is the same for the same folder each time, so a page that was left open saves its votes when the server is back.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from batchgen.user_cache import cache_folder

_SECRET_BYTES = 32
_TOKEN_BYTES = 18


def page_token(folder: Path) -> str:
    """Return the token for the page of a run folder, made of a secret of this account."""
    digest = hmac.digest(_secret(), os.fsencode(folder.resolve()), hashlib.sha256)
    return base64.urlsafe_b64encode(digest[:_TOKEN_BYTES]).decode()


def _secret() -> bytes:
    """Return the secret that only this account can read; one that lasts as long as this server if none can be kept."""
    # An account without a home has no such folder either.
    with contextlib.suppress(OSError, RuntimeError):
        path = cache_folder() / "page-secret"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            _make(path)
        if (kept := _read(path)) is not None:
            return kept
    return secrets.token_bytes(_SECRET_BYTES)


def _make(path: Path) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, secrets.token_bytes(_SECRET_BYTES))
    finally:
        os.close(handle)


def _read(path: Path) -> bytes | None:
    """Return the secret; ``None`` if the file is not whole, or another account could have made or read it."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            return None
        content = os.read(handle, _SECRET_BYTES + 1)
        return content if len(content) == _SECRET_BYTES else None
    finally:
        os.close(handle)
