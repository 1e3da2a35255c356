import pytest

from batchgen.provider.http.freelist import Origin
from batchgen.provider.http.network_routes import Proxy, Routes, UnixSocket

HTTP, HTTPS = Proxy("p", 1), Proxy("q", 2)


def way(host, *direct, scheme="https", port=443):
    return Routes(HTTP, HTTPS, direct).to(Origin(scheme, host, port))


def test_each_scheme_has_its_proxy():
    assert (way("a.example"), way("a.example", scheme="http")) == (HTTPS, HTTP)
    assert Routes(http=HTTP).to(Origin("https", "a.example", 443)) is None


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        *[("*", "a.example"), ("example", "a.example"), (".example", "a.example"), ("*.example", "a.example")],
        *[("A.Example", "a.example"), ("a.example:443", "a.example"), ("10.0.0.0/8", "10.1.2.3"), ("::1", "[::1]")],
        *[("127.0.0.1", "127.0.0.1"), ("fd00::/8", "fd00::1"), ("[::1]:443", "::1"), ("a.example", "b.a.example")],
    ],
)
def test_what_no_proxy_covers_is_reached_directly(entry, host):
    assert way(host, "elsewhere", entry) is None


@pytest.mark.parametrize(
    ("entry", "host"),
    [("example", "notexample"), ("a.example:80", "a.example"), ("10.0.0.0/8", "11.1.2.3"), ("10.0.0.0/8", "a.example")],
)
def test_what_no_proxy_does_not_cover_goes_through_the_proxy(entry, host):
    assert way(host, entry) is HTTPS


def test_a_socket_stands_above_a_proxy():
    here = UnixSocket("/run/x")
    assert Routes(HTTP, HTTPS, sockets={"localhost": here}).to(Origin("http", "localhost", 80)) is here


def test_a_password_of_a_proxy_stands_in_no_text():
    assert "c2VjcmV0" not in f"{Proxy('p', 1, 'Basic c2VjcmV0')!r} {Proxy('p', 1, 'Basic c2VjcmV0')}"
