"""Which pictures may stand against each other: those of one prompt, or of one row of the plan under several looks."""

import json

import pytest
from msgspec.structs import replace

from batchgen.compare import votes
from batchgen.compare.writing import write_page
from tests.compare import folders

MODELS = ("maker/one", "maker/two")
LOOKS = ("ink", "oil")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Two subjects in two looks that write themselves into the prompt, by two models; a category of both subjects."""
    with folders.building(tmp_path_factory.mktemp("run") / "looks") as folder:
        for number, subject in enumerate(("owl", "mug"), 1):
            for look in LOOKS:
                for model in MODELS:
                    request = folder.request(
                        f"{subject} in {look}",
                        model=model,
                        axes={"model": model, "look": look},
                        columns={"category": ("animal", "thing")[number - 1]},
                    )
                    folder.store(replace(request, row=number))
    write_page(folder.folder)
    return (folder.root / "compare.html").as_uri()


def cast(page, count=20):
    page.keyboard.press("v")
    for _ in range(count):
        page.keyboard.press("ArrowLeft")
    return [votes.parse(line.encode()) for line in page.evaluate("ballot.exported()").splitlines()]


def test_models_are_compared_on_each_prompt(visit, address):
    found = cast(visit(address))
    assert len(found) == 4
    assert {tuple(sorted((vote.a, vote.b))) for vote in found} == {MODELS}
    assert {json.loads(vote.item)["prompt"] for vote in found} == {
        f"{one} in {look}" for one in ("owl", "mug") for look in LOOKS
    }


def test_looks_of_one_row_are_compared_though_they_change_the_prompt(visit, address):
    found = cast(visit(f"{address}#x=look&y=row"))
    assert len(found) == 2
    assert {tuple(sorted((vote.a, vote.b))) for vote in found} == {LOOKS}
    assert {json.loads(vote.item)["row"] for vote in found} == {"1", "2"}


def test_a_row_of_the_plan_is_shown_with_its_prompt(visit, address):
    page = visit(f"{address}#x=model&y=row&sx=look")
    assert page.locator(".rowhead p").all_inner_texts() == ["1. owl in ink", "2. mug in ink"]
    assert page.locator(".group").all_inner_texts() == list(LOOKS)
    page.keyboard.press("Enter")
    assert page.locator(".which h2").inner_text() == "1. owl in ink"


@pytest.mark.parametrize("axes", ["x=prompt&y=model", "x=row&y=model", "x=category&y=model", "x=category&y=look"])
def test_different_prompts_are_never_compared(visit, address, axes):
    page = visit(f"{address}#{axes}")
    assert cast(page) == []
    assert page.get_by_role("heading", name="There is nothing to compare here").is_visible()
    assert page.locator(".voting.primary").count() == 0
