"""The bought pictures: how to draw each one again, as long as the state folder exists."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from batchgen.simulator.drawing import Drawing, draw
from batchgen.simulator.films import film
from batchgen.simulator.json_log import LineFile
from batchgen.simulator.orders import Order


@dataclass(frozen=True, slots=True)
class SoldPicture:
    """One bought picture. ``inputs`` name the cards that are shown on it."""

    id: str
    model: str
    drawing: Drawing
    inputs: tuple[str, ...] = ()


def pictures_for(order: Order, nth: int) -> tuple[SoldPicture, ...]:
    """Return the pictures of the ``nth`` purchase (from 0) of this very body."""
    return tuple(_picture(order, nth, index) for index in range(order.pictures))


def _picture(order: Order, nth: int, index: int) -> SoldPicture:
    look: tuple[object, ...] = (
        *(order.model.id, order.prompt, order.width, order.height, order.quality, order.picture_format, nth, index),
        *([order.seconds] if order.seconds else []),
    )
    inputs = tuple(picture.sha256 for picture in (*order.inputs, *([order.mask] if order.mask else [])))
    drawing = Drawing(
        prompt=order.prompt,
        footer="  ·  ".join(_caption(order, nth)),
        width=order.width,
        height=order.height,
        picture_format=order.picture_format,
        seed=_digest(*look, *inputs),
        seconds=order.seconds,
        code=order.model.id,
    )
    return SoldPicture(_digest(order.body_sha256, nth, index)[:24], order.model.id, drawing, inputs)


def _caption(order: Order, nth: int) -> tuple[str, ...]:
    return (f"{order.width}x{order.height}", order.quality, f"no. {nth + 1}")


def _digest(*words: object) -> str:
    return hashlib.sha256("\x1f".join(map(str, words)).encode("utf-8", "surrogatepass")).hexdigest()


class PictureStore:
    """Every bought picture and a small copy of every input; with a folder, also those of earlier processes."""

    def __init__(self, folder: Path | None) -> None:
        self._cards = _Cards(folder / "inputs" if folder else None)
        self._lines = LineFile(folder / "pictures.jsonl" if folder else None)
        read = (msgspec.json.decode(line, type=SoldPicture) for line in self._lines.read())
        self._pictures = {picture.id: picture for picture in read}

    def add(self, picture: SoldPicture) -> None:
        """Keep a bought picture."""
        self._lines.append(msgspec.json.encode(picture))
        self._pictures[picture.id] = picture

    def find(self, picture_id: str) -> SoldPicture | None:
        """Return the picture of that id; ``None`` if none was bought."""
        return self._pictures.get(picture_id)

    def has_card(self, name: str) -> bool:
        """Return whether the small copy of an input is kept."""
        return self._cards.get(name) is not None

    def add_card(self, name: str, png: bytes) -> None:
        """Keep the small copy of an input."""
        self._cards.add(name, png)

    def drawn(self, picture: SoldPicture) -> bytes:
        """Return its bytes; inputs that were no pictures are left out. Takes milliseconds: call it in a thread."""
        if picture.drawing.seconds:
            return film(picture.drawing)
        cards = [card for name in picture.inputs if (card := self._cards.get(name)) is not None]
        return draw(picture.drawing, cards)

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


class _Cards:
    """Small copies of input pictures, in memory or in a folder."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._kept: dict[str, bytes] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str) -> bytes | None:
        if self._folder is None:
            return self._kept.get(name)
        path = self._folder / f"{name}.png"
        return path.read_bytes() if path.exists() else None

    def add(self, name: str, png: bytes) -> None:
        if self._folder is None:
            self._kept[name] = png
            return
        part = self._folder / f"{name}.part"
        part.write_bytes(png)
        part.replace(self._folder / f"{name}.png")
