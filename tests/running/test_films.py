"""What comes back is named after its bytes, film or picture, whatever was asked for."""

import json

import pytest

from batchgen.errors import ExitCode
from batchgen.manifest import load_manifest
from batchgen.request import Kind, State
from batchgen.running.schedule.from_manifest import policy_of
from tests.running.shop import b64
from tests.store.media.test_sniff import FILM, WEBM

pytestmark = pytest.mark.anyio


async def test_a_film_that_came_for_a_picture_is_kept_as_what_it_is(customer):
    customer = customer(a=[b64(FILM)], b=[b64(WEBM)]).order(["a", "b"])
    assert (await customer.run(checked=False)).exit_code is ExitCode.OK
    files = sorted(path.suffix for path in customer.folder.images.rglob("*.*"))
    assert files == [".mp4", ".webm"]


async def test_a_film_without_its_end_is_spoiled_and_paid(customer):
    customer = customer(a=[b64(FILM[:-1])]).order(["a"])
    assert (await customer.run(checked=False)).exit_code is ExitCode.FAILURES
    assert customer.states() == {"a": State.SPOILED}


@pytest.mark.parametrize(
    ("retry", "image_s", "video_s"), [({}, 660, 1800), ({"deadline": "90s"}, 90, 90), ({"deadline": "660s"}, 660, 660)]
)
def test_a_video_has_half_an_hour_unless_the_manifest_says_otherwise(tmp_path, retry, image_s, video_s):
    (tmp_path / "job.yaml").write_text(json.dumps({"defaults": {"model": "m"}, "prompt": "a", "retry": retry}))
    policy = policy_of(load_manifest(tmp_path / "job.yaml").retry, strict=False)
    assert (policy.deadline_s_of(Kind.IMAGE), policy.deadline_s_of(Kind.VIDEO)) == (image_s, video_s)
