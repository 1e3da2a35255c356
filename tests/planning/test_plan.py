import itertools
import json
import string
from collections import Counter
from dataclasses import replace
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen.errors import ManifestError
from batchgen.manifest import Shard, load_manifest
from batchgen.planning.plan import Plan, make_plan
from batchgen.planning.survey import MAX_PROBLEMS
from batchgen.provider.interface import Catalogue, Model
from batchgen.request import canonical_json, key_of, number_of
from tests.photos import LASTING

PNG = LASTING
ALIASED = Catalogue(
    {"google/gemini": Model("google/gemini", "image", None, aliases=("gemini", "nano-banana"))}, binding=False
)


def keys(plan):
    return [request.key for request in plan]


def problems(plan, content, **options):
    with pytest.raises(ManifestError) as caught:
        plan(content, **options)
    return [str(problem) for problem in caught.value.problems]


def test_a_sweep_is_rows_times_axes_times_repeat_in_their_order(plan):
    sweep = plan("""\
prompt: "{subject}, {style}"
rows: [{subject: mug}, {subject: teapot}]
matrix: {model: [a/1, a/2], style: {ink: loose ink, photo: {style: 35mm, size: 1536x1024}}}
defaults: {size: 512x512, quality: low}
repeat: 2
""")
    requests = list(sweep)
    assert [request.index for request in requests] == list(range(16))
    assert [(one.row, one.model, one.axes["style"], one.repeat) for one in requests] == list(
        itertools.product([1, 2], ["a/1", "a/2"], ["ink", "photo"], [1, 2])
    )
    assert requests[0].parameters == {"prompt": "mug, loose ink", "quality": "low", "size": "512x512"}
    assert requests[2].parameters == {"prompt": "mug, 35mm", "quality": "low", "size": "1536x1024"}
    assert requests[0].columns == {"subject": "mug", "style": "loose ink"}
    assert requests[0].axes == {"model": "a/1", "style": "ink"}
    assert requests[0].lane == "imagerouter:a/1"
    assert len(set(keys(sweep))) == 16
    assert list(sweep) == requests


def test_zipped_lists_move_together(plan):
    requests = list(
        plan("""\
prompt: "{subject}"
defaults: {model: m}
zip: [{subject: [mug, pot], image: [a.png, b.png]}]
matrix: {size: [1x1, 2x2]}
""")
    )
    assert [(one.columns["subject"], one.image[0].source, one.parameters["size"]) for one in requests] == [
        ("mug", "a.png", "1x1"),
        ("pot", "b.png", "1x1"),
        ("mug", "a.png", "2x2"),
        ("pot", "b.png", "2x2"),
    ]


RULED = """\
prompt: "{subject} {style}"
rows: [{subject: mug}, {subject: pot}]
matrix: {model: [a/1, a/2], style: [ink, oil]}
"""


@pytest.mark.parametrize(
    ("rules", "count"),
    [
        ("", 8),
        ("exclude: [{model: a/1}]", 4),
        ("exclude: [{model: a/1, style: ink}]", 6),
        ('exclude: [{model: "a/*", style: "i*"}]', 4),
        ("exclude: [{subject: mug}]", 4),
        ("exclude: [{subject: mug, model: a/1}]", 6),
        ("include: [{model: b/1, style: ink}]", 10),
        ("exclude: [{style: '*'}]\ninclude: [{model: b/1, style: ink}]", 2),
        ("exclude: [{subject: mug}]\ninclude: [{model: b/1, style: ink}]", 6),
    ],
)
def test_rules_drop_and_add_combinations(plan, rules, count):
    ruled = plan(RULED + rules)
    assert len(keys(ruled)) == count
    assert sum(ruled.count_by_model().values()) == count


def test_what_an_included_combination_does_not_name_falls_back_to_the_defaults(plan):
    requests = list(
        plan("prompt: a\ndefaults: {model: m, size: 1x1}\nmatrix: {size: [2x2]}\ninclude: [{model: n}, {size: 2x2}]\n")
    )
    assert [(one.model, one.parameters["size"]) for one in requests] == [("m", "2x2"), ("n", "1x1"), ("m", "2x2")]


def test_axes_come_before_rows_and_rows_before_defaults(plan):
    rows = "rows: [{size: 2x2, quality: low}, {}]"
    requests = list(
        plan(f"prompt: a\n{rows}\ndefaults: {{model: m, size: 1x1, quality: auto}}\nmatrix: {{quality: [high]}}\n")
    )
    assert [(one.parameters["size"], one.parameters["quality"]) for one in requests] == [
        ("2x2", "high"),
        ("1x1", "high"),
    ]


def test_a_column_may_say_how_often_and_with_which_model(plan):
    content = "prompt,model,repeat,mood\na,m/1,3,calm\nb,m/2,,wild\n"
    requests = list(plan(content, file="job.csv"))
    assert [(one.model, one.repeat, one.index, one.columns) for one in requests] == [
        ("m/1", 1, 0, {"mood": "calm"}),
        ("m/1", 2, 1, {"mood": "calm"}),
        ("m/1", 3, 2, {"mood": "calm"}),
        ("m/2", 1, 3, {"mood": "wild"}),
    ]
    assert plan(content, file="job.csv").count_by_model() == {"m/1": 3, "m/2": 1}


def test_a_row_speaks_for_the_model_of_an_included_combination_that_names_none(plan):
    sweep = plan("""\
prompt: a
rows: [{model: r/1}, {model: r/2}]
matrix: {model: [a/1], style: [ink]}
include: [{style: ink}]
""")
    assert sweep.count_by_model() == Counter(request.model for request in sweep) == {"a/1": 2, "r/1": 1, "r/2": 1}


# A change of these keys makes every run folder in the world buy its pictures again: raise KEY_VERSION when you must.
GOLDEN = {
    "defaults: {model: test/test}": "7e38ca449c9ba588bbef40c70a1f4ff6",
    "defaults: {model: test/test, size: 512x512, quality: low, output_format: jpg}": "1d09a26c9266af0d1f203887365ef06d",
    (
        "provider: simulator\ndefaults: {model: a/1, image: [a.png, 'https://x.example/b.png'], mask: c.png}"
    ): "20d0e36dc64f1a7e4e92ebb418809e6b",
}


@pytest.mark.parametrize(("content", "key"), GOLDEN.items())
def test_keys_are_what_they_always_were(plan, content, key):
    assert keys(plan(f"prompt: a fox\n{content}\n")) == [key]


BASE = """\
prompt: "{subject}"
rows: [{subject: mug, mood: calm}, {subject: pot, mood: wild}]
defaults: {model: m, size: 1x1, image: [a.png], mask: c.png}
"""


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        ("[{subject: mug, mood: calm}, {subject: pot, mood: wild}]", "[{subject: pot}, {subject: mug, note: new}]"),
        ("size: 1x1", "size: 1x1, response_format: b64_json"),
        ("mask: c.png}", "mask: c.png}\nname: other\nprices: {m: 0.5}\nlimits: {concurrency: 2, budget_usd: 1}"),
        ("mask: c.png}", 'mask: c.png}\noutput: {folder: elsewhere, path: "{subject}-{mood}"}'),
        ('prompt: "{subject}"', 'prompt: "{subject}{nothing}"\nmeant: [empty-values]\nmatrix: {nothing: [""]}'),
        ("image: [a.png]", "image: [same.png]"),
        ("image: [a.png]", "image: a.png"),
    ],
)
def test_a_key_is_unmoved_by_what_can_not_change_the_picture(plan, tmp_path, found, instead):
    (tmp_path / "same.png").write_bytes(PNG + b"a")
    assert found in BASE
    assert sorted(keys(plan(BASE))) == sorted(keys(plan(BASE.replace(found, instead))))


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        ("model: m", "model: n"),
        ("size: 1x1", "size: 2x2"),
        ("size: 1x1", "size: 1x1, quality: low"),
        ("size: 1x1", "size: 1x1, output_format: png"),
        ("size: 1x1", "size: 1x1, seconds: 5"),
        ("image: [a.png]", "image: [b.png]"),
        ("image: [a.png]", "image: [a.png, b.png]"),
        (", image: [a.png], mask: c.png", ""),
        ("mask: c.png", "mask: b.png"),
        (", mask: c.png", ""),
        ('prompt: "{subject}"', 'prompt: "{subject}."'),
        ('prompt: "{subject}"', 'provider: simulator\nprompt: "{subject}"'),
    ],
)
def test_a_key_follows_everything_that_can_change_the_picture(plan, found, instead):
    assert found in BASE
    assert not set(keys(plan(BASE))) & set(keys(plan(BASE.replace(found, instead))))


def test_a_key_follows_the_bytes_of_its_input_and_not_their_name(plan, tmp_path):
    before = keys(plan(BASE))
    (tmp_path / "a.png").write_bytes(PNG + b"new")
    assert not set(before) & set(keys(plan(BASE)))
    (tmp_path / "a.png").write_bytes(PNG + b"a")
    assert keys(plan(BASE)) == before


def test_more_repeats_keep_the_keys_of_the_first_ones(plan):
    two, three = (keys(plan(f"{BASE}repeat: {times}\n")) for times in (2, 3))
    assert [key for place, key in enumerate(three) if place % 3 < 2] == two
    assert len(set(three)) == 6


def test_the_order_of_two_inputs_counts(plan):
    one, other = (plan(BASE.replace("[a.png]", order)) for order in ("[a.png, b.png]", "[b.png, a.png]"))
    assert not set(keys(one)) & set(keys(other))


def test_the_canonical_form_names_every_field_that_counts(plan):
    request = next(iter(plan(BASE.replace("size: 1x1", "size: 1x1, response_format: url"))))
    stated = json.loads(request.canonical)
    assert list(stated) == sorted(stated)
    assert stated["parameters"] == {"prompt": "mug", "size": "1x1"}
    assert [digest[:7] for digest in (*stated["image"], stated["mask"])] == ["sha256:"] * 2


def test_an_alias_is_resolved_before_the_key_is_computed(plan):
    content = "prompt: a\nmatrix: {model: [gemini, google/gemini, nano-banana, other]}\n"
    resolved = plan(content, catalogue=ALIASED)
    assert [request.model for request in resolved] == ["google/gemini"] * 3 + ["other"]
    assert len(set(keys(resolved))) == 2
    assert resolved.count_by_model() == {"google/gemini": 3, "other": 1}
    assert len(set(keys(plan(content)))) == 4


def test_jpg_and_jpeg_are_one_request(plan):
    jpg, jpeg = (
        plan(f"prompt: a\nrows: [{{output_format: {name}}}]\ndefaults: {{model: m}}\n") for name in ("jpg", "jpeg")
    )
    assert keys(jpg) == keys(jpeg)


def test_the_first_of_a_billion_requests_come_at_once(load):
    digits = json.dumps([str(digit) for digit in range(10)])
    axes = "".join(f"  v{number}: {digits}\n" for number in range(9))
    prompt = " ".join(f"{{v{number}}}" for number in range(9))
    endless = Plan(load(f'prompt: "{prompt}"\ndefaults: {{model: m}}\nmatrix:\n{axes}'))
    first = list(itertools.islice(endless, 11))
    assert first[-1].parameters["prompt"] == "0 0 0 0 0 0 0 1 0"


def test_each_input_is_read_once_for_the_whole_plan(load):
    reading = Plan(
        load("prompt: a\ndefaults: {model: m, image: a.png, mask: b.png}\nrepeat: 9\nmatrix: {size: [1x1, 2x2]}\n")
    )
    with mock.patch("pathlib.Path.read_bytes", autospec=True, return_value=PNG) as read:
        assert len(list(reading)) == 18
        assert len(list(reading)) == 18
    assert read.call_count == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('prompt: "{subjct}"\nrows: job.jsonl\ndefaults: {model: m}\n', "did you mean 'subject'?"),
        ('prompt: a\nrows: job.jsonl\ndefaults: {model: m}\noutput: {path: "{subjct}"}\n', "did you mean 'subject'?"),
        ('prompt: "{qqqq}"\nrows: job.jsonl\ndefaults: {model: m}\n', "known here: "),
        ("prompt: a\nrows: job.jsonl\n", "no model is named"),
        ("rows: job.jsonl\ndefaults: {model: m}\n", "no prompt"),
        ('prompt: "{subject}"\nrows: [{subject: " "}]\ndefaults: {model: m}\n', "row 1: 'subject' is empty"),
        ("prompt: a\ndefaults: {model: m, image: none.png}\n", "no such file"),
        ("prompt: a\ndefaults: {model: m}\nrows: [{image: none.png}]\n", "job.yaml:3: "),
        ('prompt: a\ndefaults: {model: m}\nrows: [{x: "🦊"}]\noutput: {path: "{x}"}\n', "empty part"),
    ],
)
def test_a_mistake_that_shows_only_when_rows_meet_axes_is_told(plan, tmp_path, content, words):
    (tmp_path / "job.jsonl").write_text('{"subject": "mug"}\n')
    assert any(words in problem for problem in problems(plan, content))


def test_a_prompt_that_grows_too_long_is_told(plan):
    assert (
        "20,000 at most"
        in problems(plan, f'prompt: "{{a}}{{a}}"\nrows: [{{a: {"x" * 11000}}}]\ndefaults: {{model: m}}\n')[0]
    )


def test_all_mistakes_are_told_at_once_up_to_a_limit(plan, tmp_path):
    for count in (3, 5 * MAX_PROBLEMS):
        lines = ["prompt,image\n"] + [f"a,none{number}.png\n" for number in range(count)]
        (tmp_path / "rows.csv").write_text("".join(lines))
        assert len(problems(plan, "rows: rows.csv\ndefaults: {model: m}\n")) == min(count, MAX_PROBLEMS)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("mug", "Mug"),
        ("caf\u00e9", "cafe"),
        ("caf\u00e9", "Cafe\u0301"),
        ("a b", "a/b"),
        ("ΣΑΣ", "σας"),
        ("a が", "a-か\u3099"),
    ],
)
def test_two_requests_of_one_name_are_told(plan, first, second):
    rows = json.dumps([{"x": first}, {"x": second}])
    content = f'prompt: "{{x}}"\nrows: {rows}\ndefaults: {{model: m}}\noutput: {{path: "{{x}}"}}\n'
    assert any("used by two different requests" in problem for problem in problems(plan, content))
    assert len(keys(plan(content.replace('path: "{x}"', 'path: "{x}-{row}"')))) == 2
    assert len(keys(plan(content.replace('path: "{x}"', 'path: "{key}"')))) == 2


def test_repeats_of_one_name_are_told_and_equal_requests_are_not(plan):
    content = 'prompt: a\nrows: [{x: b}]\ndefaults: {model: m}\nrepeat: 2\noutput: {path: "{x}"}\n'
    assert problems(plan, content)
    assert keys(plan(content.replace("{x}", "{x}-{repeat}")))
    rows = "[{response_format: url}, {response_format: b64_json}]"
    equal = plan(f"prompt: a\nrows: {rows}\ndefaults: {{model: m}}\noutput: {{path: x}}\n")
    assert len(set(keys(equal))) == 1


def test_a_picture_stands_where_the_template_says_or_under_an_opaque_name(plan):
    named = plan(
        'prompt: a\nmatrix: {model: [a/1], style: [Ink]}\nrepeat: 2\noutput: {path: "{style}/{model}-{repeat}"}\n'
    )
    assert [named.stem(request) for request in named] == ["images/Ink/a-1-1", "images/Ink/a-1-2"]
    opaque = plan("prompt: a\ndefaults: {model: train/test}\n")
    (request,) = opaque
    assert opaque.stem(request) == f"images/00000/000000000-{request.key[:8]}"


# A word for a missing value is a mistake of its own.
WORDS = st.text(string.ascii_lowercase, min_size=1, max_size=3).filter(lambda word: word != "nan")
TITLES = st.lists(WORDS, min_size=1, max_size=3, unique=True)


@st.composite
def manifests(draw):
    """A small job with rows, axes, rules and repeats, some of them in the rows."""
    rows = draw(st.lists(st.fixed_dictionaries({"subject": WORDS}, optional={
        "model": WORDS, "repeat": st.sampled_from(["1", "2", "3"]), "size": st.sampled_from(["1x1", "2x2"]),
        "image": st.sampled_from(["a.png", ["b.png", "a.png"]]), "mask": st.just("c.png"), "quality": st.just("low"),
    }), min_size=1, max_size=4))  # fmt: skip
    for row in rows:
        if "image" not in row:
            row.pop("mask", None)
    defaults = {"model": "m", "style": "plain"}
    job = {"prompt": "{subject} {style}", "rows": rows, "defaults": defaults, "repeat": draw(st.integers(1, 3))}
    matrix = draw(st.fixed_dictionaries({}, optional={"model": TITLES, "style": TITLES}))
    if matrix:
        job["matrix"] = matrix
    named = {**matrix, "subject": [row["subject"] for row in rows]}
    rule = st.sampled_from(sorted(named)).flatmap(
        lambda name: st.builds(lambda value: {name: value}, st.sampled_from(named[name]))
    )
    job["exclude"] = draw(st.lists(rule, max_size=2))
    if draw(st.booleans()):
        job["include"] = draw(st.lists(st.fixed_dictionaries({"model": WORDS}), max_size=2))
    return job


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(manifests())
def test_a_lane_gives_exactly_its_requests_of_the_whole_plan(tmp_path, job):
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(PNG + name.encode())
    (tmp_path / "job.yaml").write_text(json.dumps(job))
    plan = Plan(load_manifest(tmp_path / "job.yaml"))
    whole = list(plan)
    assert (not whole) == bool(plan.survey.problems)
    for request in whole:
        assert request.canonical == canonical_json(
            provider=request.provider,
            kind=request.kind,
            model=request.model,
            parameters=request.parameters,
            image=request.image,
            mask=request.mask,
            repeat=request.repeat,
        )
        assert request.key == key_of(request.canonical)
    assert [request.index for request in whole] == list(range(len(whole)))
    counted = Counter(request.model for request in whole)
    assert {model: count for model, count in plan.count_by_model().items() if count} == counted
    assert list(plan.outline.numbers) == [number_of(request.key) for request in whole]
    for model, positions in plan.outline.by_model(range(len(whole))).items():
        assert list(plan.at(positions)) == [request for request in whole if request.model == model]
    assert list(plan.at(())) == []


def test_an_axis_counts_before_a_column_of_the_same_name(tmp_path):
    (tmp_path / "rows.csv").write_text("subject,style\nmug,own\n")
    (tmp_path / "job.yaml").write_text(
        "provider: simulator\nprompt: '{subject} {style}'\nrows: rows.csv\ndefaults: {model: m}\n"
        "matrix: {style: [ink, photo]}\n"
    )
    requests = list(Plan(load_manifest(tmp_path / "job.yaml")))
    assert [one.parameters["prompt"] for one in requests] == ["mug ink", "mug photo"]
    assert [one.columns["style"] for one in requests] == ["ink", "photo"]


@given(st.integers(1, 40), st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_shards_of_a_plan_are_the_plan_and_equal_requests_stay_together(load, count, prompts):
    rows = ", ".join(f"{{prompt: {prompt}}}" for prompt in prompts)
    content = f"rows: [{rows}]\nmatrix: {{model: [a/1, a/2]}}\nrepeat: 2\n"
    whole = list(Plan(load(content)))
    parts = [Plan(replace(load(content), shard=Shard(index, count))) for index in range(count)]
    requests = [list(part) for part in parts]
    assert sorted((one for part in requests for one in part), key=lambda one: one.index) == whole
    by_key = Counter(key for part in requests for key in {one.key for one in part})
    assert set(by_key.values()) == {1}
    for part, own in zip(parts, requests, strict=True):
        assert list(part.outline.numbers) == [number_of(one.key) for one in own]
        assert part.count_by_model() == Counter(one.model for one in own)
        assert list(part.at(range(0, len(own), 2))) == own[::2]
        assert list(part.whole()) == whole
    assert sum(map(Counter, (part.count_by_model() for part in parts)), Counter()) == parts[0].count_whole_by_model()


def test_a_mistake_anywhere_in_the_plan_stops_each_shard(load):
    rows = ", ".join(f"{{prompt: mug {number}}}" for number in range(20))
    manifest = load(f"rows: [{rows}]\ndefaults: {{model: a/1}}\noutput: {{path: same}}\n")
    for index in range(4):
        with pytest.raises(ManifestError, match="used by two different requests"):
            make_plan(replace(manifest, shard=Shard(index, 4)))
