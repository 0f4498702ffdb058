"""Space without an operator, by the registries."""

import pytest

from abusewatch.contacts import special_purpose

SPECIAL = [
    "0.1.2.3", "10.255.0.1", "100.64.0.1", "127.0.0.1", "169.254.1.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.168.1.1", "198.19.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:1.2.3.4", "64:ff9b::1", "100::1",
    "2001::1", "2001:db8::1", "2002::1", "3fff::1", "fc00::1", "fd12::1", "fe80::1", "ff02::1", "5f00::1", "4000::1",
]  # fmt: skip
ORDINARY = ["1.1.1.1", "9.9.9.9", "100.63.255.255", "100.128.0.1", "172.32.0.1", "172.15.0.1", "192.169.0.1", "198.20.0.1", "223.255.255.254", "2001:200::1", "2a00::1", "2600::1", "3ffe::1"]


@pytest.mark.parametrize("address", SPECIAL)
def test_special(address):
    found = special_purpose(address)
    assert found is not None
    assert "RFC" in found.reason


@pytest.mark.parametrize("address", ORDINARY)
def test_ordinary(address):
    assert special_purpose(address) is None
