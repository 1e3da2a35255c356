"""What people forget when they write YAML by hand: advice for a line that no parser understands."""

from __future__ import annotations

import re
from collections.abc import Callable

# A key or a list's hyphen, behind which the value stands.
_BEFORE = r"^\s*(?:-\s+)*(?:[\w.\"' -]+:\s+|-\s+|[\[{,]\s*)?"


def _begins_with(character: str) -> Callable[[str], bool]:
    return lambda line: (
        re.match(rf"{_BEFORE}{re.escape(character)}", line) is not None
        or (re.search(rf"[:\-{{\[,]\s*{re.escape(character)}", line) is not None)
    )


def _has_apostrophe(line: str) -> bool:
    """Return whether a text in single quotes holds one of its own, which ends it: ``'it's a fox'``."""
    return re.search(r"(?:^|[:\-,\[{]\s*)'[^']*[^'\s]'[^'\s,\]}:#]", line) is not None


def _has_inner_quote(line: str) -> bool:
    return re.search(r"(?:^|[:\-,\[{]\s*)\"(?:[^\"\\]|\\.)*\"\s*[^\s,\]}:#]", line) is not None


def _has_rest(line: str) -> bool:
    return re.search(r"(?:^|[:\-,\[{]\s*)'(?:[^']|'')*'\s+[^\s,\]}:#]", line) is not None


_HINTS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (lambda line: "\t" in line, "indent with spaces, not with a tab"),
    (_has_apostrophe, "an apostrophe ends a text in '…'; write the text in \"…\""),
    (_has_inner_quote, 'a quote ends a text in "…"; write \\" for one inside, or the whole text in \'…\''),
    (_has_rest, "a text in quotes goes to its last quote; put all of it between them"),
    (lambda line: re.search(r":\s+\{", line) is not None, "quote a text that begins with '{'"),
    (_begins_with("*"), "quote a text that begins with '*'"),
    *((_begins_with(one), f"quote a text that begins with '{one}'") for one in ("@", "`", "%", "&", "!", "|", ">")),
    (lambda line: re.search(r":\s+\[[^\]]*\]\s*\S", line) is not None, "quote a text that begins with '['"),
    (lambda line: re.search(r":\s+[^'\"\[{].*: ", line) is not None, "quote a text that holds ': '"),
    (lambda line: re.match(r"\s*[\w.-]+:[^\s/]", line) is not None, "write a blank behind the colon of a key"),
)


# What the parser itself says, if that is clear enough to know the way out.
_BY_PROBLEM = {
    "found unknown escape character": "a backslash escapes in \"…\"; write the text in '…'",
    "found unexpected end of stream": "a quote that opens before is never closed",
}


def hint(problem: str, *lines: str) -> str:
    """Return advice by the parser's ``problem``, or for the first of these lines that shows what was forgotten."""
    known = _BY_PROBLEM.get(problem)
    return known or next((advice for line in lines for is_so, advice in _HINTS if is_so(line)), "")
