"""Real pictures for tests, made by Pillow: whole ones, and the sorts of broken ones that people have."""

import base64
import io

from PIL import Image, ImageDraw


def drawing(*, size=(64, 48), mode="RGB", note=0):
    """A picture that no two notes share, with enough in it that its middle is not its end."""
    picture = Image.effect_noise(size, 60).convert("RGB")
    ImageDraw.Draw(picture).rectangle((4, 4, size[0] // 2, size[1] // 2), fill=(note % 256, note // 256 % 256, 90))
    return picture.convert(mode)


def photo(kind="png", *, orientation=None, **how):
    """The bytes of such a picture."""
    stream = io.BytesIO()
    more = {"quality": 90} if kind in {"jpeg", "webp"} else {}
    if orientation:
        exif = Image.Exif()
        exif[0x0112] = orientation
        more["exif"] = exif.tobytes()
    drawing(**how).save(stream, kind, **more)
    return stream.getvalue()


def mask(*, size=(64, 48), alpha=0, kind="png"):
    """The bytes of a mask whose left half has this alpha, of 255."""
    picture = Image.new("RGBA", size, (255, 255, 255, 255))
    picture.paste((255, 255, 255, alpha), (0, 0, size[0] // 2, size[1]))
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


# The same bytes whatever Pillow and zlib write, for keys that must not move: two by two, half of it transparent.
LASTING = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAYAAABytg0kAAAAHUlEQVR4AQESAO3/ACBAYAAgQGD/ACBAYAAgQGD/JocE/x3CdrQA"
    "AAAASUVORK5CYII="
)
