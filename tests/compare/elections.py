"""Votes of people who are as sure as we tell them to be: what rankings are tested on."""

import json

import numpy as np

from batchgen.compare.bradley_terry import centred, strengths
from batchgen.compare.vote import Vote, Winner
from tests.compare.pairs import Row, choose

MODELS = ("amber", "birch", "cedar", "delta", "ember", "fjord")


def vote(winner="a", *, item="mug", a="amber", b="birch", voter="ann", ts=1_000, **more):
    return Vote(item=item, a=a, b=b, winner=Winner(winner), voter=voter, ts=ts, **more)


def item(prompt, repeat=1):
    return json.dumps({"prompt": f"prompt {prompt}", "repeat": str(repeat)}, separators=(",", ":"))


def election(rng, truth, *, prompts, votes, ties=0.0, spread=0.0):
    """``votes`` on random pairs for each prompt; each model's strength differs from prompt to prompt by ``spread``."""
    size = len(truth)
    cast = []
    for prompt in range(prompts):
        here = np.asarray(truth) + spread * rng.normal(size=size)
        ones = rng.integers(size, size=votes)
        others = (ones + rng.integers(1, size, size=votes)) % size
        chances = 1 / (1 + np.exp(here[others] - here[ones]))
        lots = rng.random((votes, 2)).tolist()
        for number, (one, other, chance, (tied, won)) in enumerate(zip(ones, others, chances, lots, strict=True)):
            winner = "tie" if tied < ties else "a" if won < chance else "b"
            cast.append(vote(winner, item=item(prompt, number), a=MODELS[one], b=MODELS[other], ts=len(cast)))
    return cast


def chosen_election(rng, truth, *, prompts, votes, spread=0.0):
    """Votes on the pairs that the page shows, next after next: which they are hangs on how the earlier ones ended."""
    titles = MODELS[: len(truth)]
    moods = np.asarray(truth) + spread * rng.normal(size=(prompts, len(truth)))
    rows = [Row(item(prompt), {title: title for title in titles}) for prompt in range(prompts)]
    numbers = {row.item: number for number, row in enumerate(rows)}
    cast, wins = [], np.zeros((len(truth), len(truth)))
    for ts in range(prompts * votes):
        ratings = dict(zip(titles, strengths(wins).tolist(), strict=True))
        shown = choose(rows, titles, cast, voter="ann", seed=int(rng.integers(2**32)), ratings=ratings)
        one, other = titles.index(shown.a), titles.index(shown.b)
        here = moods[numbers[shown.item]]
        won = rng.random() < 1 / (1 + np.exp(here[other] - here[one]))
        wins[(one, other) if won else (other, one)] += 1
        cast.append(vote("a" if won else "b", item=shown.item, a=shown.a, b=shown.b, ts=ts))
    return cast


def best_of_all_election(rng, truth, *, prompts, votes):
    """Whole rows: whoever is the best of all on a prompt beats each other."""
    cast = []
    for ts in range(prompts * votes):
        liked = np.asarray(truth) + rng.gumbel(size=len(truth))
        best = MODELS[liked.argmax()]
        others = [title for title in MODELS[: len(truth)] if title != best]
        cast += [vote("a", item=item(ts % prompts, ts), a=best, b=other, ts=ts) for other in others]
    return cast


def meant(truth, *, ties=0.0, spread=0.0):
    """The strengths that endlessly many such votes lead to: ties and moods make them smaller than ``truth``."""
    size = len(truth)
    here = np.asarray(truth) + spread * np.random.default_rng(0).normal(size=(100_000, size))
    chances = np.array([[(1 / (1 + np.exp(here[:, b] - here[:, a]))).mean() for b in range(size)] for a in range(size)])
    wins = ties / 2 + (1 - ties) * chances
    np.fill_diagonal(wins, 0)
    return centred(strengths(wins * 1e7), [range(size)])
