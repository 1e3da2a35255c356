"""The kinds of provider there are: those of this package, and those that installed distributions bring along.

A distribution brings one by an entry point in the group ``batchgen.providers``, whose name is the kind. None can take
the place of ours: a manifest that names ours asks us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchgen.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "batchgen.providers"
BUILT_IN = ("imagerouter", "openai", "simulator")


def kinds() -> tuple[str, ...]:
    """The names of all kinds, ours first. Looks through the installed distributions; imports none of them."""
    found = {plugin.name for plugin in _plugins()} - set(BUILT_IN)
    return (*BUILT_IN, *sorted(found))


def plugin_of(kind: str) -> EntryPoint | None:
    """The entry point of that kind, or ``None`` where no distribution brings it.

    Raises :class:`UsageError` where several do, so that nobody pays a service that was not meant.
    """
    found = [plugin for plugin in _plugins() if plugin.name == kind]
    if len(found) > 1:
        names = " and ".join(sorted(map(distribution_of, found)))
        raise UsageError(f"provider {kind!r} is brought by several distributions, {names}; uninstall all but one")
    return found[0] if found else None


def refuse_clashes() -> None:
    """Raises :class:`UsageError` where a distribution brings a provider under a name of ours."""
    for plugin in _plugins():
        if plugin.name in BUILT_IN:
            raise UsageError(
                f"{distribution_of(plugin)} brings a provider named {plugin.name!r}, which is one of batchgen's own; "
                "uninstall it, or have it use another name"
            )


def distribution_of(plugin: EntryPoint) -> str:
    """The distribution an entry point belongs to, with its version."""
    return f"{plugin.dist.name} {plugin.dist.version}" if plugin.dist else plugin.value


def _plugins() -> tuple[EntryPoint, ...]:
    # Takes tens of milliseconds where much is installed: only those ask whose kind is not ours, and runs.
    from importlib.metadata import entry_points

    return tuple(entry_points(group=GROUP))
