"""The ledger as one pandas frame: a row per request, with only the columns that the tables need."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from itertools import count

import numpy as np
import numpy.typing as npt
import pandas as pd

from batchgen.request import State
from batchgen.store.ledger.bulk import aggregated, integers, numbers, texts
from batchgen.store.ledger.transitions import STATED

Integers = npt.NDArray[np.int64]

# A missing time is -1 in the frame: a missing value would turn the column into floats.
UNKNOWN = -1

MONEY = ("billed_microusd", "maybe_microusd", "estimated_microusd")
TOKENS = ("input_tokens", "output_tokens")


def read_frame(db: sqlite3.Connection) -> pd.DataFrame:
    """Return one row per request of the ledger, by its number there (the index, ascending).

    Columns: ``state`` (missing if it was withdrawn), ``model``, ``axes`` (JSON), ``cost_source`` and
    ``latency_source`` (empty if unknown) as categories; ``latency_ms`` and ``item_ms`` (``UNKNOWN`` if there is none);
    ``sent_ms`` (``UNKNOWN`` if it never was) and ``known_ms``, when it was answered or ended; ``reused`` (0 or 1);
    ``pictures``, ``films`` among them and ``film_ms``, their total length; ``further_takes``, bought on demand beside
    the first; ``attempts``, the three sums of money over all attempts, in micro-dollars, and those of tokens.
    """
    frame = _requests(db)
    request_id, *amounts = integers(db, _ATTEMPTS, "attempts", width=1 + len(MONEY) + len(TOKENS))
    places = np.searchsorted(frame.index.to_numpy(), request_id)
    frame["attempts"] = np.bincount(places, minlength=len(frame))
    for name, amount in zip((*MONEY, *TOKENS), amounts, strict=True):
        frame[name] = summed(amount, places, len(frame))
    frame["cost_source"] = _cost_source(db, places, len(frame))
    frame["pictures"] = (frame["state"] == State.STORED).astype(np.int64)
    several, pictures = _few(db, _SEVERAL, width=2)
    frame.loc[several, "pictures"] = pictures
    frame["further_takes"] = 0
    taken, further = _few(db, _FURTHER_TAKES, width=2)
    frame.loc[taken, "further_takes"] = further
    frame["films"] = frame["film_ms"] = 0
    with_films, films, film_ms = _few(db, _FILMS, width=3)
    frame.loc[with_films, "films"] = films
    frame.loc[with_films, "film_ms"] = film_ms
    return frame


def summed(amounts: Integers, places: Integers, length: int) -> Integers:
    """Return exact sums: element ``n`` is the sum of the ``amounts`` whose place is ``n``."""
    # Not `bincount` with weights: that adds in floating point.
    sums = np.zeros(length, dtype=np.int64)
    np.add.at(sums, places, amounts)
    return sums


# The category columns come as one text: a million rows hold few different texts, each looked up once.
# The first three parts hold no unit separator (U+001F): two are ours, and in the third JSON escapes it.
_REQUESTS = """
SELECT group_concat(id), group_concat(coalesce(latency_ms, -1)),
       group_concat(iif(reused_from IS NULL, coalesce(max(ended_ms - first_sent_ms, 0), -1), -1)),
       group_concat(reused_from IS NOT NULL), group_concat(coalesce(first_sent_ms, -1)),
       group_concat(coalesce(answered_ms, ended_ms, first_sent_ms)),
       json_group_array(
           iif(retired_ms IS NULL OR state = 'stored', state, 'withdrawn') || char(31) || coalesce(latency_source, '')
           || char(31) || axes || char(31) || model
       )
FROM requests WHERE id >= :least AND id <= :most
"""

_ATTEMPTS = """
SELECT group_concat(request_id), group_concat(billed_microusd), group_concat(maybe_microusd),
       group_concat(estimated_microusd), group_concat(coalesce(input_tokens, 0)),
       group_concat(coalesce(output_tokens, 0))
FROM attempts WHERE id >= :least AND id <= :most
"""

_SOURCES = "SELECT json_group_array(coalesce(cost_source, '')) FROM attempts WHERE id >= :least AND id <= :most"

_SEVERAL = "SELECT request_id, count(*) FROM pictures GROUP BY request_id HAVING count(*) > 1"

_FURTHER_TAKES = "SELECT request_id, count(DISTINCT take) FROM other_takes GROUP BY request_id"

_FILMS = """
SELECT request_id, count(*), coalesce(sum(duration_ms), 0) FROM pictures
WHERE format IN ('mp4', 'mov', 'webm', 'mkv') GROUP BY request_id
"""


def _requests(db: sqlite3.Connection) -> pd.DataFrame:
    kinds: defaultdict[str, int] = defaultdict(count().__next__)
    figures, codes = [], []
    for *columns, joined in aggregated(db, _REQUESTS, "requests"):
        figures.append(np.array([numbers(column) for column in columns]))
        kind = texts(joined)
        codes.append(np.fromiter(map(kinds.__getitem__, kind), np.int64, len(kind)))
    ids, *columns = np.hstack([np.empty((6, 0), dtype=np.int64), *figures])
    code = np.hstack([np.empty(0, dtype=np.int64), *codes])
    names = ("latency_ms", "item_ms", "reused", "sent_ms", "known_ms")
    frame = pd.DataFrame(dict(zip(names, columns, strict=True)), index=pd.Index(ids, name="id"))
    parts = [kind.split("\x1f", 3) for kind in kinds]
    for place, name in enumerate(("state", "latency_source", "axes", "model")):
        frame[name] = _category([part[place] for part in parts], code)
    frame["state"] = frame["state"].cat.set_categories([state.value for state in State])
    return frame


def _cost_source(db: sqlite3.Connection, places: Integers, length: int) -> pd.Categorical:
    """Return for each request the source of its cost: that of the newest attempt, an estimate before a stated one."""
    known: dict[str, int] = {"": 0}
    found = [source for (joined,) in aggregated(db, _SOURCES, "attempts") for source in texts(joined)]
    codes = np.fromiter((known.setdefault(source, len(known)) for source in found), np.int64, len(found))
    estimates = np.array([source not in {"", *STATED} for source in known])[codes]
    of_request = np.zeros(length, dtype=np.int64)
    for chosen in ((codes > 0) & ~estimates, estimates):
        of_request[places[chosen]] = codes[chosen]
    return _category(list(known), of_request)


def _category(values: list[str], code: Integers) -> pd.Categorical:
    """Return the category column whose row ``n`` is ``values[code[n]]``."""
    known = list(dict.fromkeys(values))
    places = {value: place for place, value in enumerate(known)}
    narrow = np.array([places[value] for value in values], dtype=np.int64)
    return pd.Categorical.from_codes(narrow[code], categories=pd.Index(known, dtype=object))


def _few(db: sqlite3.Connection, query: str, *, width: int) -> Integers:
    """Return the columns of a short result, each as one row of the array."""
    return np.array(db.execute(query).fetchall(), dtype=np.int64).reshape(-1, width).T
