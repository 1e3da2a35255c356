"""Templates such as ``{subject}, {style}``: a name in braces is replaced by its value; nothing is ever evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from batchgen.wording import shown

# Two braces stand for one; a name is everything between single braces; a brace that is left over is a mistake.
_PIECE = re.compile(r"(?P<brace>\{\{|\}\})|\{(?P<name>[^{}]*)\}|(?P<stray>[{}])")
_BRACED = re.compile(r"\{\s*([^{}\x00]+?)\s*\}")
_NO_NAME = re.compile(r"[.\[\]!:()\x00-\x1f]")


class TemplateError(ValueError):
    """The text is no template; the message is the first of ``mistakes``, each with its position and reason."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__(mistakes[0])
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. ``names`` are the variables it needs, each once, in order of appearance.

    Raises :class:`TemplateError` for a stray brace, an empty name, or anything that asks for evaluation.
    """

    text: str
    names: tuple[str, ...] = field(init=False)
    _format: str = field(init=False, repr=False, compare=False)
    _pick: Callable[[Mapping[str, str]], tuple[str, ...]] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        pattern, names = _parsed(self.text)
        object.__setattr__(self, "names", tuple(dict.fromkeys(names)))
        object.__setattr__(self, "_format", pattern)
        object.__setattr__(self, "_pick", _picker(names))

    def render(self, values: Mapping[str, str]) -> str:
        """Return the text with every name replaced. Raise :class:`KeyError` with the name that has no value."""
        return self._format if self._pick is None else self._format % self._pick(values)


def literal(text: str) -> str:
    """Return the template that renders to exactly this text."""
    return text.replace("{", "{{").replace("}", "}}")


def names_in(text: str | None) -> tuple[str, ...]:
    """Return the names that a template needs; none of a text that is no template."""
    try:
        return Template(text).names if text is not None else ()
    except TemplateError:
        return ()


def braced_words(text: str | None) -> tuple[str, ...]:
    """Return the words that stand in braces where a template is rendered: ``subject`` of ``{{subject}}``."""
    literal_braces = _PIECE.sub(lambda found: (found["brace"] or "\0")[0], text or "")
    return tuple(_BRACED.findall(literal_braces))


def _parsed(text: str) -> tuple[str, list[str]]:
    """Return a ``%`` pattern and the names that fill it, in order; with no names the pattern is the finished text."""
    names: list[str] = []
    pieces: list[str | None] = []
    mistakes: list[str] = []
    end = 0
    for match in _PIECE.finditer(text):
        pieces.append(text[end : match.start()])
        end = match.end()
        if match["stray"]:
            mistakes.append(_stray(match["stray"], match.start()))
        elif match["brace"]:
            pieces.append(match["brace"][0])
        elif mistake := _mistake(match["name"], match.start()):
            mistakes.append(mistake)
        else:
            names.append(match["name"])
            pieces.append(None)
    pieces.append(text[end:])
    if mistakes:
        raise TemplateError(mistakes)
    if not names:
        return "".join(piece or "" for piece in pieces), names
    return "".join("%s" if piece is None else piece.replace("%", "%%") for piece in pieces), names


def _stray(brace: str, position: int) -> str:
    other = "is never closed" if brace == "{" else "closes nothing"
    return f"{brace!r} at character {position + 1} {other}; write {brace * 2!r} for a brace"


def _mistake(name: str, position: int) -> str | None:
    """Return what is wrong with the name in braces at ``position``."""
    where = f"at character {position + 1}"
    if not name.strip():
        return f"'{{}}' {where} has no name; write one such as '{{subject}}', or '{{{{}}}}' for braces"
    if name != name.strip():
        return f"{shown('{' + name + '}')} {where} has spaces in it; write '{{{name.strip()}}}'"
    if _NO_NAME.search(name):
        return f"{shown('{' + name + '}')} {where} is no plain name; only names are replaced and nothing is evaluated"
    return None


def _picker(names: list[str]) -> Callable[[Mapping[str, str]], tuple[str, ...]] | None:
    """Return a function that takes the values of ``names`` out of a mapping, always as a tuple."""
    if not names:
        return None
    # An itemgetter of one name returns the bare value, which `%` would take apart if it were a tuple itself.
    return itemgetter(*names) if len(names) > 1 else _One(names[0])


@dataclass(frozen=True, slots=True)
class _One:
    name: str

    def __call__(self, values: Mapping[str, str]) -> tuple[str, ...]:
        return (values[self.name],)
