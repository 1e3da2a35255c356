import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.provider.catalogue import read_catalogue
from batchgen.provider.interface import Catalogue, Model, Price

ENTRIES = {
    "openai/gpt-image-1": {
        "release_date": "2025-04-23",
        "output": ["image"],
        "inputs": {"image": True, "mask": False, "quality": True, "size": ["auto", "1024x1024"]},
        "price": {"min": 0.011, "average": 0.167, "max": 0.3},
    },
    "test/any-size": {
        "output": ["image"],
        "inputs": {"image": False, "mask": False, "quality": False, "size": ["custom"]},
        "price": {"min": 0, "average": 0, "max": 0},
    },
    "ir/video": {
        "output": ["video"],
        "inputs": {"seconds": [3, 5, "auto"], "size": ["864x480"]},
        "price": {"min": 0.068, "average": 0.144, "max": 0.3456},
    },
}
ARRAY = [{"id": name, "aliases": ["gpt"] if "gpt" in name else [], **entry} for name, entry in ENTRIES.items()]


def test_a_model_says_its_price_sizes_and_what_it_takes():
    models = read_catalogue(ARRAY).models
    assert models["openai/gpt-image-1"] == Model(
        id="openai/gpt-image-1",
        kind="image",
        price=Price(11_000, 167_000, 300_000, "catalogue"),
        aliases=("gpt",),
        sizes=("auto", "1024x1024"),
        takes_mask=False,
        released="2025-04-23",
    )
    assert models["test/any-size"].sizes == ()
    assert models["test/any-size"].price == Price(0, 0, 0, "catalogue")
    assert (models["ir/video"].kind, models["ir/video"].seconds) == ("video", ("3", "5", "auto"))


def test_the_three_shapes_of_the_catalogue_give_the_same_models():
    listed = read_catalogue([{"id": name, **entry} for name, entry in ENTRIES.items()])
    assert list(listed.models) == list(ENTRIES)
    assert read_catalogue({"data": [{"id": name, **entry} for name, entry in ENTRIES.items()]}) == listed
    assert read_catalogue(ENTRIES) == listed


def test_a_model_is_found_by_its_identifier_and_by_its_alias():
    catalogue = read_catalogue(ARRAY)
    assert catalogue.find("gpt") is catalogue.find("openai/gpt-image-1") is not None
    assert catalogue.find("GPT") is None


@pytest.mark.parametrize(
    ("stated", "price"),
    [
        ({"min": 0.01}, Price(10_000, 10_000, 10_000, "catalogue")),
        ({"average": "0.02", "max": None}, Price(20_000, 20_000, 20_000, "catalogue")),
        ({"min": 0.01, "max": 0.03}, Price(10_000, 30_000, 30_000, "catalogue")),
        ({"min": 0.03, "average": 0.02, "max": 0.01}, Price(10_000, 20_000, 30_000, "catalogue")),
        *[(price, None) for price in ({}, None, "free", {"min": -1}, {"max": True}, {"average": float("nan")})],
    ],
)
def test_a_price_is_ordered_and_a_missing_one_is_never_free(stated, price):
    assert read_catalogue([{"id": "a", "price": stated}]).models["a"].price == price


@pytest.mark.parametrize(
    "stated",
    [
        *[None, 5, "text", True, [], {}, [None, 5, "a", []], [{"id": None}, {"id": 5}, {"id": ""}, {}]],
        *[{"data": None}, {"data": {}}, {"a": None}, {"error": {"message": "no"}}, {"error": "no", "data": []}],
    ],
)
def test_what_holds_no_model_is_an_empty_catalogue(stated):
    assert read_catalogue(stated) == Catalogue({})


def test_nonsense_in_one_entry_costs_only_that_entry():
    hostile = {"id": "b", "inputs": 5, "output": 7, "price": [], "aliases": {"x": 1}, "release_date": ["x"]}
    models = read_catalogue([7, hostile, ARRAY[0]]).models
    assert list(models) == ["b", "openai/gpt-image-1"]
    assert models["b"] == Model("b", "image", None, released="x")


NAMES = st.sampled_from(
    ["id", "data", "inputs", "output", "price", "aliases", "size", "seconds", "min", "max", "release_date"]
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)))
def test_no_catalogue_whatsoever_raises(stated):
    for model in read_catalogue(stated).models.values():
        msgspec.json.encode(model)
        assert model.price is None or model.price.low_microusd <= model.price.expected_microusd
