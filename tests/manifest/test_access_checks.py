import pytest

JOB = "prompt: a\ndefaults: {{model: m}}\nprovider: {{kind: openai, {}}}\n"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("headers: {api-key: canary0123456789}", "write 'api-key: {env: NAME}', and set NAME in the environment"),
        ("headers: {Authorization: Bearer canary}", "write 'Authorization: {env: NAME}'"),
        ("headers: {Ocp-Apim-Subscription-Key: canary}", "looks like a key"),
        ("headers: {Cookie: session=canary}", "looks like a key"),
        ("headers: {x-note: sk-canary0123456789abcdef}", "looks like a key"),
        ("headers: {x-note: canary0123456789canary0123456789}", "looks like a key"),
        ("headers: {x-note: Bearer canary0123}", "looks like a key"),
        ("headers: {api-key: {env: sk-canary}}", "must name an environment variable in capitals"),
        ("headers: {api-key: {var: NAME}}", "unknown key 'var'"),
        ("headers: {api-key: {}}", "provider.headers.'api-key'.env is missing"),
        ("headers: {'x y': 1}", "'x y' is no name of a header"),
        ("headers: {Host: a.example}", "the header Host is set for each request"),
        ("headers: {Content-Length: 5}", "the header Content-Length is set for each request"),
        ("headers: {Idempotency-Key: {env: A}}", "the header Idempotency-Key is set for each request"),
        ('headers: {x-team: "a\\nb: c"}', "must be a line of ASCII"),
        ("headers: {x-team: ä}", "must be a line of ASCII"),
        ("query: {key: canary}", "looks like a key, and addresses stand in logs"),
        ("query: {code: sk-canary0123456789abcdef}", "looks like a key"),
        ("query: {'': 1}", "a name in provider.query is empty"),
        ("proxy: http://me:canary@proxy.example", "must not carry a user name or a password"),
        ("proxy: socks5://proxy.example:1080", "must be env, none or an address such as http://proxy.example:3128"),
        ("proxy: proxy.example", "must be env, none or an address"),
        ("proxy: 'http://['", "must be env, none or an address"),
        ("downloads: {authorization: everywhere}", "must be 'same-host'"),
        ("socket: 'http://x'", "provider.socket must be the path of a socket"),
        ("socket: /run/x, base_url: 'https://x/v1'", "a socket of this machine speaks plain http"),
        ("socket: /run/x, proxy: 'http://p:1'", "provider.socket and provider.proxy can't both be the way"),
        ("base_url: 'http+unix:///run/x/v1'", "write 'socket: /run/images.sock' beside it"),
    ],
)
def test_a_way_that_can_t_be_gone_is_told_without_a_key(problems_of, setting, said):
    told = problems_of(JOB.format(setting))
    assert [line for line, one in told if said in one] == [3], told
    assert "canary" not in str(told)


@pytest.mark.parametrize(
    "setting", ["headers: {x-team: art}", "query: {a: 1}", "proxy: none", "socket: /run/x", "ca: a.pem"]
)
def test_the_simulator_takes_none_of_it(problems_of, setting):
    ((_, told),) = problems_of(JOB.format(setting).replace("openai", "simulator"))
    assert "is not for the simulator" in told


def test_the_whole_of_a_service_of_one_s_own_is_read(load):
    access = load(
        JOB.format(
            "base_url: 'https://mine.example/openai/v1', api_key_env: AZURE_KEY, "
            "headers: {api-key: {env: AZURE_KEY}, x-team: art}, query: {api-version: 2026-05-01}, "
            "proxy: 'http://proxy.example:3128', ca: corporate.pem, downloads: {authorization: same-host}"
        )
    ).provider.access
    assert (access.headers, access.secret_headers) == ({"x-team": "art"}, {"api-key": "AZURE_KEY"})
    assert (access.query, access.proxy) == ({"api-version": "2026-05-01"}, "http://proxy.example:3128")
    assert (access.ca, access.socket, access.key_to_own_host) == ("corporate.pem", None, True)


def test_files_of_a_base_are_relative_to_the_base(load, write):
    write("below/base.yaml", JOB.format("ca: corporate.pem, socket: /run/x"))
    access = load("extends: below/base.yaml\n").provider.access
    assert (access.ca, access.socket) == ("below/corporate.pem", "/run/x")
