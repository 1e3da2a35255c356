"""The kinds of provider: those of this package, and those that installed distributions add.

A distribution adds one by an entry point in the group ``batchgen.providers``, whose name is the kind. None can replace
a kind of this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchgen.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "batchgen.providers"
BUILT_IN = ("imagerouter", "openai", "simulator")


def kinds() -> tuple[str, ...]:
    """Return the names of all kinds, ours first. Imports none of the installed distributions."""
    found = {plugin.name for plugin in _plugins()} - set(BUILT_IN)
    return (*BUILT_IN, *sorted(found))


def plugin_of(kind: str) -> EntryPoint | None:
    """Return the entry point of that kind, or ``None`` if no distribution adds it.

    Raises :class:`UsageError` if several do, so that nobody pays a service by mistake.
    """
    found = [plugin for plugin in _plugins() if plugin.name == kind]
    if len(found) > 1:
        names = " and ".join(sorted(map(distribution_of, found)))
        raise UsageError(f"provider {kind!r} is provided by several distributions, {names}; uninstall all but one")
    return found[0] if found else None


def refuse_clashes() -> None:
    """Raise :class:`UsageError` if a distribution adds a provider under a name of ours."""
    for plugin in _plugins():
        if plugin.name in BUILT_IN:
            raise UsageError(
                f"{distribution_of(plugin)} has a provider named {plugin.name!r}, which is one of batchgen's own; "
                "uninstall it, or install a version that uses another name"
            )


def distribution_of(plugin: EntryPoint) -> str:
    """Return the distribution of an entry point, with its version."""
    return f"{plugin.dist.name} {plugin.dist.version}" if plugin.dist else plugin.value


def _plugins() -> tuple[EntryPoint, ...]:
    # Takes tens of milliseconds if much is installed: only runs call it, and manifests with a kind that is not ours.
    from importlib.metadata import entry_points

    return tuple(entry_points(group=GROUP))
