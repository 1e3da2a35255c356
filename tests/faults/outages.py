"""A network that really goes away for ten seconds, by the kernel's own filter; run by `test_outages.py`.

Everything here, service and program, lives in a network of its own in which there is only a loopback.
"""

import subprocess
import time

import pytest

OUTAGE_S = 10
DROPPED = "drop"
RESET = "reject with tcp reset"


def nft(*words):
    subprocess.run(["nft", *words], check=True, capture_output=True)


@pytest.mark.parametrize("options", [["--strict"], []], ids=["strict", "retry"])
@pytest.mark.parametrize("verdict", [DROPPED, RESET], ids=["dropped", "reset"])
def test_an_outage_of_the_network_is_survived(shop, verdict, options):
    shop.rules({"delay_s": 0.3, "harmless": True})
    shop.write(60, concurrency=8, retry={"deadline": "60s"})
    process = shop.start(*options)
    shop.wait(lambda: len(shop.posts()) >= 16, process)
    nft("add", "table", "inet", "outage")
    nft("add", "chain", "inet", "outage", "out", "{ type filter hook output priority 0 ; }")
    nft("add", "rule", "inet", "outage", "out", f"tcp dport {shop.ports['shop']} {verdict}")
    shop.injected += 1
    before = len(shop.posts())
    time.sleep(OUTAGE_S)
    # What was on its way when the network went away may have arrived, and nothing after it.
    assert len(shop.posts()) <= before + 8
    nft("delete", "table", "inet", "outage")
    ended = shop.end(process, timeout=120)
    states = shop.states()
    assert ended.code == (4 if states["in doubt"] else 0), ended.err
    assert states["stored"] + states["in doubt"] == 60
    assert states["in doubt"] <= 8
