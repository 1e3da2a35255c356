"""One input picture decoded whole, in a process of its own (``python -m batchgen.store.inputs.decode_worker``).

The limits are those of results: a cap on memory and pixels here, one on the time by whoever waits.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import sys
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from batchgen.store.media.picture_header import png_chunks
from batchgen.store.media.sniff import MAX_PIXELS

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow also opens formats that start other programs (EPS); these are what services take.
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF")
CHANGED = "was changed while it was looked at; run again"
TOO_LARGE = "takes more memory than decoding may"
_CUT = "is cut off: its data end before the picture does"
# Read on behind the end of a whole picture, these change nothing; of a cut one, they become blocks of the picture.
_MORE_DATA = bytes(range(1, 250)) * 4


class DecodeTask(msgspec.Struct, frozen=True):
    """The file to decode, with its digest, and the folder for the picture turned upright, if that is wanted."""

    source: str
    sha256: str
    upright_in: str = ""


class Decoded(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a decode told: ``problem`` follows the picture's name. A picture that is ``opaque`` has no other alpha.

    ``upright`` is the SHA-256 of the picture turned upright, which is the file's name as well.
    """

    problem: str = ""
    opaque: bool = True
    upright: str = ""


def decode(task: DecodeTask) -> Decoded:
    """Decode the picture of ``task`` to its last pixel, and write it upright if that is wanted."""
    from PIL import Image, ImageFile

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow itself refuses twice as many
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = Path(task.source).read_bytes()
            if hashlib.sha256(content).hexdigest() != task.sha256:
                return Decoded(CHANGED)
            with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
                if _ends_early(picture, content):
                    return Decoded(_CUT)
                for frame in range(getattr(picture, "n_frames", 1)):
                    picture.seek(frame)
                    picture.load()
                picture.seek(0)
                upright = _upright(picture, Path(task.upright_in)) if task.upright_in else ""
                return Decoded(opaque=_is_opaque(picture), upright=upright)
    except MemoryError:
        return Decoded(TOO_LARGE)
    except Exception as error:  # noqa: BLE001 - on damaged bytes, Pillow's plugins raise errors of any type
        return Decoded(f"can't be decoded: {error or type(error).__name__}"[:200])


def _ends_early(picture: Image, content: bytes) -> bool:
    """Return whether the data of a picture end before its last pixel, of which Pillow tells nothing."""
    match picture.format:
        case "JPEG" | "MPO":
            # libjpeg paints what is missing grey.
            end = content.rfind(b"\xff\xd9")
            return _coarse(content) != _coarse(content[:end] + _MORE_DATA + content[end:])
        case "PNG":
            return _png_bytes(content) < _png_bytes_stated(content)
        case _:
            return False


def _coarse(jpeg: bytes) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(jpeg), formats=("JPEG", "MPO")) as picture:
        if "progression" not in picture.info:
            # Every block is read, and only its mean colour is made.
            picture.draft(picture.mode, (picture.width // 8, picture.height // 8))
        return picture.tobytes()


def _png_bytes(content: bytes) -> int:
    """Return how many bytes of pixels are packed in a PNG."""
    unpacker = zlib.decompressobj()
    count = 0
    for name, body in png_chunks(content):
        left = bytes(body) if name == b"IDAT" else b""
        while left and not unpacker.eof:
            count += len(unpacker.decompress(left, _AT_ONCE))
            left = unpacker.unconsumed_tail
    return count + len(unpacker.flush())


def _png_bytes_stated(content: bytes) -> int:
    width, height, bits, colours, *_, interlaced = struct.unpack_from(">IIBBBBB", content, 16)
    pixel_bits = bits * _CHANNELS.get(colours, 1)
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    sizes = [(-(-(width - x) // wide), -(-(height - y) // high)) for x, y, wide, high in passes]
    return sum(high * (1 + -(-wide * pixel_bits // 8)) for wide, high in sizes if wide > 0 and high > 0)


# By the colour type of a PNG; and where the passes of an interlaced one begin, and how far apart their pixels are.
_CHANNELS = {2: 3, 4: 2, 6: 4}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_AT_ONCE = 1 << 20


def _is_opaque(picture: Image) -> bool:
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return True
    least, _ = picture.convert("RGBA").getchannel("A").getextrema()
    return least == 255


def _upright(picture: Image, folder: Path) -> str:
    """Write the picture as its EXIF data want it to be seen, in its own format; return the file's SHA-256."""
    from PIL import ImageOps

    turned = ImageOps.exif_transpose(picture)
    settings = {"quality": 95, "subsampling": 0} if picture.format in {"JPEG", "MPO"} else {}
    if picture.format == "WEBP":
        settings = {"lossless": True}
    stream = io.BytesIO()
    kept = {name: picture.info[name] for name in ("icc_profile", "dpi") if picture.info.get(name)}
    name = "JPEG" if picture.format == "MPO" else picture.format
    turned.save(stream, name, exif=turned.getexif().tobytes(), **settings, **kept)
    content = stream.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    temporary = folder / f".{digest}.{os.getpid()}.part"
    try:
        temporary.write_bytes(content)
        temporary.replace(folder / digest)
    finally:
        temporary.unlink(missing_ok=True)
    return digest


def main() -> None:
    """Read one task a line from stdin and write one answer a line to stdout, until stdin closes."""
    from batchgen.store.media.worker_processes import cap_memory

    cap_memory()
    tasks = msgspec.json.Decoder(DecodeTask)
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(msgspec.json.encode(decode(tasks.decode(line))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
