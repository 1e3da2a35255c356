"""The recipes of docs/services.md, each run against a server on loopback in the place of the service."""

import base64
import io
import json
import re

import pytest
from PIL import Image

from batchgen.testing.loopback import Reply, loopback
from tests.documents import blocks
from tests.program import run_here

RECIPES = [text for _, text in blocks("docs/services.md", "yaml")]
KEY = "k" * 56 + "-canary-"

ADDRESSES = re.compile(r"""(base_url: "?)https?://[^/"\s]+""")
BARE = {"imagerouter": ("IMAGEROUTER_BASE_URL", ""), "openai": ("OPENAI_BASE_URL", "/v1")}

# What arrives for each: the path, the header with the key, and what of the body is not text.
EXPECTED = {
    "imagerouter": ("/v1/openai/images/generations", "authorization", {}),
    "openai": ("/v1/images/generations", "authorization", {"output_compression": 80}),
    "azure": ("/openai/v1/images/generations?api-version=preview", "api-key", {}),
    "litellm": ("/v1/images/generations", "authorization", {}),
    "localai": ("/v1/images/generations", None, {"step": 20}),
    "vllm": ("/v1/images/generations", None, {"seed": 1, "num_inference_steps": 30, "guidance_scale": 4.5}),
    "together": ("/v1/images/generations", "authorization", {"width": 1024, "height": 768, "steps": 4}),
    "xai": ("/v1/images/generations", "authorization", {}),
    "gemini": ("/v1beta/openai/images/generations", "authorization", {}),
}
IMAGEROUTER_MODELS = {
    "black-forest-labs/FLUX-1-schnell": {
        "output": ["image"],
        "inputs": {"size": ["custom"]},
        "price": {"min": 0.001, "average": 0.002, "max": 0.004},
    }
}


def name_of(recipe):
    return re.search(r"^name: (\S+)", recipe, re.MULTILINE)[1]


@pytest.fixture(scope="module")
def picture():
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (0, 90, 0)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_every_service_of_the_table_has_a_recipe():
    assert {name_of(recipe) for recipe in RECIPES} == set(EXPECTED)


@pytest.mark.parametrize("recipe", RECIPES, ids=name_of)
def test_a_recipe_asks_as_the_service_documents_it(recipe, picture, tmp_path):
    path, header, typed = EXPECTED[name_of(recipe)]
    answer = Reply(body=json.dumps({"created": 1, "data": [{"b64_json": picture}], "cost": 0.01}).encode())
    replies = {"/v2/models": Reply(body=json.dumps(IMAGEROUTER_MODELS).encode())}
    with loopback() as service:
        service.reply = lambda arrived: answer if arrived.method == "POST" else replies.get(arrived.path, Reply(404))
        (tmp_path / "job.yaml").write_text(ADDRESSES.sub(rf"\g<1>{service.url}", recipe))
        keys = re.findall(r"[A-Z_]+_KEY", recipe)
        addresses = {variable: service.url + prefix for variable, prefix in BARE.values()}
        done = run_here(tmp_path, "run", "job.yaml", **dict.fromkeys(keys, KEY), **addresses)
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stderr
    first = service.posts[0]
    assert first.path == path
    if header:
        assert first.headers[header].removeprefix("Bearer ") == KEY
    body = json.loads(first.body)
    assert {name: value for name, value in body.items() if not isinstance(value, str)} == typed
    stored = [
        json.loads(line) for line in (tmp_path / f"outputs/{name_of(recipe)}/metadata.jsonl").read_text().splitlines()
    ]
    assert len(stored) == len(service.posts)
