"""The catalogue on the command line: listed, held against a manifest before anything is sent, and remembered."""

import json

import pytest

from batchgen.testing.loopback import Reply, loopback

MODELS = [
    {
        "id": "openai/gpt-image-1",
        "aliases": ["gpt-image-1"],
        "release_date": "2025-04-23",
        "output": ["image"],
        "inputs": {"image": True, "mask": False, "quality": True, "size": ["auto", "1024x1024", "1536x1024"]},
        "price": {"min": 0.011, "average": 0.167, "max": 0.3},
    },
    {
        "id": "black-forest-labs/FLUX-2-klein-4b-base-with-a-long-name",
        "release_date": "2025-11-25",
        "inputs": {"image": False, "mask": False, "quality": False, "size": ["custom"]},
        "price": {"min": 0.0006, "average": 0.0013, "max": 0.0102},
    },
    {"id": "google/veo", "output": ["video"], "inputs": {"seconds": [4, 8], "size": ["1280x720"]}, "price": None},
]


@pytest.fixture
def service():
    """A service with a catalogue, which takes nothing."""
    with loopback() as service:
        listing(service, MODELS)
        yield service


def listing(service, models):
    """``service`` lists ``models`` from here on, each at the address and in the form of its kind."""
    bare = {"data": [{"id": model["id"], "object": "model"} for model in models]}
    lists = {"/v2/models": Reply(body=json.dumps(models).encode()), "/models": Reply(body=json.dumps(bare).encode())}
    service.reply = lambda arrived: lists.get(arrived.path, Reply(503))


def gone(service):
    """``service`` answers nothing that anybody could use."""
    service.reply = lambda _: Reply(503)


@pytest.fixture
def sweep(tmp_path, service):
    """A manifest for that service, with rows of their own sizes."""

    def sweep(model, *sizes, **more):
        (tmp_path / "rows.csv").write_text("subject,size\n" + "".join(f"mug,{size}\n" for size in sizes))
        job = {
            "provider": {"kind": "imagerouter", "base_url": service.url},
            "prompt": "{subject}",
            "rows": "rows.csv",
            "defaults": {"model": model},
            **more,
        }
        (tmp_path / "sweep.yaml").write_text(json.dumps(job))
        return "sweep.yaml"

    return sweep


def names(done):
    return [json.loads(line)["id"].partition("/")[0] for line in done.stdout.splitlines()]


def test_the_list_fits_80_columns_and_says_price_sizes_and_what_each_takes(batchgen, service):
    done = batchgen("models", "--base-url", service.url)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    flat = " ".join(done.stdout.split())
    assert "= gpt-image-1" in flat
    assert "openai/gpt-image-1 0.167 0.3 quality, " in flat
    assert "google/veo ? ? video: quality, image, mask, 1280x720, 4 to 8 s" in flat
    assert done.stderr == "3 models\n"


@pytest.mark.parametrize(
    ("order", "makers"),
    [
        ("name", ["black-forest-labs", "google", "openai"]),
        ("price", ["black-forest-labs", "openai", "google"]),
        ("date", ["black-forest-labs", "openai", "google"]),
    ],
)
def test_it_is_sorted_as_asked_and_a_model_without_a_price_is_not_the_cheapest(batchgen, service, order, makers):
    assert names(batchgen("models", "--base-url", service.url, "--sort", order, "--json")) == makers


@pytest.mark.parametrize(("words", "makers"), [("GPT", ["openai"]), ("video", ["google"]), ("gpt-image-1", ["openai"])])
def test_it_is_filtered_by_name_alias_and_kind(batchgen, service, words, makers):
    assert names(batchgen("models", words, "--base-url", service.url, "--json")) == makers


def test_a_bare_list_of_names_says_nothing_of_prices_nor_of_what_they_take(batchgen, service):
    done = batchgen("models", "gpt", "--provider", "openai", "--base-url", service.url)
    assert "openai/gpt-image-1 ? ? not stated" in " ".join(done.stdout.split())


def test_a_server_of_one_s_own_takes_models_that_it_does_not_list(batchgen, service, sweep):
    done = batchgen("plan", sweep("my-checkpoint", "512x512"), "--provider", "openai", OPENAI_BASE_URL=service.url)
    assert done.returncode == 0, done.stderr
    assert "note:" not in done.stdout


def test_a_filter_that_holds_nothing_names_what_is_near_it(batchgen, service):
    done = batchgen("models", "gpt-imgae", "--base-url", service.url)
    assert "near it: openai/gpt-image-1" in done.stderr


def test_a_service_that_is_gone_leaves_what_was_remembered_and_its_age(batchgen, service):
    batchgen("models", "--base-url", service.url)
    gone(service)
    done = batchgen("models", "--base-url", service.url, "--json")
    assert done.returncode == 0
    assert len(names(done)) == 3
    assert f"batchgen: catalogue from just now: {service.url} gives none now" in done.stderr


@pytest.mark.parametrize("command", ["plan", "run"])
def test_every_wrong_row_is_told_with_its_place_and_nothing_is_sent(batchgen, service, sweep, tmp_path, command):
    job = sweep("gpt-image-1", "1024x1024", "512x512", "auto", "640x480")
    done = batchgen(command, job, IMAGEROUTER_API_KEY="k" * 64)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert [line.partition(" openai")[0] for line in lines] == ["batchgen: rows.csv:3:", "batchgen: rows.csv:5:"]
    assert "1536x1024 is the nearest" in lines[1] or "1024x1024 is the nearest" in lines[1]
    assert service.posts == []


@pytest.mark.parametrize("command", ["plan", "run"])
def test_an_unknown_model_is_told_with_the_nearest_names(batchgen, service, sweep, command):
    done = batchgen(command, sweep("openai/gpt-imgae-1", "auto"), IMAGEROUTER_API_KEY="k" * 64)
    assert done.returncode == 2
    assert "did you mean 'openai/gpt-image-1'" in done.stderr
    assert "Traceback" not in done.stderr
    assert service.posts == []


def test_check_asks_nobody(batchgen, service, sweep):
    gone(service)
    assert batchgen("check", sweep("no/such", "512x512")).returncode == 0


def test_a_model_that_the_user_prices_is_taken_at_their_word(batchgen, sweep):
    done = batchgen("plan", sweep("my/own", "512x512", prices={"my/own": 0.5}))
    assert done.returncode == 0, done.stderr
    assert "to pay: $0.50 expected" in done.stdout


def test_a_catalogue_that_is_gone_stops_nothing_and_its_copy_still_resolves_aliases(batchgen, service, sweep):
    batchgen("models", "--base-url", service.url)
    gone(service)
    done = batchgen("plan", sweep("gpt-image-1", "512x512"))
    assert done.returncode == 0, done.stderr
    assert "openai/gpt-image-1" in done.stdout
    said = " ".join(done.stdout.split())
    assert "note: catalogue from just now" in said
    assert "takes no `size` 512x512" in said
    assert "to pay: $0.167 expected" in said


def test_without_any_catalogue_a_plan_says_that_prices_are_not_known(batchgen, service, sweep):
    gone(service)
    done = batchgen("plan", sweep("gpt-image-1", "512x512"))
    assert done.returncode == 0, done.stderr
    assert "unknown: see" in done.stdout
    assert "aliases, prices and models' parameters are not known" in " ".join(done.stdout.split())


def test_quality_for_a_model_that_takes_none_is_a_note(batchgen, sweep):
    job = sweep(MODELS[1]["id"], "64x64", matrix={"quality": ["low", "high"]})
    done = batchgen("plan", job)
    assert done.returncode == 0, done.stderr
    assert "takes no `quality`" in " ".join(done.stdout.split())


def test_a_plan_prices_and_times_by_what_was_billed_here(batchgen, job):
    batchgen("run", job, "--set", "style=ink,oil,pen", "--out", "out")
    more = batchgen("plan", job, "--set", "style=ink,oil,pen,chalk", "--out", "out")
    assert "2 new, 6 done" in more.stdout, more.stdout
    assert "6 billed here" in more.stdout
    assert "to wait: about 1 s, as measured in this folder" in more.stdout
