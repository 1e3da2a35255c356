"""Names of folders and files that work on every system, and stay inside the run folder."""

from __future__ import annotations

import re

from batchgen.errors import nearest
from batchgen.wording import shown

# File systems take 255 bytes; temporary names, counters and extensions need the rest.
LONGEST_BYTES = 200

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
# Names as all three services take them; a prefix of other characters would have to be quoted differently in each.
_BUCKET = re.compile(r"(s3|gs|az)://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/(?P<prefix>[A-Za-z0-9._/=@+-]*))?")
_NOT_PORTABLE = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
# Windows gives these to devices, whatever the extension.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_OWN_FILES = frozenset(
    {
        *(".batchgen", "readme.md", "metadata.jsonl", "dataset.parquet", "failures.jsonl", "summary.json"),
        *("report.html", "report.csv", "compare.html"),
    }
)
# Most names of a plan, accepted by one match: a reserved name has a dot, or four letters at most.
_ORDINARY = re.compile(r"[0-9][\w=+@-]{0,99}|\w[\w=+@-]{4,99}", re.ASCII)


def name_problem(name: str) -> str | None:
    """Return why a run can't be called this, worded to follow "name"; else ``None``."""
    if not name.strip():
        return "is blank"
    if re.search(r"[/\\]", name) or name in (".", "..") or name.startswith("~"):
        return f"must be a plain name, not a path: {shown(name)} lies outside the output folder"
    return segment_problem(name)


def folder_problem(folder: str) -> str | None:
    """Return why ``output.folder`` can't be this, worded to follow its name; else ``None``."""
    if _BUCKET.fullmatch(folder):
        return f"must be a folder on this machine; output.pictures rests pictures in a bucket: {shown(folder)}"
    if problem := elsewhere_problem(folder):
        return problem
    if folder.startswith("~"):
        return f"must be written in full; '~' is not replaced: {shown(folder)}"
    return _path_problem(folder.removeprefix("/"))


def elsewhere_problem(folder: str) -> str | None:
    """Return why a run can't be kept there, if ``folder`` is the address of a bucket or a server; else ``None``.

    One slash is enough: an address that was read as a path has lost the second.
    """
    if _ADDRESS.match(folder):
        return f"must be a folder on this machine; copy it there after the run: {shown(folder)}"
    return None


def bucket_problem(address: str) -> str | None:
    """Return why ``output.pictures`` can't be this, worded to follow its name; else ``None``."""
    found = _BUCKET.fullmatch(address)
    if found is None:
        hint = nearest(address.partition(":")[0].lower(), ("s3", "gs", "az"), cutoff=0.4) if ":" in address else ""
        return (
            "must be the address of a bucket: s3://bucket/prefix, gs://bucket/prefix or az://container/prefix, found "
            f"{shown(address)}" + (f" ({hint})" if hint else "")
        )
    parts = (found["prefix"] or "").strip("/").split("/")
    if any(part in (".", "..") for part in parts) or "" in parts[1:]:
        return f"has a part that is empty, '.' or '..': {shown(address)}"
    return None


def path_problem(path: str) -> str | None:
    """Return why a picture can't be stored under this path inside the run folder; else ``None``.

    A template may be judged too: its ``{name}`` parts count as ordinary characters.
    """
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:", path):
        return f"must lie inside the output folder, found {shown(path)}"
    if path.partition("/")[0].lower() in _OWN_FILES:
        return f"{shown(path)} is reserved for batchgen's own files"
    return _path_problem(path)


def segment_problem(segment: str) -> str | None:
    """Return why one folder or file can't have this name on every system; else ``None``."""
    if _ORDINARY.fullmatch(segment):
        return None
    if not segment.isprintable():
        return f"holds a character that does not print: {shown(segment)}"
    found = _NOT_PORTABLE.search(segment)
    if found:
        return f"holds {shown(found[0])}, which is not portable: {shown(segment)}"
    if segment.startswith("-"):
        return f"must not begin with '-', which commands take for an option: {shown(segment)}"
    if segment != segment.strip() or segment.endswith("."):
        return f"must not begin or end with a space or end with a dot: {shown(segment)}"
    if _DEVICES.fullmatch(segment):
        return f"is a device on Windows and not portable: {shown(segment)}"
    if segment.lower() in _OWN_FILES:
        return f"is reserved for batchgen's own files: {shown(segment)}"
    length = len(segment.encode())
    if length > LONGEST_BYTES:
        return f"has {length} bytes; {LONGEST_BYTES} at most, so that there is room for extensions"
    return None


def slug(stem: str) -> str:
    """Return a name for a run made of a file's stem, with everything that is not portable replaced."""
    kept = re.sub(r"[^\w.\-]+", "-", stem, flags=re.UNICODE).strip("-. ")
    cut = kept.encode()[:LONGEST_BYTES].decode(errors="ignore").rstrip("-. ")
    return cut if cut and segment_problem(cut) is None else f"job-{cut}".rstrip("-")


def _path_problem(path: str) -> str | None:
    segments = path.split("/")
    if "\\" in path:
        return f"must use '/' between folders, found {shown(path)}"
    if ".." in segments:
        return f"must not hold '..', found {shown(path)}"
    if not path.strip() or (len(segments) > 1 and "" in segments[:-1]):
        return f"has an empty part: {shown(path)}"
    return next((found for one in segments if one not in ("", ".") and (found := segment_problem(one))), None)
