"""Secrets in an answer that is written while it arrives: masked wherever its parts end, and nothing else changed."""

import pytest

from batchgen.provider.answer_sink import AnswerSink
from batchgen.provider.arrival import ENDING_AT, Arrival, from_rest
from batchgen.provider.credentials import Secret, forms_of

KEY = "sk-" + "".join(chr(97 + n % 26) for n in range(40))
FORMS = [form.encode() for form in forms_of(Secret(KEY))]
HEADERS = [(b"Content-Type", b"application/json"), (b"Content-Length", b"4"), (b"X-Quoted", KEY.encode())]


class Place:
    """A file in memory."""

    attempt = "0123456789abcdef" * 2 + "-7"

    def __init__(self):
        self.head, self.body, self.room_at, self.sound = b"", b"", 0, True

    def begin(self, head, *, room_at):
        self.head, self.body, self.room_at = head, b"", room_at

    def write(self, part, *, back=0):
        self.body = self.body[: len(self.body) - back] + part
        return self.sound

    def view(self):
        return memoryview(self.body)


def written(*parts, headers=HEADERS):
    place = Place()
    sink = AnswerSink(place, FORMS, lambda stated: tuple((name.decode().lower(), "kept") for name, _ in stated))
    sink.begin(200, headers)
    for part in parts:
        assert sink.add(part)
    return place


@pytest.mark.parametrize("form", [KEY.encode(), *FORMS[:6]], ids=lambda form: f"{len(form)} bytes")
def test_a_secret_that_comes_in_two_parts_is_masked_wherever_it_is_cut(form):
    text = b'{"error": "wrong key ' + form + b' for this"}'
    for cut in range(len(text) + 1):
        place = written(text[:cut], text[cut:])
        assert len(place.body) == len(text)
        assert not any(form[start : start + 16] in place.body for start in range(len(form) - 15))
        assert place.body.startswith(b'{"error": "wrong key *')
        assert place.body.endswith(b' for this"}')


def test_a_secret_that_comes_byte_by_byte_is_masked():
    text = b"a" * 90 + KEY.encode() + b"b" * 90
    place = written(*(text[place : place + 1] for place in range(len(text))))
    assert KEY.encode() not in place.body
    assert (place.body[:90], place.body[-90:], len(place.body)) == (b"a" * 90, b"b" * 90, len(text))


def test_what_holds_no_secret_is_kept_byte_for_byte():
    parts = [bytes(range(256)) * 7, b"", b"x" * 1000, KEY[:10].encode(), b" end"]
    assert written(*parts).body == b"".join(parts)


def test_an_answer_that_stops_short_of_its_stated_length_is_cut_and_one_that_reaches_it_is_whole():
    for body, cut in ((b"ab", True), (b"abcd", False), (b"abcde", False)):
        place = written(body)
        arrival = from_rest(place.head + place.body)
        assert (arrival.status, arrival.body, bool(arrival.cut), arrival.repeats) == (200, body, cut, False)
        assert dict(arrival.headers) == {"content-type": "kept", "content-length": "kept", "x-quoted": "kept"}


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"Content-Length", b"2"), (b"content-length", b"2")],
        [(b"Content-Length", b"-2")],
        [(b"Content-Length", b"2"), (b"Transfer-Encoding", b"chunked")],
    ],
    ids=["none", "two", "negative", "chunked"],
)
def test_an_answer_whose_length_is_not_surely_stated_is_cut_until_its_ending_is_written(headers):
    place = written(b"ab", headers=headers)
    text = place.head + place.body
    assert from_rest(text).cut
    for ending in (
        Arrival(200, (), b""),
        Arrival(200, (), b"", cut="the line\r\nwent dead"),
        Arrival(200, (), b"", None, repeats=True),
    ):
        settled = text[:ENDING_AT] + ending.ending() + text[ENDING_AT + len(ending.ending()) :]
        found = from_rest(settled)
        assert (found.body, found.repeats) == (b"ab", ending.repeats)
        assert found.cut == (" ".join(ending.cut.split()) if ending.cut else None)


def test_spaces_put_into_the_head_change_nothing():
    place = written(b"abcd")
    text = place.head[: place.room_at] + b" " * 500 + place.head[place.room_at :] + place.body
    assert from_rest(text) == from_rest(place.head + place.body)


def test_a_second_answer_under_the_same_request_takes_the_place_of_the_first():
    place = Place()
    sink = AnswerSink(place, FORMS, lambda _: ())
    sink.begin(202, [])
    sink.add(KEY[:-1].encode())
    sink.begin(200, [])
    sink.add(KEY[-1:].encode())
    assert (from_rest(place.head + place.body).status, place.body) == (200, KEY[-1:].encode())
