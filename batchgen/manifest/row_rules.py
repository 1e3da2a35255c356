"""What a manifest says about its rows: what uses their cells, and which odd columns and cells are meant."""

from __future__ import annotations

from dataclasses import dataclass

from batchgen.manifest.meant import Meant
from batchgen.manifest.values import PARAMETERS


@dataclass(frozen=True, slots=True)
class RowRules:
    """The names that the templates use, ``in_prompt`` being ``None`` if rows bring their own prompts.

    ``braced`` are the words in double braces, which no template fills. ``variables`` are set by defaults and axes, and
    those ``above`` whatever a row says. ``parameters`` are sent. ``columns`` are the user's own although they read like
    one; ``meant`` are kinds of mistake that are none here.
    """

    in_prompt: tuple[str, ...] | None = None
    in_path: tuple[str, ...] = ()
    braced: tuple[str, ...] = ()
    variables: frozenset[str] = frozenset()
    above: frozenset[str] = frozenset()
    parameters: tuple[str, ...] = PARAMETERS
    columns: tuple[str, ...] = ()
    meant: tuple[str, ...] = ()

    def refuses(self, kind: Meant) -> bool:
        """Return whether this kind of mistake is one here."""
        return kind not in self.meant

    @property
    def own_prompts(self) -> bool:
        """Whether the prompt of a row is sent, as it is or within a template."""
        return self.in_prompt is None or "prompt" in self.in_prompt
