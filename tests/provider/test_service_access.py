import base64

import anyio
import pytest
import trustme

from batchgen.errors import UsageError
from batchgen.provider.credentials import Secret, redact
from batchgen.provider.http.freelist import Origin
from batchgen.provider.http.network_routes import Proxy
from batchgen.provider.service_access import Access, AccessSettings, access_of, clear_text_notice

HOSTED = "https://api.example/v1"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def access(tmp_path, environment=(), base_url=HOSTED, *, need=True, **settings):
    return access_of(AccessSettings(**settings), tmp_path, base_url, dict(environment), need=need)


def way(found, url_scheme="https", host="api.example"):
    return found.routes.to(Origin(url_scheme, host, 443))


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_the_standard_variables_are_honoured_and_told(tmp_path, name):
    found = access(tmp_path, {name: "http://proxy.example:3128"})
    assert way(found) == Proxy("proxy.example", 3128)
    (said,) = found.notices
    assert f"through the proxy proxy.example:3128 ({name}), which finds the addresses" in said


def test_each_scheme_has_its_variable_and_all_proxy_is_for_the_rest(tmp_path):
    environment = {"HTTP_PROXY": "a:1", "ALL_PROXY": "b:2"}
    found = access(tmp_path, environment)
    assert (way(found, "http"), way(found)) == (Proxy("a", 1), Proxy("b", 2))
    assert [said.partition(" go through ")[0] for said in found.notices] == ["requests and pictures"]
    told = access(tmp_path, environment, base_url="http://lan.example/v1").notices
    assert [said.partition(" go through ")[0] for said in told] == ["requests", "pictures from other hosts"]
    told = access(tmp_path, {**environment, "NO_PROXY": "lan.example"}, base_url="http://lan.example/v1").notices
    assert [said.partition(" go through ")[0] for said in told] == ["pictures from other hosts"]


@pytest.mark.parametrize("entry", ["api.example", ".example", "*", "other, api.example:443"])
def test_no_proxy_is_honoured(tmp_path, entry):
    assert way(access(tmp_path, {"HTTPS_PROXY": "http://p:1", "no_proxy": entry})) is None


def test_a_cgi_server_s_http_proxy_is_whatever_its_caller_wants(tmp_path):
    assert way(access(tmp_path, {"HTTP_PROXY": "http://evil:1", "REQUEST_METHOD": "GET"}), "http") is None


def test_none_goes_without_and_an_address_stands_above_the_environment(tmp_path):
    environment = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}
    assert access(tmp_path, environment, proxy="none") == Access()
    found = access(tmp_path, environment, proxy="http://q:2")
    assert way(found) == Proxy("q", 2)
    assert "(provider.proxy)" in found.notices[0]


def test_the_password_of_a_proxy_is_a_secret(tmp_path):
    found = access(tmp_path, {"HTTPS_PROXY": "http://ann:s3cret%21@p:1"})
    header = way(found).authorization
    assert base64.b64decode(header.removeprefix("Basic ")) == b"ann:s3cret!"
    assert "s3cret" not in f"{found}"
    assert redact(f"{header} s3cret!", found.secrets) == "Basic ******** ********"


@pytest.mark.parametrize("address", ["socks5://p:1080", "https://p:1", "http://", "http://p:x", "ftp://p"])
def test_a_proxy_that_can_t_be_used_is_told_by_its_variable(tmp_path, address):
    with pytest.raises(UsageError, match="ALL_PROXY must be the address of an HTTP proxy"):
        access(tmp_path, {"ALL_PROXY": address})


def test_the_value_of_a_header_comes_from_the_environment_or_a_dotenv(tmp_path, monkeypatch):
    monkeypatch.setenv("ONE", "canary-1234")
    (tmp_path / ".env").write_text("TWO='Key canary-5678'\n")
    found = access(tmp_path, secret_headers={"api-key": "ONE", "authorization": "TWO"})
    assert {name: value.reveal() for name, value in found.secret_headers} == {
        "api-key": "canary-1234",
        "authorization": "Key canary-5678",
    }
    assert redact("canary-1234 canary-5678", found.secrets) == "******** ********"
    assert "canary" not in f"{found}"


def test_a_header_without_a_value_is_told_unless_the_look_up_is_free(tmp_path):
    with pytest.raises(UsageError, match="no value for the header api-key: set NOWHERE_SET in the environment"):
        access(tmp_path, secret_headers={"api-key": "NOWHERE_SET"})
    assert access(tmp_path, need=False, secret_headers={"api-key": "NOWHERE_SET"}).secret_headers == ()


def test_certificates_of_the_manifest_and_of_the_environment_are_trusted(tmp_path):
    files = [tmp_path / name for name in ("own.pem", "a.pem", "b.pem")]
    for file in files:
        trustme.CA().cert_pem.write_to_path(file)
    environment = {"SSL_CERT_FILE": str(files[1]), "REQUESTS_CA_BUNDLE": str(files[2])}
    assert access(tmp_path, environment, ca=files[0]).ca_files == tuple(files)


def test_a_file_without_certificates_is_told_and_one_of_the_environment_is_left_out(tmp_path):
    (tmp_path / "no.pem").write_text("hello")
    for name, problem in (("no.pem", "holds no certificates"), ("gone.pem", "can't be read")):
        with pytest.raises(UsageError, match=problem):
            access(tmp_path, ca=tmp_path / name)
        found = access(tmp_path, {"SSL_CERT_FILE": str(tmp_path / name)})
        assert found.ca_files == ()
        assert problem in found.notices[0]


KEY = Secret("canary-key")


def in_clear(base_url, found=None, key=KEY):
    return anyio.run(clear_text_notice, base_url, found or Access(), key)


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1", "https://1.1.1.1"])
def test_a_key_over_tls_or_on_this_machine_needs_no_word(base_url):
    assert in_clear(base_url) is None


@pytest.mark.parametrize("base_url", ["http://10.1.2.3:8000/v1", "http://192.168.1.5", "http://[fd00::1]:1"])
def test_a_key_in_a_private_network_goes_with_a_notice(base_url):
    assert f"the key travels unencrypted to {base_url}" in in_clear(base_url)
    assert in_clear(base_url, key=None) is None


@pytest.mark.parametrize("base_url", ["http://1.1.1.1/v1", "http://[2606:4700::1111]"])
def test_a_key_never_goes_to_a_public_address_in_clear(base_url):
    with pytest.raises(UsageError, match="a public address; use https"):
        in_clear(base_url)
    with pytest.raises(UsageError, match="a public address; use https"):
        in_clear(base_url, Access(secret_headers=(("api-key", KEY),)), key=None)
    assert in_clear(base_url, key=None) is None


def test_a_key_in_clear_goes_to_no_proxy_elsewhere(tmp_path):
    with pytest.raises(UsageError, match=r"1\.1\.1\.1 \(1\.1\.1\.1\), a public address"):
        in_clear("http://127.0.0.1:1", access(tmp_path, proxy="http://1.1.1.1:3128"))
    with pytest.raises(UsageError, match="which only the proxy knows"):
        in_clear("http://inside.invalid", access(tmp_path, proxy="http://127.0.0.1:3128"))
