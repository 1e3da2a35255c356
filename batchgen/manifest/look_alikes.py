"""Names that read like a request parameter and are none: what stands under them would silently not be sent."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Collection
from functools import lru_cache

from batchgen.errors import nearest
from batchgen.manifest.values import PARAMETERS
from batchgen.request import WireType
from batchgen.wording import printable

# Letters of other scripts, and digits, that look like Latin ones in most fonts (Unicode TR 39).
_LATIN = str.maketrans(
    "аеёорсухіїјѕԁһкмтнвгοαρινυτκεηχɑɡıłøđ01l|",  # noqa: RUF001 - they are here because they are ambiguous
    "aeeopcyxiijsdhkmthbroapivutkenxagiiodoiii",
)

_REPEAT = "use 'repeat:' for more pictures"
_SIZE = "give 'size:', such as 1536x1024"
_NO_SEED = f"the service takes no seed; {_REPEAT}"
_NO_NEGATIVE = "the service takes no negative prompt; say it in 'prompt'"
_NOT_TAKEN = "the service does not take it"
# What this is said of, another service may take: a manifest can declare it.
_MAY_BE_DECLARED = frozenset({_SIZE, _NO_SEED, _NO_NEGATIVE, _NOT_TAKEN})

# Parameters of other services and programs.
_ELSEWHERE = {
    **dict.fromkeys(("n", "num_images", "num_outputs", "number_of_images", "images_per_prompt"), _REPEAT),
    **dict.fromkeys(("batch_size", "batch_count", "n_iter", "copies", "num_samples", "repeats"), _REPEAT),
    **dict.fromkeys(("seed", "random_seed"), _NO_SEED),
    **dict.fromkeys(("aspect_ratio", "aspect", "resolution", "dimensions", "image_size", "width", "height"), _SIZE),
    **dict.fromkeys(("image_url", "image_urls", "image_path", "image_file", "image_prompt", "img", "img_url"), ""),
    **dict.fromkeys(("init_image", "input_image", "input_images", "reference_image", "source_image"), ""),
    **dict.fromkeys(("image_reference", "start_image", "first_frame"), ""),
    **dict.fromkeys(("mask_image", "mask_url", "mask_path"), "give 'mask'"),
    **dict.fromkeys(("negative_prompt", "negative"), _NO_NEGATIVE),
    **dict.fromkeys(("prompt_text", "text_prompt", "positive_prompt"), "give 'prompt'"),
    **dict.fromkeys(("model_id", "model_name", "engine", "checkpoint"), "give 'model'"),
    **dict.fromkeys(("duration", "duration_s", "duration_seconds", "num_frames", "fps"), "give 'seconds'"),
    **dict.fromkeys(("file_format", "output_type", "extension"), "give 'output_format'"),
    **dict.fromkeys(("steps", "num_inference_steps", "inference_steps", "guidance", "guidance_scale"), _NOT_TAKEN),
    **dict.fromkeys(("cfg", "cfg_scale", "sampler", "sampler_name", "scheduler", "strength"), _NOT_TAKEN),
    **dict.fromkeys(("denoising_strength", "clip_skip", "lora", "loras", "style_preset", "background"), _NOT_TAKEN),
    **dict.fromkeys(("moderation", "output_compression", "input_fidelity", "partial_images"), _NOT_TAKEN),
}
_INTEGERS = ("seed", "random_seed", "steps", "step", "num_inference_steps", "inference_steps", "clip_skip")
_NUMBERS = ("guidance", "guidance_scale", "cfg", "cfg_scale", "strength", "denoising_strength")
# A shorter name that lacks a letter of one of these is too often a word of its own: "step", "image", "copy".
_LONG = 6
# For the advice to declare a parameter: the types of those that are no text.
_LIKELY_TYPES = {
    **dict.fromkeys((*_INTEGERS, "width", "height", "output_compression", "partial_images"), WireType.INTEGER),
    **dict.fromkeys(_NUMBERS, WireType.NUMBER),
}


def look_alike(name: str, parameters: Collection[str] = PARAMETERS) -> str:
    """Return which of the ``parameters`` it is, but for case, white space, look-alike letters or two swapped letters.

    Return an empty text for a parameter itself and for every other name.
    """
    taken = (*parameters, "repeat")
    if name in taken:
        return ""
    form = _form(name)
    return next((one for one in taken if form == _form(one) or _are_swapped(form, _form(one))), "")


def near_parameter(name: str, parameters: Collection[str] = PARAMETERS) -> str:
    """Return advice for a name near to a parameter in another way, or to one of other services; else nothing."""
    form = _form(name)
    if one := next((one for one in _ELSEWHERE if form == _form(one)), ""):
        return _advice_elsewhere(one)
    word = name.strip().lower().replace("-", "_")
    if own := nearest(word, (*parameters, "repeat"), cutoff=0.85):
        return own
    misspelled = next((one for one in _ELSEWHERE if _are_swapped(form, _form(one))), "")
    if not misspelled and len(word) > _LONG:
        misspelled = next(iter(difflib.get_close_matches(word, _ELSEWHERE, n=1, cutoff=0.88)), "")
    return f"is it {misspelled!r}? {_advice_elsewhere(misspelled)}" if misspelled else ""


def _advice_elsewhere(name: str) -> str:
    hint = _ELSEWHERE[name]
    declared = f"; for a service that takes it, {declare_advice(name)}" if hint in _MAY_BE_DECLARED else ""
    return (hint or "give 'image'") + declared


def declare_advice(name: str) -> str:
    """Return how a manifest declares a parameter of this name."""
    kind = _LIKELY_TYPES.get(name, WireType.TEXT)
    return f"declare it under 'provider:' as 'parameters: {{{printable(name)}: {kind}}}'"


def are_alike(one: str, other: str) -> bool:
    """Return whether two texts that are not the same look so, letter for letter: some are of another script."""
    return one.casefold() != other.casefold() and len(one) == len(other) and _look(one) == _look(other)


def foreign_letter(name: str) -> str:
    """Return the first character of ``name`` beyond ASCII by its number and name; an empty text if there is none."""
    letter = next((one for one in name if not one.isascii()), "")
    return f"U+{ord(letter):04X} {unicodedata.name(letter, 'without a name')}" if letter else ""


@lru_cache(maxsize=10_000)
def _form(name: str) -> str:
    """Return the letters of a name as they look: in one case, of one script, without marks and separators."""
    return "".join(one for one in _look(name) if one.isalnum()).replace("rn", "m")


def _look(text: str) -> str:
    return unicodedata.normalize("NFKD", text).casefold().translate(_LATIN)


def _are_swapped(one: str, other: str) -> bool:
    if len(one) != len(other):
        return False
    first, *rest = [(a, b) for a, b in zip(one, other, strict=True) if a != b] or [("", "")]
    return len(rest) == 1 and first == rest[0][::-1]
