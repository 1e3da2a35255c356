"""The models on offer: prices, parameters and latencies close to those of the real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_GPT_IMAGE_SIZES = ("auto", "1024x1024", "1536x1024", "1024x1536")
_IMAGEN_SIZES = ("1024x1024", "896x1280", "1280x896", "768x1408", "1408x768", "2048x2048")
_GEMINI_SIZES = ("1024x1024", "832x1248", "1248x832", "896x1152", "1152x896", "768x1344", "1344x768", "1536x672")
_SEEDREAM_SIZES = ("1024x1024", "2048x2048", "2304x1728", "1728x2304", "2560x1440", "1440x2560", "4096x4096")


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedModel:
    """One model. Without ``sizes`` it takes any; ``median_s`` and ``sigma`` shape its lognormal latency."""

    id: str
    name: str
    price_microusd: tuple[int, int, int]  # least, average, most
    median_s: float
    sigma: float = 0.25
    sizes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    takes_image: bool = False
    takes_mask: bool = False
    takes_quality: bool = False
    always: Literal["", "webp", "jpeg", "png", "mp4", "webm"] = ""  # the format it gives whatever is asked for
    pictures: int = 1  # entries in one answer
    seconds: tuple[float, ...] = ()  # the lengths of a video it makes, "auto" first; empty: it makes pictures
    released: str = "2025-01-01"

    @property
    def makes(self) -> Literal["image", "video"]:
        return "video" if self.seconds else "image"

    @property
    def free(self) -> bool:
        return self.id.endswith(":free")

    @property
    def most_microusd(self) -> int:
        return self.price_microusd[2]


MODELS = (
    OfferedModel(
        id="test/test",
        name="Test",
        price_microusd=(0, 0, 0),
        median_s=1.0,
        takes_image=True,
        takes_mask=True,
        takes_quality=True,
        always="jpeg",
        released="2025-05-04",
    ),
    OfferedModel(
        id="openai/gpt-image-1",
        name="GPT Image 1",
        aliases=("gpt-image-1",),
        price_microusd=(11_000, 167_000, 300_000),
        median_s=28.0,
        sigma=0.35,
        sizes=_GPT_IMAGE_SIZES,
        takes_image=True,
        takes_quality=True,
        released="2025-04-23",
    ),
    OfferedModel(
        id="openai/gpt-image-1-mini",
        name="GPT Image 1 Mini",
        aliases=("gpt-image-1-mini",),
        price_microusd=(5_000, 51_000, 200_000),
        median_s=14.0,
        sigma=0.35,
        sizes=_GPT_IMAGE_SIZES,
        takes_image=True,
        takes_quality=True,
        released="2025-10-06",
    ),
    OfferedModel(
        id="google/gemini-2.5-flash",
        name="Gemini 2.5 Flash Image",
        aliases=("google/gemini-2.5-flash-image",),
        price_microusd=(35_000, 35_000, 39_000),
        median_s=7.0,
        sizes=_GEMINI_SIZES,
        takes_image=True,
        always="png",
        released="2025-10-02",
    ),
    OfferedModel(
        id="google/imagen-4",
        name="Imagen 4",
        price_microusd=(37_000, 37_000, 37_000),
        median_s=6.0,
        sizes=_IMAGEN_SIZES,
        released="2025-08-14",
    ),
    OfferedModel(
        id="black-forest-labs/FLUX-1-schnell",
        name="FLUX.1 schnell",
        price_microusd=(600, 1_300, 7_000),
        median_s=1.3,
        takes_image=True,
        takes_mask=True,
        takes_quality=True,
        released="2024-08-01",
    ),
    OfferedModel(
        id="black-forest-labs/FLUX-1-schnell:free",
        name="FLUX.1 schnell (free)",
        price_microusd=(0, 0, 0),
        median_s=2.5,
        takes_quality=True,
        released="2024-08-01",
    ),
    OfferedModel(
        id="black-forest-labs/FLUX-2-pro",
        name="FLUX.2 pro",
        price_microusd=(30_000, 30_000, 90_000),
        median_s=9.0,
        takes_image=True,
        released="2025-11-25",
    ),
    OfferedModel(
        id="bytedance/seedream-4",
        name="Seedream 4",
        price_microusd=(30_000, 30_000, 30_000),
        median_s=11.0,
        sizes=_SEEDREAM_SIZES,
        takes_image=True,
        released="2025-09-09",
    ),
    OfferedModel(
        id="qwen/qwen-image-layered",
        name="Qwen Image Layered",
        price_microusd=(10_000, 21_100, 21_100),
        median_s=16.0,
        takes_image=True,
        takes_quality=True,
        pictures=3,
        released="2025-11-19",
    ),
    OfferedModel(
        id="ir/test-video",
        name="Test Video",
        price_microusd=(0, 0, 0),
        median_s=4.0,
        takes_image=True,
        takes_mask=True,
        takes_quality=True,
        always="mp4",
        seconds=(5,),
        released="2025-05-04",
    ),
    OfferedModel(
        id="openai/sora-2",
        name="Sora 2",
        price_microusd=(400_000, 400_000, 1_200_000),
        median_s=90.0,
        sigma=0.3,
        sizes=("1280x720", "720x1280"),
        takes_image=True,
        always="mp4",
        seconds=(4, 8, 12),
        released="2025-09-30",
    ),
    OfferedModel(
        id="google/veo-3-fast",
        name="Veo 3 Fast",
        price_microusd=(600_000, 600_000, 1_200_000),
        median_s=70.0,
        sizes=("1280x720", "720x1280", "1920x1080", "1080x1920"),
        takes_image=True,
        always="mp4",
        seconds=(4, 6, 8),
        released="2025-06-12",
    ),
    OfferedModel(
        id="lightricks/ltx-2",
        name="LTX-2",
        price_microusd=(30_000, 150_000, 860_000),
        median_s=25.0,
        sizes=("1024x1024", "1408x768", "896x1280", "1280x896", "768x1408"),
        takes_image=True,
        takes_quality=True,
        always="webm",
        seconds=(5, 1, 1.2, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 6, 7, 8, 9, 10, 12, 15, 19),
        released="2026-01-05",
    ),
)

_BY_NAME = {name: model for model in MODELS for name in (model.id, *model.aliases)}


def find_model(name: str) -> OfferedModel | None:
    """Return the model of that id or alias; ``None`` if there is none."""
    return _BY_NAME.get(name)
