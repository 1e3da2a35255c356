"""What is flagged on real pictures, and its neighbour that is not."""

import io
import random

import pytest
from PIL import Image, ImageDraw

from batchgen.request import State
from batchgen.store.ledger import transitions
from batchgen.store.ledger.records import snapshot
from batchgen.store.looks.flags import WORDS, Flag, read_checks
from batchgen.store.looks.update import look_at_new
from tests import ledgers


def saved(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def scene(seed, size=(320, 240)):
    """Shapes that no other seed draws."""
    chance = random.Random(seed)
    image = Image.new("RGB", size, tuple(chance.randrange(256) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(30):
        x, y = chance.randrange(size[0]), chance.randrange(size[1])
        radius = chance.randrange(10, 70)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(chance.randrange(256) for _ in "rgb"))
    return image


def noisy(level):
    chance = random.Random(level)
    return Image.frombytes("RGB", (64, 64), bytes(chance.randint(120 - level, 120 + level) for _ in range(64 * 64 * 3)))


def figure(ink, alpha):
    image = Image.new("RGBA", (200, 200), (*ink, 0))
    ImageDraw.Draw(image).ellipse((40, 40, 160, 160), fill=(*ink, alpha))
    return image


def dotted(radius):
    image = Image.new("RGB", (400, 400), "white")
    ImageDraw.Draw(image).ellipse((200 - radius, 200 - radius, 200 + radius, 200 + radius), fill="black")
    return image


@pytest.fixture
def ledger(tmp_path):
    with ledgers.build(tmp_path / "run") as builder:
        builder.begin()
        yield builder


def store(ledger, content, prompt=None, **parameters):
    """A stored request whose picture is ``content``; returns its file."""
    request = ledger.request(prompt or f"mug {ledger.made}", **parameters)
    ticket = ledger.send(request)
    ledger.answer(ticket, transitions.Bill(40_000, 0, None))
    (file,) = ledger.show(ticket, [ledgers.at_rest(ledger.folder, request.key, content)])
    return file


def checked(ledger):
    look_at_new(ledger.folder)
    with snapshot(ledger.folder.ledger) as db:
        return read_checks(db, ledger.folder)


def flags(ledger, content, **parameters):
    file = store(ledger, content, **parameters)
    return checked(ledger).of(file)


@pytest.mark.parametrize(
    ("image", "flag"),
    [
        (Image.new("RGB", (64, 64), "black"), Flag.BLANK),
        (Image.new("RGB", (64, 64), (200, 30, 90)), Flag.BLANK),
        (noisy(1), Flag.BLANK),
        (noisy(30), Flag(0)),
        (Image.new("RGBA", (64, 64), (0, 0, 0, 90)), Flag.BLANK),
        (Image.new("RGBA", (64, 64), (9, 9, 9, 0)), Flag.TRANSPARENT),
        (scene(1).convert("RGBA"), Flag(0)),
        (figure((0, 0, 0), 255), Flag(0)),
        (figure((255, 255, 255), 255), Flag(0)),
        (dotted(10), Flag.ONE_COLOUR),
        (dotted(60), Flag(0)),
        (Image.linear_gradient("L"), Flag(0)),
        (scene(2), Flag(0)),
    ],
    ids=[
        *("black", "red", "faint noise", "noise", "even veil", "nothing", "opaque", "black figure", "white figure"),
        *("speck", "disc", "gradient", "scene"),
    ],
)
def test_pictures_with_nothing_on_them_are_flagged(ledger, image, flag):
    assert flags(ledger, saved(image)) == flag


@pytest.mark.parametrize(
    ("asked", "flag"),
    [
        ({"size": "320x240"}, Flag(0)),
        ({"size": "240x320"}, Flag.SIZE),
        ({"size": "auto"}, Flag(0)),
        ({}, Flag(0)),
        ({"output_format": "png"}, Flag(0)),
        ({"output_format": "webp"}, Flag.FORMAT),
        ({"size": "1024x1024", "output_format": "jpeg"}, Flag.SIZE | Flag.FORMAT),
        ({"prompt": 'say "size":"320x240"', "size": "9x9"}, Flag.SIZE),
    ],
)
def test_another_size_or_format_than_asked_is_flagged(ledger, asked, flag):
    assert flags(ledger, saved(scene(3)), **asked) == flag


def test_jpg_is_another_word_for_jpeg(ledger):
    assert flags(ledger, saved(scene(3), "JPEG"), output_format="jpg") == Flag(0)


def test_a_picture_that_no_decoder_reads_to_its_end_is_flagged_with_the_reason(ledger):
    whole = saved(scene(4))
    middle = len(whole) // 2
    file = store(ledger, whole[:middle] + bytes(200) + whole[middle + 200 :])
    found = checked(ledger)
    assert found.of(file) == Flag.UNREADABLE
    assert found.problems[file]


def test_equal_bytes_are_duplicates_whatever_was_asked_and_name_each_other(ledger):
    one, other, third = (store(ledger, saved(scene(number))) for number in (5, 5, 6))
    found = checked(ledger)
    assert [found.of(file) for file in (one, other, third)] == [Flag.DUPLICATE, Flag.DUPLICATE, Flag(0)]
    assert (found.twins[one], found.twins[other]) == (other, one)


@pytest.mark.parametrize(
    ("image", "near"),
    [
        (scene(7).resize((300, 225)), True),
        (scene(7).rotate(90, expand=True), False),
        (scene(7).convert("L").convert("RGB"), False),
        (scene(8), False),
    ],
    ids=["smaller", "turned", "grey", "another"],
)
def test_a_picture_made_again_is_a_near_duplicate_and_one_in_other_colours_is_not(ledger, image, near):
    first = store(ledger, saved(scene(7)), "a mug")
    second = store(ledger, saved(image, "JPEG", quality=80), "a mug", repeat=2)
    found = checked(ledger)
    wanted = Flag.NEAR_DUPLICATE if near else Flag(0)
    assert [found.of(first), found.of(second)] == [wanted, wanted]
    assert found.twins == ({first: second, second: first} if near else {})


def test_blank_pictures_are_no_near_duplicates_of_each_other(ledger):
    files = [store(ledger, saved(Image.new("RGB", (64, 64), (shade, 0, 0)))) for shade in (10, 11, 12)]
    assert [checked(ledger).of(file) for file in files] == [Flag.BLANK] * 3


def test_pictures_that_nobody_looked_at_are_counted_and_flagged_by_what_the_ledger_knows(ledger):
    file = store(ledger, saved(Image.new("RGB", (64, 64))), size="9x9")
    with snapshot(ledger.folder.ledger) as db:
        found = read_checks(db, ledger.folder)
    assert (found.pictures, found.unseen, found.of(file)) == (1, 1, Flag.SIZE)


def test_only_new_pictures_are_looked_at(ledger):
    store(ledger, saved(scene(1)))
    assert look_at_new(ledger.folder).now == 1
    store(ledger, saved(scene(2)))
    assert (look_at_new(ledger.folder).now, look_at_new(ledger.folder).now) == (1, 0)


def test_a_look_that_has_no_time_leaves_the_rest_for_later(ledger):
    for number in range(4):
        store(ledger, saved(scene(number)))
    looked = look_at_new(ledger.folder, within_s=0)
    assert (looked.now, looked.left) == (1, 3)
    assert look_at_new(ledger.folder).left == 0


def test_a_folder_that_takes_no_thumbnails_is_said_and_not_raised(ledger):
    store(ledger, saved(scene(1)))
    (ledger.folder.root / "compare").write_text("in the way")
    looked = look_at_new(ledger.folder)
    assert (looked.now, looked.left) == (0, 1)
    assert looked.problem


def test_flags_have_words_and_requests_without_pictures_have_none(ledger):
    ledger.fail(ledger.request("rude"), State.REFUSED)
    assert checked(ledger).counts == {}
    assert set(WORDS) == set(Flag)
    assert (Flag.SIZE | Flag.BLANK).words == ("other size", "blank")
