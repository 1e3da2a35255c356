"""A service that means harm, or is written by someone who does not read what it writes."""

import pytest

from tests.faults.shop import CANARY

BODIES = {
    "deep arrays": "[" * 100_000,
    "deep objects": '{"a":' * 100_000,
    "deep data": '{"data":' + "[" * 100_000 + "]" * 100_000 + "}",
    "a number of 5,000 digits": '{"created": ' + "9" * 5000 + ', "data": []}',
    "a cost of 5,000 digits": '{"data": [], "cost": ' + "9" * 5000 + "}",
    "a lone surrogate": '{"data": [], "error": {"message": "\\ud800 gone"}}',
    "bytes that are no text": '{"error": {"message": "\udcff"}}',
    "the same name twice": '{"data": [], "data": [{"url": 5}], "error": null, "error": 7}',
    "escapes for a terminal": '{"error": {"message": "\\u001b]0;owned\\u0007\\u001b[2J\\u202e no"}}',
    "markup": '{"error": {"message": "<script>alert(1)</script>=cmd|x"}}',
    "the key, echoed": '{"error": {"message": "Incorrect key provided: ' + CANARY + '"}}',
    "an array": "[1, 2, 3]",
    "a bare number": "1e999",
    "nothing": "",
}


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_body_that_was_made_to_hurt_hurts_its_own_request_only(shop, status):
    shop.priced = False
    names = [f"shop/{number}" for number in range(len(BODIES))]
    bodies = zip(names, BODIES.values(), strict=True)
    shop.rules(*({"model": name, "prompt": "bad", "status": status, "body": body} for name, body in bodies))
    # A lane each, so that no breaker hides one behind another.
    prompts = ("good", "bad", "fine")
    rows = [{"prompt": prompt, "model": name} for prompt in prompts for name in names]
    shop.write(rows, prices=dict.fromkeys(names, 0.01), concurrency=16, retry={"attempts": 1})
    ended = shop.run("--strict")
    assert ended.code in {1, 3, 4}, ended.err
    assert set(shop.prompts("stored")) == {"good", "fine"}
    if ended.code != 3:
        assert shop.states()["stored"] == 2 * len(names)
    assert "\x1b]0;" not in ended.out + ended.err
    assert "\u202e" not in ended.out + ended.err


@pytest.mark.parametrize("word", ["../../escaped", "/etc/escaped", "..", "a\0b", "con", "x" * 400, "\u202e.png"])
def test_a_path_template_never_leads_out_of_the_run_folder(shop, word):
    shop.write(
        [{"prompt": "one", "where": word}],
        prompt="{where} mug",
        output={"path": "{where}/{where}"},
    )
    ended = shop.run()
    assert ended.code in {0, 2}, ended.err
    assert not list(shop.root.parent.rglob("escaped*"))[len(list(shop.out.rglob("escaped*"))) :]
