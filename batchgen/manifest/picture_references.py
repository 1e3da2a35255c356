"""The check of an input picture's text: a path, an ``https`` URL, or a data URI.

No file is opened and no URL resolved here.
"""

from __future__ import annotations

import binascii
import ipaddress
import re
from urllib.parse import urlsplit

from batchgen.wording import shown

MOST_IMAGES = 16

# The service refuses an upload over 25 MB.
LARGEST_IMAGE = 25_000_000

_SCHEME = re.compile(r"([a-z][a-z0-9+.\-]+):", re.ASCII | re.IGNORECASE)
_DATA_URI = re.compile(r"data:image/[a-z0-9.+\-]+;base64,", re.ASCII | re.IGNORECASE)
_INNER_NAMES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


def image_problem(text: str) -> str | None:
    """Return what is wrong with the text of an input picture, worded to follow its name; else ``None``."""
    if not text.strip():
        return "is blank; a path, an https URL or a data URI is expected"
    if re.search(r"[\r\n]", text):
        return f"must be one line, found {shown(text)}"
    scheme = _SCHEME.match(text)
    if scheme is None:
        return None
    if scheme[1].lower() == "data":
        return _data_uri_problem(text)
    if scheme[1].lower() != "https":
        return f"must be a path, an https URL or a data URI, found the scheme {shown(scheme[1] + ':')}"
    return _url_problem(text)


def _url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return f"is no valid URL: {shown(url)}"
    if re.search(r"\s", url):
        return f"holds a space in its URL, which is written %20: {shown(url)}"
    if parts.username is not None or parts.password is not None:
        return "must not carry a user name or password in its URL"
    if not host:
        return f"has no host in its URL: {shown(url)}"
    if not _public(host):
        return f"must be at a public host, found {shown(host)}"
    return None


def _public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_global
    except ValueError:
        name = host.rstrip(".").lower()
    # Numbers such as 2130706433 or 0x7f.1 are addresses to most resolvers.
    numeric = re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*", name)
    return not numeric and "." in name and not name.endswith(_INNER_NAMES)


def _data_uri_problem(uri: str) -> str | None:
    head = _DATA_URI.match(uri)
    if head is None:
        return "must be a data URI of the form data:image/png;base64,…"
    largest = LARGEST_IMAGE * 4 // 3 + 4
    if len(uri) - head.end() > largest:
        return f"is a data URI of more than {LARGEST_IMAGE:,} bytes"
    try:
        content = binascii.a2b_base64(uri[head.end() :], strict_mode=True)
    except ValueError:
        return "is a data URI with damaged base64"
    return None if content else "is a data URI without content"
