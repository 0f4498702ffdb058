"""Names as in IANA's registry in snake case, values as their types say, and never an exception whatever the octets."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.wire import elements
from abusewatch.wire.elements import CERT, IANA_REVERSE, NETFLOW9, SCOPE, element, show


@pytest.mark.parametrize(("enterprise", "number", "name"), [
    (0, 8, "source_ipv4_address"), (0, 1, "octet_delta_count"), (0, 4, "protocol_identifier"), (0, 225, "post_nat_source_ipv4_address"),
    (0, 22, "flow_start_sys_up_time"), (IANA_REVERSE, 1, "reverse_octet_delta_count"), (CERT, 14, "initial_tcp_flags"), (SCOPE, 2, "scope_interface"),
    (NETFLOW9, 33002, "firewall_extended_event"), (4242, 7, "enterprise_4242_7"), (0, 9999, "element_9999"),
])  # fmt: skip
def test_names(enterprise, number, name):
    assert element(enterprise, number).name == name


@pytest.mark.parametrize(("kind", "raw", "value"), [
    ("u", "0102", 258), ("u", "010203", 66051), ("s", "ffff", -1), ("4", "c0000201", "192.0.2.1"), ("6", "20010db8" + "00" * 11 + "01", "2001:db8::1"),
    ("m", "0a0b0c0d0e0f", "0a:0b:0c:0d:0e:0f"), ("b", "01", True), ("b", "02", False), ("t", "68690000", "hi"), ("t", "ff", "\ufffd"),
    ("f", "3f800000", 1.0), ("f", "7fc00000", "nan"), ("S", "00000001", "1970-01-01T00:00:01.000Z"), ("L", "00000000000003e9", "1970-01-01T00:00:01.001Z"),
    ("U", "83aa7e8080000000", "1970-01-01T00:00:00.500Z"), ("4", "c000", "c000"), ("u", "00" * 9, "00" * 9), ("o", "", ""),
    ("L", "ffffffffffffffff", str((2**64 - 1) * 1000)),
])  # fmt: skip
def test_values(kind, raw, value):
    assert show(kind, bytes.fromhex(raw)) == value


@given(st.sampled_from("usfbm46otSLUN"), st.binary(max_size=20))
def test_any_octets_can_be_shown(kind, raw):
    json.dumps(show(kind, raw), allow_nan=False)


def test_the_registry_names_each_element_once():
    names = [e.name for (enterprise, _), e in elements._tables().items() if enterprise == 0]
    assert len(names) == len(set(names)) > 450
