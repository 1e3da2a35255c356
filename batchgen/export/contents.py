"""The bytes of a sample as they are exported: the service's own, checked; or what they are converted to."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from batchgen.errors import StoppedEarly, UsageError
from batchgen.export.content_credentials import CREDENTIALS_COLUMN, LOST, ORIGINAL_COLUMN, SIGNED, is_signed
from batchgen.export.interface import Conversion, ExportSample, Unusable
from batchgen.store.ledger.records import RecordedPicture
from batchgen.store.looks.thumbnails import STILL
from batchgen.store.pictures.in_bucket import object_of

if TYPE_CHECKING:
    from PIL.Image import Image

# What pictures can be converted to: Pillow's name, and the extension.
TARGETS = {"jpeg": ("JPEG", "jpg"), "png": ("PNG", "png"), "webp": ("WEBP", "webp")}


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a sample, and the columns that say of these bytes what they are."""

    data: bytes
    columns: dict[str, object]


def is_converted(picture: RecordedPicture, conversion: Conversion | None) -> bool:
    """Return whether a picture is not exported as it is: it has another format, or is larger, than was asked for."""
    if conversion is None or picture.format not in STILL:
        return False
    if conversion.format not in {None, picture.format}:
        return True
    # Of a picture whose size nobody measured, only decoding tells.
    width, height = picture.width or _UNKNOWN, picture.height or _UNKNOWN
    return conversion.size is not None and (width > conversion.size[0] or height > conversion.size[1])


_UNKNOWN = 1 << 30


def extension_of(sample: ExportSample, conversion: Conversion | None) -> str:
    """Return the extension that a sample's exported file has."""
    if not is_converted(sample.picture, conversion):
        return sample.extension
    return TARGETS[_target(sample.picture, conversion)][1]


def read_content(sample: ExportSample, conversion: Conversion | None) -> Content:
    """Return what is exported of a sample. Raise :class:`Unusable` if its file is not what was stored."""
    data = _read(sample)
    if hashlib.sha256(data).hexdigest() != sample.picture.sha256:
        raise Unusable(f"{sample.path}: other bytes than were stored")
    signed = is_signed(io.BytesIO(data))
    if not is_converted(sample.picture, conversion):
        return Content(data, _provenance(sample, conversion, signed=signed))
    assert conversion is not None
    form = _target(sample.picture, conversion)
    try:
        converted, width, height = _convert(data, form, conversion)
    except Exception as error:
        # On damaged bytes, Pillow's plugins raise errors of any type.
        raise Unusable(f"{sample.path}: can't be converted: {error}") from error
    facts = {
        "width": width,
        "height": height,
        "format": form,
        "bytes": len(converted),
        "sha256": hashlib.sha256(converted).hexdigest(),
    }
    return Content(converted, facts | _provenance(sample, conversion, signed=signed, lost=True))


def untouched_columns(sample: ExportSample, conversion: Conversion | None) -> dict[str, object]:
    """Return the same columns for a picture that is linked and not read. Raise :class:`Unusable`."""
    with _opened(sample.path) as stream:
        return _provenance(sample, conversion, signed=is_signed(stream))


def columns_added(conversion: Conversion | None) -> dict[str, str]:
    """Return the columns that say where bytes come from, with their types."""
    return {CREDENTIALS_COLUMN: "string"} | ({ORIGINAL_COLUMN: "string"} if conversion else {})


def _provenance(
    sample: ExportSample, conversion: Conversion | None, *, signed: bool, lost: bool = False
) -> dict[str, object]:
    columns: dict[str, object] = {CREDENTIALS_COLUMN: (LOST if lost else SIGNED) if signed else None}
    return columns | ({ORIGINAL_COLUMN: sample.picture.sha256} if conversion else {})


def _target(picture: RecordedPicture, conversion: Conversion | None) -> str:
    wanted = conversion.format if conversion else None
    # A size alone keeps the format, if it is one that can be written.
    return wanted or (picture.format if picture.format in TARGETS else "png")


def _convert(data: bytes, form: str, conversion: Conversion) -> tuple[bytes, int, int]:
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(data)) as opened:
        # Upright: what a camera says beside the pixels is not taken along.
        picture: Image.Image = ImageOps.exif_transpose(opened)
        profile = opened.info.get("icc_profile")
        if conversion.size is not None and (picture.width > conversion.size[0] or picture.height > conversion.size[1]):
            if picture.mode not in {"RGB", "RGBA", "L", "LA"}:
                picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
            picture.thumbnail(conversion.size, Image.Resampling.LANCZOS, reducing_gap=None)
        picture = _fit_for(picture, form)
        stream = io.BytesIO()
        picture.save(stream, TARGETS[form][0], quality=conversion.quality, icc_profile=profile)
        return stream.getvalue(), picture.width, picture.height


def _fit_for(picture: Image, form: str) -> Image:
    """Return the picture in a mode that the format has; what is transparent lies on white in a JPEG."""
    from PIL import Image

    if form != "jpeg":
        return picture if picture.mode in {"RGB", "RGBA", "L", "LA"} else picture.convert("RGBA")
    if picture.has_transparency_data:
        above = picture.convert("RGBA")
        ground = Image.new("RGBA", above.size, "white")
        return Image.alpha_composite(ground, above).convert("RGB")
    return picture if picture.mode in {"RGB", "L"} else picture.convert("RGB")


def _read(sample: ExportSample) -> bytes:
    if sample.originals is None:
        with _opened(sample.path) as stream:
            return stream.read()
    content = sample.originals.read(sample.picture)
    if content is not None:
        return content
    if sample.originals.problem is not None:
        raise StoppedEarly(f"{sample.originals.problem}. Exporting again goes on where this ended")
    raise Unusable(f"{sample.originals.address}/{object_of(sample.picture.original)}: missing or altered")


def _opened(path: Path) -> BinaryIO:
    """Open a plain file, through no link: a run folder may be a stranger's."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from error
    stream = os.fdopen(handle, "rb")
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        stream.close()
        raise Unusable(f"{path}: is no plain file")
    return stream


def check_target(form: str) -> str:
    """Return the name of a format that pictures can be converted to. Raise :class:`UsageError` for others."""
    name = {"jpg": "jpeg"}.get(form.lower(), form.lower())
    if name not in TARGETS:
        raise UsageError(f"--format {form!r}: pictures are converted to {', '.join(TARGETS)}")
    return name
