"""A shard is written I/N, counted from 0; all shards together have what the manifest allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.errors import ManifestError
from batchgen.manifest import Overrides, load_manifest
from batchgen.manifest.shard import Shard, read_shard

JOB = """\
prompt: a mug
defaults: {model: test/test}
limits: {budget_usd: 10, night_budget_usd: 1, rate: 60/min, concurrency: 8, lanes: {"test/*": {rate: 10/s}}}
retry: {risk_usd: 0.25}
"""


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "job.yaml"

    def load(shard, text=JOB):
        path.write_text(text, encoding="utf-8")
        return load_manifest(path, overrides=Overrides(shard=shard))

    return load


def test_a_shard_is_read_as_it_is_written():
    assert [read_shard(text) for text in ("0/1", " 3/16 ", "15/16")] == [Shard(0, 1), Shard(3, 16), Shard(15, 16)]
    assert str(read_shard("3/16")) == "3/16"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("4/4", "'4/4' is no shard: they count from 0, so the last of 4 is 3/4"),
        ("/4", "'/4' has no number before the slash; is the variable set that should give it"),
        ("3", "must be I/N, such as 0/4 for the first of four, found '3'"),
        ("-1/4", "must be I/N"),
        ("0/0", "must name from 1 to 10,000 shards, found '0/0'"),
        ("0/10001", "must name from 1 to 10,000 shards"),
        ("1/4/2", "must be I/N"),
        ("\u0661/4", "must be I/N"),
        ("", "must be I/N"),
    ],
)
def test_what_is_no_shard_is_told_with_the_other_mistakes_of_the_manifest(load, text, said):
    with pytest.raises(ManifestError) as caught:
        load(text, JOB.replace("concurrency: 8", "concurrency: 0"))
    told = [str(problem) for problem in caught.value.problems]
    assert any(line.startswith("--shard: ") and said in line for line in told)
    assert any("concurrency" in line for line in told)


@given(st.integers(0, 10**12), st.integers(1, 500))
def test_the_parts_of_an_amount_are_the_amount_and_differ_by_one_at_most(amount, count):
    parts = [Shard(index, count).part_of(amount) for index in range(count)]
    assert sum(parts) == amount
    assert max(parts) - min(parts) <= 1


@given(st.integers(0, 2**64 - 1), st.integers(1, 500))
def test_a_request_belongs_to_one_shard(number, count):
    assert sum(Shard(index, count).has(number) for index in range(count)) == 1


def test_the_shards_of_a_manifest_have_its_limits_together(load):
    whole, parts = load(None), [load(f"{index}/3") for index in range(3)]
    for limit in ("budget_microusd", "night_microusd"):
        assert sum(getattr(part.limits, limit) for part in parts) == getattr(whole.limits, limit)
    assert sum(part.retry.risk_microusd for part in parts) == whole.retry.risk_microusd == 250_000
    assert sum(part.limits.rate.starts_per_s for part in parts) == pytest.approx(1)
    assert sum(part.limits.lanes[0].rate.starts_per_s for part in parts) == pytest.approx(10)
    assert {part.limits.concurrency for part in parts} == {8}
    assert [(part.shards, str(part.shard)) for part in parts] == [(3, "0/3"), (3, "1/3"), (3, "2/3")]


def test_a_limit_that_a_manifest_does_not_set_is_not_set_for_a_shard(load):
    part = load("1/3", "prompt: a mug\ndefaults: {model: test/test}\n")
    limits = part.limits
    assert (limits.budget_microusd, limits.night_microusd, limits.rate) == (None, None, None)
    assert part.retry.risk_microusd is None
