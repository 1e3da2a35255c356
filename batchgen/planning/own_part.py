"""What one shard buys of the requests that a person names."""

from __future__ import annotations

from collections.abc import Sequence

from batchgen.errors import UsageError
from batchgen.manifest import Shard
from batchgen.request import Request, number_of

# Of the shards that a row's requests are divided among, so many are named.
_SHOWN = 3


def own_part(picked: Sequence[Request], shard: Shard | None, wanted: str) -> Sequence[Request]:
    """Return what belongs to the shard of that which is ``wanted``.

    Raise :class:`UsageError` if others buy all of it.
    """
    if shard is None:
        return picked
    own = [request for request in picked if shard.has(number_of(request.key))]
    if not own:
        others = sorted({number_of(request.key) % shard.count for request in picked})
        raise UsageError(
            f"{wanted}: nothing of it belongs to shard {shard}; ask with "
            f"{' or '.join(f'--shard {index}/{shard.count}' for index in others[:_SHOWN])}"
        )
    return own
