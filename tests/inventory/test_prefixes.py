"""The flattened table answers as the obvious search does."""

import ipaddress
import random

import numpy as np
import pytest

from abusewatch.inventory.prefixes import Table
from abusewatch.model import address


def look_up(table, *texts):
    parsed = [address.parse(t) for t in texts]
    hi, lo = (np.array([p[n] for p in parsed], np.uint64) for n in (0, 1))
    return table.owners(hi, lo).tolist()


def networks(*texts):
    return [(ipaddress.ip_network(t), n) for n, t in enumerate(texts)]


def test_the_longest_prefix_wins_and_outside_is_nobody():
    table = Table(networks("198.51.100.0/24", "198.51.100.16/28", "198.51.100.17/32", "2001:db8::/32", "2001:db8:42::/48"))
    found = look_up(table, "198.51.100.1", "198.51.100.16", "198.51.100.17", "198.51.101.0", "2001:db8:41::1", "2001:db8:42::1", "2001:db9::")
    assert found == [0, 1, 2, -1, 3, 4, -1]


def test_a_64_may_be_split_between_owners():
    table = Table(networks("2001:db8::8/125", "2001:db8::10/124"))
    assert look_up(table, "2001:db8::7", "2001:db8::8", "2001:db8::f", "2001:db8::1f", "2001:db8::20", "2001:db8:0:1::") == [-1, 0, 0, 1, -1, -1]


def test_the_edges_of_both_address_spaces():
    table = Table(networks("0.0.0.0/1", "255.255.255.255/32", "ffff:ffff:ffff:ffff::/64"))
    assert look_up(table, "0.0.0.0", "127.255.255.255", "128.0.0.0", "255.255.255.255", "ffff:ffff:ffff:ffff::1", "::1") == [0, 0, -1, 1, 2, -1]


@pytest.mark.parametrize("version", [4, 6])
def test_random_tables_equal_a_linear_search(version):
    rng = random.Random(version)
    width = 32 if version == 4 else 128
    kind = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
    top = (0xC6 << 24) if version == 4 else (0x20010DB8 << 96)
    nets = {}
    for n in range(200):
        length = rng.choice([16, 20, 24, 28, 32] if version == 4 else [40, 48, 56, 64, 96, 128])
        base = top | rng.getrandbits(width - 8 if version == 4 else 40) << (0 if version == 4 else 56)
        nets.setdefault(kind((base >> (width - length) << (width - length), length)), n)
    table = Table(list(nets.items()))
    for network in list(nets)[:100]:
        for at in (network.network_address, network.broadcast_address):
            want = max((n for n in nets if at in n), key=lambda n: n.prefixlen)
            assert look_up(table, str(at)) == [nets[want]]
