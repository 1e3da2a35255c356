"""The fast way to a canonical request gives, byte for byte, what its plain definition gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.request import (
    PARAMETERS,
    CanonicalForm,
    CanonicalRequest,
    Input,
    Kind,
    canonical_json,
    encoded,
    key_of,
    read_canonical,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(['%b "%d"', "\\u0000", "{}%%"])
INPUTS = st.builds(Input, st.just("a.png"), TEXTS)
NAMES = st.sampled_from(["model", "image", "mask", *PARAMETERS])


@st.composite
def calls(draw):
    return {
        "provider": draw(TEXTS),
        "kind": draw(st.sampled_from(Kind)),
        "model": draw(TEXTS),
        "parameters": draw(st.dictionaries(st.sampled_from(PARAMETERS), TEXTS)),
        "image": tuple(draw(st.lists(INPUTS, max_size=3))),
        "mask": draw(st.none() | INPUTS),
    }


@given(calls(), st.sets(NAMES), st.lists(st.tuples(calls(), st.integers(1, 10_000)), min_size=1, max_size=3))
def test_a_form_filled_with_values_is_the_canonical_json_of_them(fixed, names, others):
    # What varies is given by every row, or it does not vary.
    every = [call for call, _ in (*others, (fixed, 1))]
    varying = {name for name in names if all(call["parameters"].get(name) or call.get(name) for call in every)}
    form = CanonicalForm(varying=varying, **fixed)
    for other, repeat in others:
        call = {
            **fixed,
            **{name: other[name] for name in varying & {"model", "image", "mask"}},
            "parameters": {
                **fixed["parameters"],
                **{name: other["parameters"][name] for name in varying & set(PARAMETERS)},
            },
        }
        values = {
            **call["parameters"],
            "model": call["model"],
            "image": [one.digest for one in call["image"]],
            "mask": call["mask"].digest if call["mask"] else None,
        }
        filled = form.filled(tuple(encoded(values[name]) for name in form.slots), repeat)
        assert filled == canonical_json(**call, repeat=repeat)


def test_what_says_only_how_a_picture_travels_takes_no_slot():
    form = CanonicalForm(
        varying={"response_format", "prompt"}, provider="p", kind=Kind.IMAGE, model="m", parameters={"size": "1x1"}
    )
    assert form.slots == ("prompt",)


def test_a_canonical_request_is_read_back_as_it_was_written():
    call = {"provider": "p", "kind": Kind.IMAGE, "model": "m", "parameters": {"prompt": "a fox"}, "repeat": 2}
    pictures = {"image": (Input("a.png", "sha256:1"),), "mask": Input("b.png", "sha256:2")}
    expected = CanonicalRequest({"prompt": "a fox"}, "p", "image", "m", 2, ("sha256:1",), "sha256:2")
    assert read_canonical(canonical_json(**call, **pictures)) == expected


@pytest.mark.parametrize("canonical", [b"", b"{}"])
def test_a_key_is_32_hexadecimal_digits(canonical):
    assert len(key_of(canonical)) == 32
    assert int(key_of(canonical), 16)
