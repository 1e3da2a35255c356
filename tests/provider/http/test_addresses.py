import ipaddress

import pytest

from batchgen.provider.http.addresses import AddressRule, rule_for_downloads

INWARD = [
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "0.0.0.0",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%1",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "::ffff:10.1.2.3",
    "::ffff:127.0.0.1",
    "::10.1.2.3",
    "2002:7f00:1::",  # 6to4 of 127.0.0.1
    "2002:a9fe:a9fe::",  # 6to4 of 169.254.169.254
    "64:ff9b::a9fe:a9fe",  # NAT64 of 169.254.169.254
    "2001:0:4136:e378:8000:63bf:5601:5601",  # Teredo of 169.254.169.254
]
OUTWARD = ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1", "2002:101:101::", "64:ff9b::101:101"]


@pytest.mark.parametrize("address", INWARD)
def test_an_inward_address_is_not_global_however_it_is_wrapped(address):
    assert not AddressRule.GLOBAL_ONLY.allows(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OUTWARD)
@pytest.mark.parametrize(
    "rule", [rule for rule in AddressRule if rule is not AddressRule.INWARD], ids=lambda rule: rule.value
)
def test_a_global_address_is_allowed_by_every_rule_but_one(address, rule):
    assert rule.allows(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OUTWARD)
def test_a_global_address_is_never_inward(address):
    assert not AddressRule.INWARD.allows(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.9", "169.254.1.1", "100.64.0.7", "fd00::1", "fe80::1"],
)
def test_loopback_private_and_shared_addresses_are_inward(address):
    assert AddressRule.INWARD.allows(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["224.0.0.1", "ff02::1", "0.0.0.0", "::", "64:ff9b::101:101", "2002:101:101::1"])
def test_what_is_no_single_inward_machine_is_not_inward(address):
    assert not AddressRule.INWARD.allows(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", INWARD + OUTWARD)
def test_any_allows_everything(address):
    assert AddressRule.ANY.allows(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", INWARD)
def test_allowing_loopback_allows_nothing_else_that_is_inward(address):
    loopback = {"127.0.0.1", "::1", "::ffff:127.0.0.1", "2002:7f00:1::"}
    assert AddressRule.GLOBAL_OR_LOOPBACK.allows(ipaddress.ip_address(address)) is (address in loopback)


@pytest.mark.parametrize(
    ("base", "rule"),
    [
        (["127.0.0.1"], AddressRule.GLOBAL_OR_LOOPBACK),
        (["::1", "127.0.0.1"], AddressRule.GLOBAL_OR_LOOPBACK),
        (["127.0.0.1", "10.0.0.1"], AddressRule.GLOBAL_ONLY),
        (["10.0.0.1"], AddressRule.GLOBAL_ONLY),
        (["1.1.1.1"], AddressRule.GLOBAL_ONLY),
        ([], AddressRule.GLOBAL_ONLY),
    ],
)
def test_only_a_service_on_this_machine_may_point_to_this_machine(base, rule):
    assert rule_for_downloads([ipaddress.ip_address(one) for one in base]) is rule
