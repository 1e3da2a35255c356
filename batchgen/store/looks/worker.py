"""One picture made small, in a process of its own (``python -m batchgen.store.looks.worker``): jobs in, looks out.

A stranger's picture can exhaust or crash a decoder: memory and pixels are capped here, the time by whoever waits.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from batchgen.store.media.sniff import MAX_PIXELS
from batchgen.store.media.worker_processes import cap_memory

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_SIDE = 256

# Looks are made beside a run that buys: never at the cost of its time.
_LOWEST_PRIORITY = 19

# Pillow also opens formats that start other programs (EPS) or that nobody serves; these are what a run stores.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF")
# A picture whose levels deviate by less than this, of 255, shows nothing.
_BLANK_DEVIATION = 2
# So few pixels in another colour are a speck on an empty ground; levels this close count as the same colour.
_SPECK_SHARE = 0.005
_SAME_LEVELS = 8
_TINT_SIDE = 4
TINT_BYTES = _TINT_SIDE * _TINT_SIDE * 3


class LookTask(msgspec.Struct, frozen=True):
    """The file to make small, and where the result belongs; ``sha256`` names the picture."""

    sha256: str
    source: str
    target: str


class Look(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What one decode of a picture told; ``problem`` says why there is no thumbnail.

    ``blank`` pictures show nothing at all, those that are wholly ``transparent`` among them; one of ``one_colour`` has
    no more than a speck on it. ``gradient`` is the 64-bit difference hash in hexadecimal: close pictures differ in few
    bits. ``tint`` are the mean colours of its sixteen parts, in hexadecimal: the hash itself sees no colours.
    """

    sha256: str
    problem: str = ""
    blank: bool = False
    transparent: bool = False
    one_colour: bool = False
    gradient: str = ""
    tint: str = ""


def shrink(job: LookTask) -> Look:
    """Write the thumbnail of ``job`` in one step and return what was seen; the original is only read."""
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow itself refuses twice as many
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(job.source, formats=_FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    return Look(job.sha256, f"more than {MAX_PIXELS // 1_000_000} million pixels")
                small = _small(picture)
            _save(small, Path(job.target))
    except UnidentifiedImageError:
        return Look(job.sha256, "no picture that can be made small")
    except MemoryError:
        return Look(job.sha256, "more memory than a thumbnail may take")
    except Exception as error:  # noqa: BLE001 - on damaged bytes, Pillow's plugins raise errors of any type
        return Look(job.sha256, f"{type(error).__name__}: {error}"[:200])
    return _seen(job.sha256, small)


def _small(picture: Image) -> Image:
    """Return the first frame as the viewer sees it: upright, in 8-bit colours, with its transparency."""
    from PIL import Image, ImageOps

    if picture.mode.startswith("I"):
        # 16-bit greys: Pillow's own conversion would clip all above 255 to white.
        picture = picture.convert("I").point(lambda level: level / 256).convert("L")
    # Before the conversion: a JPEG is decoded at a fraction of its size.
    picture.draft("RGB", (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))
    has_alpha = "A" in picture.mode or "transparency" in picture.info
    colours = picture.convert("RGBA" if has_alpha else "RGB")
    colours.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    colours.info, exif = {}, picture.getexif()
    colours.getexif().update(exif)
    return ImageOps.exif_transpose(colours)


def _save(small: Image, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.part")
    try:
        small.save(temporary, "WEBP", quality=82, method=4, exif=b"")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _seen(sha256: str, small: Image) -> Look:
    grounds = [_on(small, ground) for ground in ("white", "black")] if small.mode == "RGBA" else [small]
    blank = all(map(_is_blank, grounds))
    return Look(
        sha256,
        blank=blank,
        transparent=small.mode == "RGBA" and small.getchannel("A").getextrema() == (0, 0),
        one_colour=not blank and all(map(_is_one_colour, grounds)),
        gradient=_gradient(grounds[0]),
        tint=_tint(grounds[0]),
    )


def _on(small: Image, ground: str) -> Image:
    """Return a picture with transparency as seen on ``ground``: a black figure shows on white only."""
    from PIL import Image

    under = Image.new("RGBA", small.size, ground)
    under.alpha_composite(small)
    return under.convert("RGB")


def _is_blank(small: Image) -> bool:
    from PIL import ImageStat

    return max(ImageStat.Stat(small).stddev) < _BLANK_DEVIATION


def _is_one_colour(small: Image) -> bool:
    from PIL import Image, ImageChops, ImageStat

    ground = Image.new("RGB", small.size, tuple(ImageStat.Stat(small).median))
    red, green, blue = ImageChops.difference(small, ground).split()
    furthest = ImageChops.lighter(ImageChops.lighter(red, green), blue).histogram()
    return sum(furthest[_SAME_LEVELS + 1 :]) <= _SPECK_SHARE * sum(furthest)


def _gradient(small: Image) -> str:
    from PIL import Image

    grey = small.convert("L").resize((9, 8), Image.Resampling.BOX).tobytes()
    bits = 0
    for row in range(8):
        for column in range(8):
            bits = bits << 1 | (grey[9 * row + column] < grey[9 * row + column + 1])
    return f"{bits:016x}"


def _tint(small: Image) -> str:
    from PIL import Image

    return small.resize((_TINT_SIDE, _TINT_SIDE), Image.Resampling.BOX).tobytes().hex()


def main() -> None:
    """Read one job a line from stdin and write one look a line to stdout, until stdin closes."""
    cap_memory()
    os.nice(_LOWEST_PRIORITY)
    jobs = msgspec.json.Decoder(LookTask)
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(msgspec.json.encode(shrink(jobs.decode(line))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
