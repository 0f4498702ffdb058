"""The allow-list denies by default and the registry never gives an index twice."""

import ipaddress
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.model import address
from abusewatch.sources.exporters import DENIED, FULL, AllowList, Exporters


def columns(*texts):
    pairs = [address.parse(t) for t in texts]
    return np.array([p[0] for p in pairs], np.uint64), np.array([p[1] for p in pairs], np.uint64)


@pytest.mark.parametrize(("prefixes", "sender", "allowed"), [
    ((), "127.0.0.1", False),
    (("192.0.2.0/24",), "192.0.2.255", True),
    (("192.0.2.0/24",), "192.0.3.0", False),
    (("192.0.2.1",), "192.0.2.1", True),
    (("0.0.0.0/0",), "203.0.113.1", True),
    (("0.0.0.0/0",), "2001:db8::1", False),
    (("::/0",), "2001:db8::1", True),
    (("2001:db8::/65",), "2001:db8:0:0:7fff::", True),
    (("2001:db8::/65",), "2001:db8:0:0:8000::", False),
    (("192.0.2.0/24", "2001:db8::/32"), "2001:db8:ffff::1", True),
])  # fmt: skip
def test_allow_list(prefixes, sender, allowed):
    assert AllowList(prefixes).allows(*columns(sender)).tolist() == [allowed]


def test_a_prefix_that_is_none_is_named():
    with pytest.raises(ValueError, match=r"192\.0\.2\.0/33"):
        AllowList(["192.0.2.0/33"])


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)), max_size=5), st.integers(0, 2**32 - 1))
def test_allow_list_agrees_with_the_standard_library(prefixes, sender):
    networks = [ipaddress.ip_network((p, bits), strict=False) for p, bits in prefixes]
    expected = any(ipaddress.ip_address(sender) in n for n in networks)
    assert AllowList(map(str, networks)).allows(*columns(str(ipaddress.ip_address(sender)))).tolist() == [expected]


def test_indexes_are_stable_and_start_at_one():
    exporters = Exporters(AllowList(["192.0.2.0/24", "2001:db8::/32"]))
    first = exporters.index_of(*columns("192.0.2.7", "203.0.113.1", "2001:db8::7", "192.0.2.7"))
    assert first.tolist() == [1, DENIED, 2, 1]
    assert exporters.index_of(*columns("2001:db8::7", "192.0.2.8", "192.0.2.7")).tolist() == [2, 3, 1]
    assert [exporters.text(i) for i in (1, 2, 3)] == ["192.0.2.7", "2001:db8::7", "192.0.2.8"]
    with pytest.raises(LookupError):
        exporters.text(4)


def test_many_exporters_keep_their_indexes():
    exporters = Exporters(AllowList(["10.0.0.0/8", "2001:db8::/32"]))
    senders = [f"10.0.{i}.1" for i in range(200)] + [f"2001:db8:{i:x}::{i:x}" for i in range(1, 201)]
    given_first = exporters.index_of(*columns(*senders)).tolist()
    assert sorted(given_first) == list(range(1, 401))
    shuffled = random.Random(1).sample(senders, 400)
    assert [exporters.text(i) for i in exporters.index_of(*columns(*shuffled)).tolist()] == shuffled


def test_the_limit_refuses_new_exporters_and_keeps_the_old():
    exporters = Exporters(AllowList(["10.0.0.0/8"]), limit=2)
    assert exporters.index_of(*columns("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1")).tolist() == [1, 2, FULL, 1]
    assert len(exporters) == 2


def test_no_sender_is_no_fault():
    assert Exporters(AllowList([])).index_of(*columns()).tolist() == []


def test_two_addresses_of_one_fingerprint_are_two_exporters():
    """The fingerprint is hi * G xor lo; an exporter on the list could be forged to collide with another."""
    hi, lo = columns("2001:db8::1")
    golden = np.uint64(0x9E37_79B9_7F4A_7C15)
    other_hi = hi + np.uint64(1)
    other_lo = (other_hi * golden) ^ (hi * golden) ^ lo
    exporters = Exporters(AllowList(["::/0"]))
    both = np.concatenate([hi, other_hi]), np.concatenate([lo, other_lo])
    assert exporters.index_of(*both).tolist() == [1, 2]
    assert exporters.index_of(*both).tolist() == [1, 2]
