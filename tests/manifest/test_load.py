import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen.errors import ManifestError
from batchgen.manifest import Axis, AxisValue, Overrides, flat, json_schema, load_manifest

WHOLE = """\
name: mugs
provider: {kind: openai, base_url: "http://127.0.0.1:8080/v1", api_key_env: LOCAL_KEY}
prompt: "{subject}, {style}, {{studio}}"
rows:
  - {mood: calm, image: [a.png, b.png]}
  - {mood: wild, size: 512x512}
defaults: {size: 1024x1024, output_format: jpg, seconds: }
matrix:
  model: [openai/gpt-image-1, test/test]
  style:
    watercolor: loose watercolor
    photo: {style: 35mm photograph, size: 1536x1024}
    plain:
zip:
  - {subject: [mug, teapot], mask: [m.png, t.png]}
exclude: [{model: "openai/*", style: photo}]
include: [{model: midjourney/midjourney, style: watercolor}]
repeat: 4
limits:
  concurrency: 8
  adaptive: false
  rate: 5/s
  budget_usd: 25
  lanes: {"openai/*": {concurrency: 4, rate: 60/min}, "*:free": {rate: 50/day}}
retry: {attempts: 3, deadline: 2min, max_wait: 1h, on_doubt: hold, risk_usd: 0.5}
prices: {test/test: 0.002}
output: {folder: outputs/elsewhere, path: "{subject}/{style}-{repeat}"}
"""


def test_everything_a_job_file_can_say_arrives(load, tmp_path):
    manifest = load(WHOLE)
    assert (manifest.name, manifest.source, manifest.folder) == ("mugs", tmp_path / "job.yaml", tmp_path)
    assert manifest.provider.kind == "openai"
    assert manifest.provider.base_url == "http://127.0.0.1:8080/v1"
    assert manifest.provider.api_key_env == "LOCAL_KEY"
    assert manifest.prompt.render({"subject": "a mug", "style": "ink"}) == "a mug, ink, {studio}"
    assert [dict(row.values) for row in manifest.rows] == [
        {"mood": "calm", "image": ("a.png", "b.png")},
        {"mood": "wild", "size": "512x512"},
    ]
    assert [row.place for row in manifest.rows] == [f"{tmp_path}/job.yaml:5", f"{tmp_path}/job.yaml:6"]
    assert manifest.defaults == {"size": "1024x1024", "output_format": "jpeg"}
    assert manifest.repeat == 4
    assert manifest.prices == {"test/test": flat(2000)}
    assert manifest.output.folder == "outputs/elsewhere"
    assert manifest.output.path.names == ("subject", "style", "repeat")


def test_axes_stand_in_order_with_zips_last(load):
    model, style, zipped = load(WHOLE).axes
    assert model == Axis(
        "model",
        (
            AxisValue("openai/gpt-image-1", {"model": "openai/gpt-image-1"}),
            AxisValue("test/test", {"model": "test/test"}),
        ),
    )
    assert style.values == (
        AxisValue("watercolor", {"style": "loose watercolor"}),
        AxisValue("photo", {"style": "35mm photograph", "size": "1536x1024"}),
        AxisValue("plain", {}),
    )
    assert zipped.name == "subject+mask"
    assert zipped.values[0] == AxisValue("mug+m.png", {"subject": "mug", "mask": "m.png"})


def test_combinations_keep_their_places(load, tmp_path):
    manifest = load(WHOLE)
    assert manifest.exclude[0].choice == {"model": "openai/*", "style": "photo"}
    assert manifest.exclude[0].place == f"{tmp_path}/job.yaml:16"
    assert manifest.include[0].choice == {"model": "midjourney/midjourney", "style": "watercolor"}


def test_limits_and_retries_are_numbers_with_units(load):
    manifest = load(WHOLE)
    limits, retry = manifest.limits, manifest.retry
    assert (limits.concurrency, limits.adaptive, limits.rate.starts_per_s, limits.budget_microusd) == (
        8,
        False,
        5,
        25_000_000,
    )
    assert [(lane.pattern, lane.concurrency, lane.rate.text) for lane in limits.lanes] == [
        ("openai/*", 4, "60/min"),
        ("*:free", None, "50/day"),
    ]
    assert (retry.attempts, retry.deadline_s, retry.max_wait_s) == (3, 120, 3600)
    assert (retry.on_doubt, retry.risk_microusd) == ("hold", 500_000)


def test_what_is_not_said_has_its_documented_default(load):
    manifest = load("prompt: a\ndefaults: {model: b}\nmatrix:\nlimits:\n", file="My job (2).yaml")
    assert manifest.name == "My-job-2"
    assert manifest.provider.kind == "imagerouter"
    assert (manifest.limits.concurrency, manifest.limits.adaptive, manifest.limits.budget_microusd) == (16, True, None)
    assert (manifest.retry.attempts, manifest.retry.deadline_s, manifest.retry.max_wait_s) == (6, 660, 900)
    assert [dict(row.values) for row in manifest.rows] == [{}]
    assert (manifest.axes, manifest.repeat, manifest.output.folder) == ((), 1, None)


def test_settings_of_the_simulator_are_numbers_again(load):
    text = (
        "provider: {kind: simulator, simulator: {latency_s: 0.5, faults: {rate: 1}}}\nprompt: a\ndefaults: {model: b}\n"
    )
    assert load(text).provider.simulator == {"latency_s": 0.5, "faults": {"rate": 1}}


def test_a_byte_order_mark_is_no_part_of_the_first_key(load):
    assert load("\ufeffprompt: a\ndefaults: {model: b}\n").prompt.text == "a"


def test_rows_lie_beside_the_job_file_wherever_it_is_read_from(write, tmp_path, monkeypatch):
    write("jobs/prompts/a.csv", "prompt\na\n")
    write("jobs/job.yaml", "rows: prompts/a.csv\ndefaults: {model: b}\n")
    monkeypatch.chdir(tmp_path)
    manifest = load_manifest("jobs/job.yaml")
    assert [row.place for row in manifest.rows] == ["jobs/prompts/a.csv:2"]


@pytest.mark.parametrize(
    ("file", "content"),
    [("a.csv", "prompt\nx\n"), ("a.tsv", "prompt\nx\n"), ("a.jsonl", '{"prompt": "x"}\n'), ("a.txt", "x\n")],
)
def test_a_file_of_rows_is_a_job_and_flags_give_what_is_missing(load, file, content):
    flags = Overrides(
        parameters={"model": ("a", "b"), "size": ("512x512",)},
        repeat=2,
        budget_usd=1.5,
        concurrency=4,
        provider="simulator",
    )
    manifest = load(content, file=file, overrides=flags)
    assert manifest.name == "a"
    assert [[one.title for one in axis.values] for axis in manifest.axes] == [["a", "b"]]
    assert manifest.defaults == {"size": "512x512"}
    assert (manifest.repeat, manifest.limits.budget_microusd, manifest.limits.concurrency) == (2, 1_500_000, 4)
    assert manifest.provider.kind == "simulator"
    assert [row.values["prompt"] for row in manifest.rows] == ["x"]


def test_a_flag_replaces_the_axis_or_default_of_its_name(load):
    job = "prompt: a\ndefaults: {size: 1x1}\nmatrix: {model: [b, c]}\n"
    manifest = load(
        job, overrides=Overrides(parameters={"model": ("d",), "size": ("2x2", "3x3")}, prompt="{{x}}", name="n")
    )
    assert manifest.defaults == {"size": "1x1", "model": "d"}
    assert [(axis.name, len(axis.values)) for axis in manifest.axes] == [("size", 2)]
    assert (manifest.prompt.render({}), manifest.name) == ("{x}", "n")


def test_a_flag_does_not_tear_a_zip_apart(load):
    with pytest.raises(ManifestError, match=r"^--model: model moves together"):
        load("zip: [{model: [a], size: [1x1]}]\n", overrides=Overrides(parameters={"model": ("b",)}))


def test_the_schema_knows_every_key_of_the_language():
    schema = json_schema()
    keys = "extends name provider kind prompt rows defaults matrix zip exclude include repeat reuse limits retry prices"
    assert set(schema["properties"]) == {*keys.split(), "inputs", "output", "columns", "meant"}
    assert schema["additionalProperties"] is False
    assert len(schema["properties"]["provider"]["anyOf"]) == 2


WORDS = ["\n  ", ": ", "- ", "prompt", "rows", "matrix", "model", "zip", "limits", "provider", "defaults", "exclude"]
MARKS = ["include", "output", "path", "a", "1", "~", "{a}", "<<", "---\n", "\0", "é", "api_key"]
yaml_words = st.sampled_from([*"{}[]:,-#&*!|>'\"%@`?\n \t", *WORDS, *MARKS])
any_value = st.recursive(
    st.none() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
)
SECTIONS = [line.partition(":")[0] for line in WHOLE.splitlines() if line[0].isalpha()]
NESTED = [
    "kind",
    "lanes",
    "path",
    "folder",
    "budget_usd",
    "concurrency",
    "deadline",
    "model",
    "image",
    "key",
    "api_key",
]
any_section = st.none() | st.text(max_size=5) | st.lists(any_value, max_size=3)
any_section |= st.dictionaries(st.sampled_from(NESTED) | st.text(max_size=3), any_value, max_size=3)
unlimited = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(write, content):
    """Reads a job file with this content; any exception but a ManifestError with problems fails the test."""
    problems = ()
    try:
        load_manifest(write("job.yaml", content))
    except ManifestError as error:
        problems = error.problems
        assert problems
    assert all(str(one).isprintable() for one in problems)


@unlimited
@given(st.lists(yaml_words, max_size=30).map("".join))
def test_any_text_is_a_manifest_or_a_list_of_problems(write, content):
    read(write, content)


@unlimited
@given(st.binary(max_size=50))
def test_any_bytes_are_a_manifest_or_a_list_of_problems(write, content):
    read(write, content)


@unlimited
@given(st.dictionaries(st.sampled_from(SECTIONS), any_section, max_size=5))
def test_any_values_under_the_right_keys_are_a_manifest_or_a_list_of_problems(write, sections):
    read(write, yaml.safe_dump(sections, allow_unicode=False))
