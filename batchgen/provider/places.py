"""Where services put their pictures: a walk over an answer's JSON by the words in its keys, one for all services.

A wrong pick would be stored as if it had been bought, while what is not found stays whole and is read again by later
versions: so only keys that name results are entered, and none that names a question, a preview or a page.
"""

from __future__ import annotations

import hashlib
import json
import re
import urllib.parse
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from batchgen.base64_text import decoded_base64
from batchgen.provider.signatures import HEAD_BYTES, is_whole, signature
from batchgen.request import AnswerPicture

DEEPEST = 32
MOST_PICTURES = 64
MOST_STRINGS = 100_000
# A signed address has 2,000 characters or fewer; browsers' and servers' limits are 8,000.
_LONGEST_ADDRESS = 8_000
_LONGEST_KEY = 64
_SHORTEST_BASE64 = 16

# The words, in the singular, that keys of results are made of.
_PICTURES = frozenset({"image", "img", "picture", "photo", "drawing", "gif", "video", "film", "animation"})
_VALUES = _PICTURES | frozenset(
    {
        "data",
        "url",
        "uri",
        "href",
        "src",
        "file",
        "media",
        "asset",
        "artifact",
        "output",
        "result",
        "prediction",
        "generation",
        "generated",
        "sample",
        "variation",
        "download",
        "imageurl",
        "imgurl",
        "videourl",
        "b64",
        "base64",
        "byte",
        "binary",
        "blob",
        "inline",
    }
)
# Keys of text, in which a picture may be linked, and of what only holds other results.
_TEXTS = frozenset({"content", "text", "message", "delta", "answer", "reply", "markdown"})
_HOLDERS = frozenset({"choice", "candidate", "part", "item", "body", "payload", "response", "task", "job"})
# The words that say of a key that its value is no result: a question, a preview, a page, or words about a picture.
_OTHERS = frozenset(
    {
        "input",
        "request",
        "prompt",
        "detail",
        "param",
        "parameter",
        "option",
        "config",
        "setting",
        "instruction",
        "init",
        "source",
        "reference",
        "ref",
        "control",
        "mask",
        "example",
        "template",
        "original",
        "before",
        "seed",
        "user",
        "owner",
        "author",
        "profile",
        "account",
        "thumb",
        "thumbnail",
        "preview",
        "partial",
        "progress",
        "current",
        "intermediate",
        "icon",
        "logo",
        "avatar",
        "cover",
        "poster",
        "placeholder",
        "watermark",
        "badge",
        "brand",
        "doc",
        "docs",
        "documentation",
        "help",
        "support",
        "page",
        "website",
        "web",
        "homepage",
        "link",
        "status",
        "statu",
        "state",
        "poll",
        "polling",
        "cancel",
        "webhook",
        "callback",
        "queue",
        "health",
        "log",
        "logs",
        "error",
        "warning",
        "debug",
        "trace",
        "metric",
        "billing",
        "price",
        "pricing",
        "usage",
        "cost",
        "term",
        "license",
        "licence",
        "policy",
        "name",
        "filename",
        "id",
        "hash",
        "sha256",
        "md5",
        "etag",
        "type",
        "format",
        "mime",
        "size",
        "width",
        "height",
        "title",
        "alt",
        "caption",
        "description",
        "revised",
        "negative",
        "safety",
        "filter",
    }
)

_PICTURE_SUFFIXES = frozenset({"png", "jpg", "jpeg", "webp", "gif", "tif", "tiff", "avif", "heic", "svg"}) | {
    *("mp4", "m4v", "mov", "webm", "mkv")
}
_PAGE_SUFFIXES = frozenset({"htm", "html", "md", "txt", "json", "xml", "css", "js", "pdf", "yaml", "yml"})
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


class _Key(NamedTuple):
    """What a key says: whether its value may hold results, whether a text in it may be an address, and how surely.

    ``family`` is the key without its digits: `image_1` and `image_2` are two pictures, `url` and `image_url` one.
    """

    enters: bool
    is_address: bool = False
    rank: int = 0
    family: str = ""


_LIST_AT_TOP = _Key(enters=True)
_NUMBER = re.compile(r"\d+\Z")


@lru_cache(maxsize=2048)
def _key(name: str) -> _Key:
    name = name.replace("Base64", "_b64_").replace("base64", "_b64_")
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    words = {word for whole in re.split(r"[^a-z0-9]+", spaced) for word in (whole, whole.removesuffix("s"))}
    words |= {word.rstrip("0123456789") for word in words if word != "b64"}
    results, others = words & (_VALUES | _TEXTS | _HOLDERS), words & _OTHERS
    if not results or others:
        return _Key(enters=False)
    is_address = bool(words & _VALUES) and not words & {"response", "task", "job"}
    rank = 2 * bool(words & {"video", "film", "videourl"}) + bool(words & _PICTURES)
    return _Key(enters=True, is_address=is_address, rank=rank, family=re.sub(r"\d+", "", spaced))


@dataclass(frozen=True, slots=True)
class _Found:
    """A picture, and the key under which it stands directly in an object; ``None`` if it stands deeper."""

    picture: AnswerPicture
    key: _Key | None = None

    @property
    def is_inline(self) -> bool:
        return self.picture.url is None


class Walk:
    """A search for the pictures in the JSON values of one answer, in the order of the document.

    ``addresses`` says whether addresses count; relative ones are joined with ``base_url``. ``sent`` are the digests of
    what was sent: what repeats it is no picture.
    """

    def __init__(self, *, base_url: str, sent: Collection[str], addresses: bool) -> None:
        self._base_url = base_url
        self._sent = frozenset(sent)
        self._addresses = addresses
        self._seen: set[str] = set()
        self._strings = MOST_STRINGS
        self._linked: list[tuple[str, str | None]] = []

    def pictures(self, value: object) -> tuple[AnswerPicture, ...]:
        """Return the whole pictures in ``value``; what links in texts name counts if there is nothing else."""
        self._linked.clear()
        found = self._in(value, _LIST_AT_TOP, 0, None)
        links = (self._in_link(link, revised) for link, revised in self._linked if not found)
        return tuple(one.picture for one in (*found, *(one for one in links if one)))[:MOST_PICTURES]

    def of_text(self, text: str) -> tuple[AnswerPicture, ...]:
        """Return the picture that a whole body is, as base64 or a data URI."""
        found = self._inline(text.strip(), None)
        return (found,) if found else ()

    def of_bytes(self, content: bytes | memoryview) -> tuple[AnswerPicture, ...]:
        """Return the picture that a whole body is, if it is one."""
        found = self._known(content, AnswerPicture(content=content)) if is_whole(content) else None
        return (found,) if found else ()

    def _in(self, value: object, key: _Key, depth: int, revised: str | None) -> list[_Found]:
        if depth > DEEPEST or self._strings <= 0 or len(self._seen) >= MOST_PICTURES:
            return []
        match value:
            case str():
                self._strings -= 1
                return self._in_text(value, key, depth, revised)
            case list():
                return [found for one in value for found in _deeper(self._in(one, key, depth + 1, revised))]
            case dict():
                return self._in_object(value, key, depth, revised)
        return []

    def _in_object(self, stated: dict[str, object], outer: _Key, depth: int, revised: str | None) -> list[_Found]:
        if _repeats_the_question(stated):
            return []
        own = stated.get("revised_prompt", stated.get("revisedPrompt"))
        revised = own if isinstance(own, str) else revised
        found: list[_Found] = []
        for name, value in stated.items():
            # Some services number what others list.
            key = outer if _NUMBER.match(name) else _key(name) if len(name) <= _LONGEST_KEY else None
            if key is None or not key.enters or not isinstance(value, (str, list, dict)):
                continue
            found += [_Found(one.picture, key if one.key else None) for one in self._in(value, key, depth + 1, revised)]
        return _one_form(found)

    def _in_text(self, text: str, key: _Key, depth: int, revised: str | None) -> list[_Found]:
        inline = self._inline(text, revised)
        if inline:
            return [_Found(inline, key)]
        if text[:5].lower() == "data:":
            return []
        if key.is_address and (url := self._address(text)):
            hosted = self._new(f"url:{url}", AnswerPicture(url, None, revised))
            return [_Found(hosted, key)] if hosted else []
        if text[:HEAD_BYTES].lstrip()[:1] in {"{", "["}:
            # A workflow's answer within a gateway's own, as text.
            try:
                return _deeper(self._in(json.loads(text, strict=False), key, depth + 8, revised))
            except (ValueError, RecursionError):
                pass
        links = islice(_links(text), MOST_PICTURES - len(self._linked))
        self._linked += [(link, revised) for link in links]
        return []

    def _in_link(self, link: str, revised: str | None) -> _Found | None:
        found = self._inline(link, revised)
        if not found and (url := self._address(link)):
            found = self._new(f"url:{url}", AnswerPicture(url, None, revised))
        return _Found(found) if found else None

    def _inline(self, text: str, revised: str | None) -> AnswerPicture | None:
        """Return the picture that a text is: base64, or a data URI with or without it."""
        if text[:5].lower() == "data:":
            head, _, text = text.partition(",")
            plain = urllib.parse.unquote_to_bytes(text) if "%" in text else text.encode("utf-8", "replace")
            if not head.rstrip().lower().endswith("base64"):
                return self._known(plain, AnswerPicture(None, None, revised, plain)) if is_whole(plain) else None
        elif len(text) >= _SHORTEST_BASE64 and begins_as_base64(text[: 4 * HEAD_BYTES].encode("utf-8", "replace")):
            plain = text.encode("utf-8", "replace")
        else:
            return None
        try:
            content = decoded_base64(plain)
        except ValueError:
            return None
        return self._known(content, AnswerPicture(None, plain, revised)) if is_whole(content) else None

    def _known(self, content: bytes | memoryview, picture: AnswerPicture) -> AnswerPicture | None:
        return self._new(f"sha256:{hashlib.sha256(content).hexdigest()}", picture)

    def _new(self, digest: str, picture: AnswerPicture) -> AnswerPicture | None:
        if digest in self._sent or digest in self._seen:
            return None
        self._seen.add(digest)
        return picture

    def _address(self, text: str) -> str | None:
        return address(text, self._base_url) if self._addresses else None


def names_results(name: str) -> bool:
    """Return whether a key, or the name of a form's field, is one of results."""
    return _key(name).enters


def begins_as_base64(text: bytes) -> bool:
    """Return whether a text is base64 of a known picture, as far as its beginning tells."""
    plain = text[: 4 * HEAD_BYTES].translate(None, b"\r\n\t ")
    plain = plain[: len(plain) // 4 * 4][: HEAD_BYTES // 3 * 4]
    try:
        return signature(decoded_base64(plain)) is not None
    except ValueError:
        return False


def address(text: str, base_url: str) -> str | None:
    """Return the address that a text is, joined with ``base_url`` if it is relative; ``None`` if it is none.

    A relative one begins with ``/``, from the host, or ends like a picture's file, from the folder of ``base_url``.
    """
    text = text.strip()
    if not 0 < len(text) <= _LONGEST_ADDRESS or not text.isprintable() or _suffix(text) in _PAGE_SUFFIXES:
        return None
    if text[:8].lower().startswith(("https://", "http://")):
        return text
    is_relative = (text.startswith("/") and len(text) > 1) or _suffix(text) in _PICTURE_SUFFIXES
    # Base64 of a JPEG begins like a path; one that got here is cut.
    if not is_relative or not base_url or " " in text or text.startswith("/9j/") or _SCHEME.match(text):
        return None
    try:
        return urllib.parse.urljoin(base_url.rstrip("/"), text)
    except ValueError:
        return None


def _deeper(found: list[_Found]) -> list[_Found]:
    return [_Found(one.picture) for one in found]


def _one_form(found: list[_Found]) -> list[_Found]:
    """Return the pictures of an object, each in one form: inline rather than hosted, and at one of its addresses."""
    direct = [one for one in found if one.key is not None]
    if any(one.is_inline for one in direct):
        return [one for one in found if one.key is None or one.is_inline]
    ranked = [(one.key.rank, _suffix(one.picture.url or "") in _PICTURE_SUFFIXES) for one in direct if one.key]
    if not ranked:
        return found
    best = direct[ranked.index(max(ranked))].key
    return [one for one in found if one.key is None or (best and one.key.family == best.family)]


def _suffix(url: str) -> str:
    """Return what stands behind the last dot of an address without its query, in small letters."""
    return url.partition("?")[0].partition("#")[0].rpartition(".")[2][-5:].lower()


def _repeats_the_question(stated: dict[str, object]) -> bool:
    role, kind = stated.get("role"), stated.get("type")
    if role in {"user", "system", "developer", "tool"}:
        return True
    return isinstance(kind, str) and bool({"input", "partial"} & set(re.split(r"[^a-z]+", kind[:80].lower())))


def _links(text: str) -> Iterator[str]:
    """Return what the picture links of a Markdown text point to, or the address that is all of the text."""
    place = 0
    while (place := text.find("](", place)) >= 0:
        end = text.find(")", place)
        if end < 0:
            return
        if text.rfind("![", max(0, place - 1000), place) >= 0:
            target = text[place + 2 : end].strip()
            # A title may stand behind the address.
            yield re.split(r"[\s>]", target.removeprefix("<"), maxsplit=1)[0]
        place = end
    if text[:8].lower().startswith(("https://", "http://")) and _suffix(text.strip()) in _PICTURE_SUFFIXES:
        yield text
