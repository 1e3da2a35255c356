"""The key to a service: finding it, hiding it, and redacting it from any text.

A message about a key names the variable or file it came from, never a part of its value.
"""

from __future__ import annotations

import base64
import functools
import hmac
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, quote_plus

from batchgen.errors import UsageError

MASK = "********"

# No key is longer; a larger file was named by mistake.
_LARGEST_FILE = 64 * 1024

# A dummy such as `x` for a local server is no secret, and redacting it would garble every text.
_SHORTEST_REDACTED = 4
# Half of a shorter one may be a word.
_SHORTEST_HALVED = 24


class Secret:
    """A text that no log, traceback, format or pickle shows; only :meth:`reveal` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself, for the line that sends it."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is never pickled or copied into another process")


_found: set[Secret] = set()


def find_header_value(env_name: str, folder: Path) -> tuple[Secret, ...]:
    """Return the value of a header, found as :func:`find_key` does, then the key in it if it has a scheme before it."""
    beside = folder / ".env"
    value, source = _looked_up(env_name, beside)
    if value is None:
        key = find_key(env_name, folder)
        return (key,) if key is not None else ()
    scheme, space, credential = value.partition(" ")
    if not space:
        return (_sound(value, source),)
    return Secret(f"{scheme} {_sound(credential, source).reveal()}"), known_secret(credential)


def known_secret(value: str) -> Secret:
    """Return a secret that was found elsewhere, and is one of the :func:`found_keys` from now on."""
    secret = Secret(value)
    _found.add(secret)
    return secret


def find_key(env_name: str, folder: Path) -> Secret | None:
    """Return the key ``env_name``: from the environment, a ``.env`` in ``folder``, or the file in ``<env_name>_FILE``.

    A relative key file is relative to ``folder``. ``None`` if none of the three has it. Raise :class:`UsageError` for
    a key that can't be right, or a key file that others may read.
    """
    beside = folder / ".env"
    value, source = _looked_up(env_name, beside)
    if value is not None:
        return _sound(value, source)
    named, source = _looked_up(f"{env_name}_FILE", beside)
    return _from_file(folder / Path(named).expanduser(), source) if named is not None else None


def found_keys() -> frozenset[Secret]:
    """Return every key that was found so far, for whoever has to take them out of a text of unknown origin."""
    return frozenset(_found)


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """Return the text without the secrets, in their plain, base64 and URL-quoted forms."""
    for secret in secrets:
        for form in forms_of(secret):
            text = text.replace(form, MASK)
    return text


def redact_bytes(content: bytes, secrets: Iterable[Secret]) -> bytes:
    """Return ``content`` without the secrets, as :func:`redact` does; JSON in it stays JSON."""
    for secret in secrets:
        for form in forms_of(secret):
            # Most answers hold none: looking for one costs nothing beside making a copy.
            if (sought := form.encode()) in content:
                content = content.replace(sought, MASK.encode())
    return content


def _looked_up(name: str, beside: Path) -> tuple[str | None, str]:
    if name in os.environ:
        return os.environ[name], name
    return _from_dotenv(name, beside), f"{name} in {beside.name}"


def _sound(value: str, source: str) -> Secret:
    problem = _problem(value)
    if problem:
        raise UsageError(f"{source} {problem}")
    return known_secret(value)


def _problem(value: str) -> str | None:
    """Return why this can be no key, without a character of it; header values allow visible ASCII only."""
    if not value.strip():
        return "is blank; set it to your key, or unset it"
    if "\n" in value or "\r" in value:
        return "holds a line break; a key is a single line"
    if value[0] in "\"'" or value[-1] in "\"'":
        return "has quotes around it; remove them"
    if any(character.isspace() for character in value):
        return "holds a space; a key has none, neither around it nor inside"
    if not value.isascii():
        return "holds characters that are not ASCII; copy the key again"
    if not value.isprintable():
        return "holds control characters; copy the key again"
    return None


_ASSIGNMENT = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=[ \t]*
        (?:"(?P<double>[^"\n]*)"|'(?P<single>[^'\n]*)'|(?P<bare>(?:(?!(?<=\s)\#)\S+(?:[ \t]+(?!\#)\S+)*)?))
        [ \t]*(?:(?<=\s)\#[^\n]*)?\Z""",
    re.VERBOSE | re.ASCII,
)


def _from_dotenv(name: str, path: Path) -> str | None:
    """Return the last value a ``.env`` file gives to ``name``; nothing is expanded, and no other line is looked at."""
    # A virtual environment is often a folder of this name.
    if not path.is_file():
        return None
    found = None
    for line in _content(path, str(path)).splitlines():
        match = _ASSIGNMENT.match(line)
        if match and match["name"] == name:
            found = next(value for value in (match["double"], match["single"], match["bare"]) if value is not None)
    return found


def _from_file(path: Path, name: str) -> Secret:
    content = _content(path, f"the file that {name} names", private=True)
    return _sound(content.removesuffix("\n").removesuffix("\r"), f"the key in the file that {name} names")


def _content(path: Path, what: str, *, private: bool = False) -> str:
    try:
        # Non-blocking: opening a pipe would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UsageError(f"{what} is not a regular file")
            if private and status.st_mode & stat.S_IRWXO:
                raise UsageError(f"{what} can be read by everybody on this machine; run: chmod 600 {path}")
            content = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"{what} can't be read: {getattr(error, 'strerror', None) or 'no valid path'}") from None
    if len(content) > _LARGEST_FILE:
        raise UsageError(f"{what} has more than {_LARGEST_FILE:,} bytes; it holds more than a key")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{what} is no UTF-8 text") from None


@functools.lru_cache(maxsize=16)
def forms_of(secret: Secret) -> tuple[str, ...]:
    """Return every way the secret may be written, longest first, so that no form leaves the rest of a longer one."""
    value = secret.reveal()
    if len(value) < _SHORTEST_REDACTED:
        return ()
    forms = {value, quote(value, safe=""), quote_plus(value), quote(value)} | _base64_forms(value.encode())
    if len(value) >= _SHORTEST_HALVED:
        # Services shorten a key that they quote: `sk-abc…`.
        half = len(value) // 2
        forms |= {value[:half], value[half:]}
    return tuple(sorted(forms, key=len, reverse=True))


def _base64_forms(value: bytes) -> set[str]:
    """Return the base64 of ``value``, alone and at each position within encoded text such as ``user:key``.

    Base64 cuts its input into groups of three bytes, so a text looks different for each of three positions; the
    characters at both ends that also depend on neighbouring bytes are left out.
    """
    forms: set[str] = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        forms.add(encode(value).decode())
        for before in range(3):
            bits = 8 * (before + len(value))
            inner = encode(bytes(before) + value)[-(-8 * before // 6) : bits // 6].decode()
            forms |= {inner} if len(inner) >= 2 * _SHORTEST_REDACTED else set()
    return forms
