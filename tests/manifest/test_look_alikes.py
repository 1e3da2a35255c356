"""Which names read like a request parameter, and which are a user's own."""

import pytest

from batchgen.manifest.look_alikes import foreign_letter, look_alike, near_parameter
from batchgen.manifest.values import PARAMETERS


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Image", "image"),
        ("SIZE", "size"),
        (" size ", "size"),
        ("Output Format", "output_format"),
        ("outputFormat", "output_format"),
        ("output-format", "output_format"),
        ("Repeat", "repeat"),
        ("siez", "size"),
        ("modle", "model"),
        ("pormpt", "prompt"),
        ("sezi", "size"),
        ("\u0455ize", "size"),
        ("pr\u043empt", "prompt"),
        ("\uff53\uff49\uff5a\uff45", "size"),
        ("qua1ity", "quality"),
        ("m0del", "model"),
    ],
)
def test_case_blanks_look_alike_letters_and_swapped_ones_make_no_other_name(name, meant):
    assert look_alike(name) == meant


@pytest.mark.parametrize(
    "name", [*PARAMETERS, "repeat", "id", "style", "title", "mood", "prize", "subject", "seed", "n"]
)
def test_a_parameter_and_a_word_of_one_s_own_look_like_no_other(name):
    assert not look_alike(name)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("qualty", "did you mean 'quality'?"),
        ("promt", "did you mean 'prompt'?"),
        ("masks", "did you mean 'mask'?"),
        ("n", "use 'repeat:' for more pictures"),
        ("seed", "the service takes no seed"),
        ("aspect_ratio", "give 'size:'"),
        ("aspectRatio", "give 'size:'"),
        ("image_url", "give 'image'"),
        ("Negative Prompt", "say it in 'prompt'"),
        ("num_inference_steps", "the service does not take it"),
        ("widht", "is it 'width'? give 'size:'"),
        ("stpes", "is it 'steps'? the service does not take it"),
        ("negativ_prompt", "is it 'negative_prompt'? the service takes no negative prompt"),
        ("guidence_scale", "parameters: {guidance_scale: number}"),
        ("bakground", "is it 'background'?"),
    ],
)
def test_a_near_name_and_a_parameter_of_another_service_are_known(name, advice):
    assert advice in near_parameter(name)


@pytest.mark.parametrize(
    "name",
    [
        "id",
        "style",
        "caption",
        "category",
        "palette",
        "ratio",
        "mood",
        "note",
        "row_id",
        "step",
        "copy",
        "weight",
        "night",
        "sample",
        "frames",
    ],
)
def test_a_common_column_is_near_to_nothing(name):
    assert not near_parameter(name)


def test_a_letter_of_another_script_is_named():
    assert foreign_letter("\u0455ize") == "U+0455 CYRILLIC SMALL LETTER DZE"
    assert not foreign_letter("size")
