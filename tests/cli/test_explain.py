import json

import pytest

from batchgen.provider.catalogue_cache import remember
from batchgen.provider.interface import Catalogue, Model

ALIASED = """\
provider: {kind: simulator, simulator: {latency_s: 0.01, catalogue_shape: array}}
prompt: a mug
defaults: {size: auto}
matrix: {model: [google/gemini-2.5-flash-image, ir/test-video, test/test]}
"""


@pytest.fixture
def aliased(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(ALIASED, encoding="utf-8")
    return path


def test_explain_means_the_requests_that_a_run_would_send(batchgen, aliased):
    planned = [
        line.split()[1] for line in batchgen("plan", aliased, "--reasons").stdout.splitlines() if " new " in line
    ]
    explained = batchgen("explain", aliased, 1)
    keys = [line[:8] for line in explained.stdout.splitlines() if not line.startswith(" ")]
    assert keys == planned[:3]
    assert "google/gemini-2.5-flash\n" in explained.stdout
    assert not explained.stderr


def test_explain_and_prune_leave_what_was_bought_under_an_alias_where_it_is(batchgen, aliased):
    assert batchgen("run", aliased).returncode == 0
    assert batchgen("explain", aliased, 1).stdout.count("done: it is stored") == 3
    assert batchgen("prune", aliased).stderr.startswith("0 requests pruned")


def test_explain_resolves_aliases_from_an_old_copy_of_the_catalogue_and_says_so(
    batchgen, aliased, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    nobody = "http://127.0.0.1:9"
    remember(nobody, Catalogue({"maker/one": Model("maker/one", "image", None, aliases=("maker/uno",))}))
    aliased.write_text(
        f"provider: {{kind: imagerouter, base_url: '{nobody}'}}\nprompt: a\ndefaults: {{model: maker/uno}}\n"
    )
    done = batchgen("explain", aliased, 1)
    assert "repeat 1, maker/one\n" in done.stdout
    assert done.stderr == f"batchgen: note: catalogue from just now: {nobody} gives none now\n"


def bought_as(batchgen, tmp_path, before, now):
    """Buy one prompt, and return what is said of another one in its place."""
    job = tmp_path / "job.yaml"
    text = "provider: {{kind: simulator, simulator: {{latency_s: 0.01}}}}\ndefaults: {{model: test/test}}\nprompt: {}\n"
    job.write_text(text.format(json.dumps(before)), encoding="utf-8")
    assert batchgen("run", job).returncode == 0
    job.write_text(text.format(json.dumps(now)), encoding="utf-8")
    return batchgen("explain", job, 1).stdout, batchgen("plan", job, "--reasons").stdout


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ("a fox in snow", "a fox\nin snow", "a fox⟨line break⟩in"),
        ("a fox in snow", "a\u00a0fox in snow", "a⟨no-break space⟩fox"),
        ("a fox in snow", "a fox\u200b in snow", "a fox⟨zero width space⟩"),
        ("a fox in snow", "a f\u043ex in snow", "(U+006F latin small letter o → U+043E cyrillic small letter o)"),
    ],
)
def test_a_difference_that_nobody_sees_is_named(batchgen, tmp_path, before, now, said):
    for told in bought_as(batchgen, tmp_path, before, now):
        assert said in told


@pytest.mark.parametrize("now", ["a fox\r\nin snow", " a fox\nin snow\n", "a fox\rin snow"])
def test_other_line_ends_and_blanks_around_a_prompt_buy_nothing_again(batchgen, tmp_path, now):
    explained, planned = bought_as(batchgen, tmp_path, "a fox\nin snow", now)
    assert "done: it is stored" in explained
    assert " done " in planned
