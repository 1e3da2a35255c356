import io
from dataclasses import replace

import pytest
from PIL import Image, ImageChops, ImageDraw

from batchgen.simulator.drawing import draw
from batchgen.simulator.orders import Fields, House, order_from
from batchgen.simulator.sold_pictures import pictures_for

MIME = {"webp": "image/webp", "jpeg": "image/jpeg", "png": "image/png"}
FLUX = "black-forest-labs/FLUX-1-schnell"


@pytest.mark.parametrize(
    ("asked", "given"), [("webp", "webp"), ("jpeg", "jpeg"), ("jpg", "jpeg"), ("png", "png"), (None, "webp")]
)
def test_the_output_format_is_respected(shop, asked, given):
    fields = {"output_format": asked} if asked else {}
    answer = shop.buy(model=FLUX, **fields)
    response = shop.fetch(answer)
    assert response.headers["content-type"] == MIME[given]
    assert shop.picture(answer).format == given.upper()


def test_test_test_gives_jpeg_whatever_is_asked_for(shop):
    assert shop.picture(shop.buy(output_format="png")).format == "JPEG"


@pytest.mark.parametrize(
    ("size", "pixels"),
    [("auto", (1024, 1024)), ("16x16", (16, 16)), ("640x360", (640, 360)), ("4096x4096", (4096, 4096))],
)
def test_sizes_are_honoured_from_16_to_4096(shop, size, pixels):
    assert shop.picture(shop.buy(size=size)).size == pixels


def test_the_same_url_gives_the_same_bytes_again(shop):
    answer = shop.buy("again")
    assert shop.fetch(answer).content == shop.fetch(answer).content


def test_buying_the_same_again_gives_another_picture(shop):
    first, second = (shop.picture(shop.buy("repeat", model=FLUX)) for _ in range(2))
    assert ImageChops.difference(first.convert("RGB"), second.convert("RGB")).getbbox() is not None


def test_two_simulators_draw_the_same_pictures(shop, start):
    bodies = [{"prompt": "alike", "quality": quality} for quality in ("low", "high", "low")]
    with start() as other:
        here = [shop.fetch(shop.buy(**body)).content for body in bodies]
        there = [other.fetch(other.buy(**body)).content for body in bodies]
    assert here == there
    assert len(set(here)) == 3


@pytest.mark.parametrize("prompt", ["", "字" * 300, "a\x00b", "x" * 9_000, "word " * 2_000, "𝔘𝔫𝔦 \u202e rtl\n\n\n"])
def test_any_prompt_can_be_drawn(shop, prompt):
    fields = {} if prompt else {"image": "data:,x"}
    assert shop.picture(shop.buy(prompt, size="320x200", **fields)).size == (320, 200)


def test_an_unknown_picture_is_a_404(shop):
    response = shop.http.get(f"{shop.endpoints.pictures_url}/nothing.webp")
    assert response.status_code == 404


def sold(model):
    order = order_from(Fields(values={"model": model, "prompt": "a fox"}), House(prompt_limit=100))
    (picture,) = pictures_for(order, 0)
    return picture.drawing


def test_a_picture_says_which_model_made_it_in_colours_and_in_no_word(monkeypatch):
    written = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda _, __, text, **___: written.append(text))
    monkeypatch.setattr(ImageDraw.ImageDraw, "multiline_text", lambda _, __, text, **___: written.append(text))
    for model in (FLUX, "google/imagen-4"):
        assert model.encode() not in draw(sold(model))
    assert written
    assert not any(part in text.lower() for text in written for part in ("flux", "imagen", "google", "forest"))


def test_the_colours_are_the_model_s_own():
    plain = sold(FLUX)
    same, other = replace(plain, code=FLUX), replace(plain, code="google/imagen-4")
    assert draw(plain) == draw(same)
    changed = ImageChops.difference(opened(draw(plain)), opened(draw(other))).getbbox()
    assert changed is not None
    assert changed[1] > plain.height * 0.9


def opened(data):
    return Image.open(io.BytesIO(data)).convert("RGB")
