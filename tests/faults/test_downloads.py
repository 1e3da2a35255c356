"""Pictures that are hosted elsewhere: paid for already, fetched for nothing, never asked for a second time."""

import pytest

HOSTED = {"hosted": True, "harmless": True}


@pytest.mark.slow
def test_an_address_that_expired_is_tried_for_a_minute_and_by_later_runs_and_buys_no_other(shop):
    shop.rules(HOSTED, {"on": "get", "status": 403, "body": "expired"})
    shop.write(1)
    ended = shop.run(timeout=150)
    assert ended.code == 3, ended.err
    assert ended.seconds > 60
    assert shop.states() == {"answered": 1}
    tried = len(shop.visits("get"))
    assert 5 <= tried <= 20
    assert shop.run().code == 3
    assert len(shop.visits("get")) == tried + 1
    assert len(shop.billing()) == 1
    assert shop.rows("SELECT body IS NOT NULL OR answer IS NOT NULL FROM requests") == [(1,)]


@pytest.mark.parametrize(
    "failing",
    [
        [{"status": 500, "nth": [1, 2]}],
        [{"cut": "short", "nth": [1, 1]}],
        [{"cut": "reset in the body", "nth": [1, 1]}],
        [{"cut": "chunk cut", "nth": [1, 1]}],
        [{"status": 429, "headers": {"retry-after": "1"}, "nth": [1, 1]}],
    ],
    ids=["500", "truncated", "reset", "chunk cut", "429"],
)
def test_a_download_that_fails_is_tried_again_for_nothing(shop, failing):
    shop.rules({**HOSTED, "pad": 50_000}, *({"on": "get", **rule} for rule in failing))
    shop.write(1)
    ended = shop.run()
    assert ended.code == 0, ended.err
    assert len(shop.billing()) == len(shop.published()) == 1


def test_a_kill_during_downloads_buys_nothing_again(shop):
    shop.rules(HOSTED, {"on": "get", "cut": "hang"})
    shop.write(4)
    process = shop.start()
    shop.wait(lambda: len(shop.visits("get")) >= 4, process)
    shop.kill(process)
    shop.rules(HOSTED)
    assert shop.run().code == 0
    assert len(shop.billing()) == len(shop.published()) == 4


def test_no_secret_travels_with_a_download_or_its_redirect(shop):
    shop.rules(HOSTED, {"on": "get", "redirect": True, "harmless": True})
    shop.write(3)
    assert shop.run().code == 0
    seen = shop.visits("get") + shop.visits("elsewhere")
    assert len(seen) == 6
    for visit in seen:
        assert not {"authorization", "cookie", "x-api-key", "proxy-authorization", "idempotency-key"} & {
            *visit["headers"]
        }


INWARD = [
    "http://169.254.169.254/latest/meta-data/",
    "https://[::1]:PORT/NUMBER",
    "https://127.1:PORT/NUMBER",
    "http://127.0.0.1:PORT/NUMBER",
    "https://127.0.0.1:PORT/NUMBER",
    "https://2130706433:PORT/NUMBER",
    "https://0x7f000001:PORT/NUMBER",
    "https://[::ffff:127.0.0.1]:PORT/NUMBER",
    "https://localhost:PORT/NUMBER",
    "https://0.0.0.0:PORT/NUMBER",
    "https://user:word@127.0.0.1:PORT/NUMBER",
    "file:///etc/hostname",
    "gopher://127.0.0.1:PORT/",
    "https://",
    "https://127.0.0.1:99999/",
]


@pytest.mark.parametrize("first", range(0, len(INWARD), 2))
def test_addresses_that_point_inward_are_never_connected_to(shop, first):
    # Two at a time: three alike stop a run. A base that is not written as the address of this machine gets no leave to
    # point to it.
    shop.base_url = f"http://127.1:{shop.ports['shop']}"
    urls = INWARD[first : first + 2]
    shop.rules(*({"prompt": f"case {number}.", "url": url} for number, url in enumerate(urls)))
    shop.write([{"prompt": f"case {number}."} for number in range(len(urls))])
    ended = shop.run()
    assert ended.code in {1, 3}, ended.err
    # What is no address of a picture for any reader is spoiled; what this machine refuses is kept for another day.
    assert set(shop.states()) <= {"answered", "spoiled"}
    assert shop.states().get("spoiled", 0) == sum(not url.startswith("http") for url in urls)
    assert not shop.visits("elsewhere, connected")
    assert ended.seconds < 15


def test_a_refused_address_stops_after_three_alike_and_is_fetched_once_it_is_allowed(shop):
    shop.base_url = f"http://127.1:{shop.ports['shop']}"
    shop.rules(HOSTED)
    shop.write(40, concurrency=4)
    ended = shop.run()
    assert ended.code == 3, ended.err
    assert "answered" in shop.states()
    assert "spoiled" not in shop.states()
    paid = len(shop.billing())
    assert paid <= 20
    shop.base_url = f"http://127.0.0.1:{shop.ports['shop']}"
    shop.write(40, concurrency=4)
    ended = shop.run()
    assert ended.code == 0, ended.err
    assert len(shop.billing()) == len(shop.published()) == 40


def test_a_service_on_this_machine_may_not_point_at_the_network_around_it(shop):
    urls = ["http://169.254.169.254/", "file:///etc/hostname", "https://10.0.0.1/"]
    shop.rules(*({"prompt": f"case {number}", "url": url} for number, url in enumerate(urls)))
    shop.write([{"prompt": f"case {number}"} for number in range(len(urls))])
    assert shop.run().code == 3
    assert shop.states() == {"answered": 2, "spoiled": 1}


@pytest.mark.parametrize("hosted", [True, False], ids=["hosted", "inline"])
def test_what_is_no_whole_picture_is_never_published_as_one(shop, hosted):
    kinds = ("html", "json", "cut_jpeg", "cut_png", "bomb", "empty")
    shop.rules(*({"prompt": kind, "picture": kind, "hosted": hosted, "type": "image/png"} for kind in kinds))
    shop.write([{"prompt": prompt} for prompt in ("good", *kinds)], concurrency=1)
    ended = shop.run()
    assert ended.code == 1, ended.err
    assert shop.prompts("spoiled") == sorted(kinds)
    assert len(shop.published()) == 1
    assert ended.peak_rss_bytes < 300 * 2**20
    kept = "SELECT min(body IS NOT NULL OR answer IS NOT NULL) FROM requests WHERE state = 'spoiled'"
    assert shop.rows(kept) == [(1,)]


@pytest.mark.parametrize(("picture", "extension"), [("webp", ".webp"), ("jpeg", ".jpg")])
def test_the_extension_follows_the_bytes_and_not_what_was_asked_for(shop, picture, extension):
    shop.rules({"picture": picture, "hosted": True, "type": "image/png"})
    shop.write(2, defaults={"model": "shop/cheap", "output_format": "png"})
    assert shop.run().code == 0
    assert {path.suffix for path in shop.published()} == {extension}
