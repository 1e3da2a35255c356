"""Which bought request a new one takes the place of, and what is said of their difference."""

from dataclasses import dataclass, field

import pytest

from batchgen.errors import UsageError
from batchgen.planning.explaining import explain_one, pick
from batchgen.planning.reasons import (
    FieldChange,
    Reason,
    by_reason,
    differences,
    explain,
    explained,
    look_over,
    nearest,
    shortened,
)
from batchgen.request import Input, Kind, Request, State, canonical_json, key_of

PROMPT = "a red mug on a wooden table, studio light"


def request(
    prompt=PROMPT, *, model="maker/one", row=1, repeat=1, columns=None, axes=None, image=(), index=0, **parameters
):
    parameters = {"prompt": prompt, **parameters}
    canonical = canonical_json(
        provider="simulator", kind=Kind.IMAGE, model=model, parameters=parameters, image=image, repeat=repeat
    )
    return Request(
        key=key_of(canonical),
        canonical=canonical,
        provider="simulator",
        kind=Kind.IMAGE,
        model=model,
        parameters=parameters,
        image=image,
        repeat=repeat,
        index=index,
        row=row,
        columns=columns or {},
        axes=axes or {},
    )


@dataclass
class Bought:
    key: str
    canonical: bytes
    row: int
    repeat: int
    columns: dict = field(default_factory=dict)
    axes: dict = field(default_factory=dict)


def bought(*given, **more):
    one = request(*given, **more)
    return Bought(one.key, one.canonical, one.row, one.repeat, dict(one.columns), dict(one.axes))


def picture(digest):
    return (Input("mug.png", f"sha256:{digest}"),)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({}, {"prompt": PROMPT.replace("red", "blue")}, [("prompt", PROMPT, PROMPT.replace("red", "blue"))]),
        ({}, {"model": "maker/two"}, [("model", "maker/one", "maker/two")]),
        ({"size": "64x64"}, {"size": "auto"}, [("size", "64x64", "auto")]),
        ({}, {"size": "auto"}, [("size", None, "auto")]),
        ({"quality": "low"}, {}, [("quality", "low", None)]),
        ({}, {"repeat": 2}, [("repeat", "1", "2")]),
        ({"image": picture("aa")}, {"image": picture("bb")}, [("image", "sha256:aa", "sha256:bb")]),
        ({}, {"image": picture("bb")}, [("image", None, "sha256:bb")]),
        ({}, {"prompt": "x", "model": "y"}, [("prompt", PROMPT, "x"), ("model", "maker/one", "y")]),
        ({}, {"row": 9, "columns": {"a": "b"}, "axes": {"c": "d"}}, []),
    ],
)
def test_every_field_that_is_sent_is_told_and_no_other(before, now, expected):
    found = differences(request(**before).canonical, request(**now).canonical)
    assert found == tuple(FieldChange(*one) for one in expected)


@pytest.mark.parametrize(
    ("now", "orphans", "reason"),
    [
        # The same row, whatever changed in it.
        ({"prompt": "a green owl"}, [{}], Reason.CHANGED),
        ({"model": "maker/two", "size": "auto", "quality": "high"}, [{}], Reason.CHANGED),
        # A row that moved: its columns, or its words, give it away.
        ({"prompt": "all new", "row": 7, "columns": {"id": "m"}}, [{"columns": {"id": "m"}}], Reason.CHANGED),
        ({"prompt": PROMPT.replace("red", "blue"), "row": 7}, [{}], Reason.CHANGED),
        ({"model": "maker/two", "row": 7}, [{}], Reason.CHANGED),
        ({"image": picture("bb"), "row": 7}, [{"image": picture("aa")}], Reason.CHANGED),
        # Another row altogether, another value of an axis, another repeat.
        ({"prompt": "a green owl in a tree", "row": 7}, [{}], Reason.NEW),
        ({"prompt": PROMPT.replace("red", "blue"), "model": "maker/two", "row": 7}, [{}], Reason.NEW),
        ({"prompt": "a green owl", "axes": {"style": "ink"}}, [{"axes": {"style": "oil"}}], Reason.NEW),
        ({"prompt": "a green owl", "repeat": 2}, [{}], Reason.NEW),
        ({}, [], Reason.NEW),
    ],
)
def test_a_request_is_changed_where_it_takes_the_place_of_one_no_longer_asked_for(now, orphans, reason):
    found = explain(request(**now), None, lambda _: [bought(**one) for one in orphans])
    assert found.reason is reason
    assert (found.relative is not None) == (reason is Reason.CHANGED)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([{"prompt": "owl", "size": "auto"}, {"prompt": "owl"}], {"prompt": "owl"}),
        ([{"prompt": "owl", "row": 2}, {"prompt": "owl", "row": 1}], {"prompt": "owl", "row": 1}),
        (
            [{"prompt": "a blue owl"}, {"prompt": PROMPT.replace("red", "blue")}],
            {"prompt": PROMPT.replace("red", "blue")},
        ),
        ([{"prompt": "owl"}, {"model": "maker/two", "columns": {"a": "b"}}], {"prompt": "owl"}),
    ],
)
def test_the_nearest_differs_in_the_fewest_fields_then_stands_in_the_same_place_then_says_the_same(others, expected):
    found = nearest(request(), [bought(**one) for one in others])
    assert found.key == request(**expected).key


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.STORED, Reason.DONE),
        (State.REFUSED, Reason.REFUSED),
        (State.SPOILED, Reason.SPOILED),
        (State.DOUBT, Reason.DOUBT),
        (State.SENT, Reason.DOUBT),
        (State.WAITING, Reason.WAITING),
        (State.ANSWERED, Reason.PAID),
    ],
)
def test_what_the_ledger_knows_is_the_reason(state, reason):
    assert explain(request(), state, lambda _: [bought("owl")]).reason is reason


def test_values_are_cut_to_where_they_differ():
    long = "x" * 500
    assert shortened(f"{long} red {long}", f"{long} blue {long}") == (
        "…" + "x" * 14 + " red " + "x" * 14 + "…",
        "…" + "x" * 14 + " blue " + "x" * 14 + "…",
    )
    assert shortened("a", "b") == ("a", "b")
    assert shortened("a cup", "a cup of tea") == ("a cup", "a cup of tea")
    assert shortened("aaaa", "aaaaaa") == ("aaaa", "aaaaaa")
    assert shortened("x" * 500, "y" * 500, longest=10) == ("x" * 8 + "…", "y" * 8 + "…")


def test_equal_requests_are_explained_once_and_counts_add_up():
    asked = [request(row=row) for row in range(3)] + [request("owl", row=3)]
    found = list(explained(asked, lambda keys: {asked[3].key: State.STORED}, lambda _: ()))
    assert [one.reason for one in found] == [Reason.NEW, Reason.DONE]
    assert by_reason({None: 3, State.STORED: 2}, 1) == {Reason.NEW: 2, Reason.CHANGED: 1, Reason.DONE: 2}


def test_one_that_is_no_longer_asked_for_gives_way_once_and_what_stands_in_its_own_place_is_never_new():
    gone = [bought(row=1)]
    edited = [
        request(PROMPT.replace("red", colour), row=row) for row, colour in enumerate(("blue", "green", "grey"), 5)
    ]
    found = list(explained(edited, lambda _: {}, lambda _: gone))
    assert [one.reason for one in found] == [Reason.CHANGED, Reason.NEW, Reason.NEW]
    assert [one.relative is None for one in found] == [False, True, True]
    # A column that all rows share tells nothing of their place.
    gone, labelled = (
        [bought(columns={"set": "a"})],
        [request(f"{row}", row=row, columns={"set": "a"}) for row in (5, 6)],
    )
    found = list(explained(labelled, lambda _: {}, lambda _: gone))
    assert [one.reason for one in found] == [Reason.CHANGED, Reason.NEW]
    found = list(explained([edited[0], request("an owl", row=1)], lambda _: {}, lambda _: gone))
    assert [one.reason for one in found] == [Reason.CHANGED, Reason.CHANGED]


def test_a_look_that_needs_only_the_first_stops_there():
    read = []

    def stream():
        for row in range(100):
            read.append(row)
            yield explain(request(f"mug {row}"), State.STORED if row < 5 else None, lambda _: ())

    look = look_over(stream(), first=2, whole=False)
    assert [one.request.parameters["prompt"] for one in look.first] == ["mug 5", "mug 6"]
    assert len(read) == 7
    assert look_over(stream(), first=2, whole=True).changed == 0
    assert len(read) == 107


def test_a_new_request_is_held_against_all_that_was_bought_though_it_replaces_none():
    found = explain_one(request(), None, (), [bought("owl", size="auto"), bought(model="maker/two")])
    assert found.reason is Reason.NEW
    assert [one.field for one in found.relative.differences] == ["model"]


ASKED = [request(f"mug {row}", row=row) for row in range(1, 40)]


def test_a_row_s_number_means_all_its_requests():
    assert pick([*ASKED, request("mug 2", row=2, repeat=2)], "2") == (ASKED[1], request("mug 2", row=2, repeat=2))


def test_the_beginning_of_a_key_means_one_request():
    assert pick(ASKED, ASKED[5].key[:12]) == (ASKED[5],)
    assert pick(ASKED, ASKED[5].key.upper()) == (ASKED[5],)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("77", "there is no row 77 that makes a request; rows reach up to 39"),
        ("zebra", "neither a row's number nor the beginning of a key"),
        ("", "neither a row's number nor the beginning of a key"),
        ("-1", "neither a row's number nor the beginning of a key"),
        ("ffffffffffff", "the nearest are "),
    ],
)
def test_a_word_that_means_nothing_is_answered_with_help(word, said):
    with pytest.raises(UsageError, match=said):
        pick(ASKED, word)


def test_a_beginning_that_means_several_asks_for_more_of_it():
    first = max("abcdef", key=lambda digit: sum(one.key.startswith(digit) for one in ASKED))
    with pytest.raises(UsageError, match="give more digits"):
        pick(ASKED, first)


def test_an_unknown_key_is_answered_with_those_that_begin_most_like_it():
    wanted = ASKED[7].key[:10] + ("0" if ASKED[7].key[10] != "0" else "1")
    with pytest.raises(UsageError, match=f"the nearest are {ASKED[7].key[:12]}"):
        pick(ASKED, wanted)
