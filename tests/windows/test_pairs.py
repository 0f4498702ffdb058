"""Rows to entries: the sums of both directions equal those a dictionary makes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.inventory import of_prefixes
from abusewatch.windows import pairs
from tests.flows import flows

OWN = of_prefixes(["198.51.100.0/24"])
row = st.tuples(st.booleans(), st.integers(1, 3), st.integers(1, 3), st.integers(0, 9), st.integers(0, 63), st.integers(1, 9))


def labelled(*lines):
    rows, _ = OWN.label(flows(*lines))
    rows["key"], rows["level"] = pairs.key_of(rows), np.zeros(len(rows["slot"]), np.uint8)
    return rows


def line(out, host, port, at, flags, packets):
    ends = (f"198.51.100.{host}:4000{port}", "203.0.113.9:22")
    letters = "".join(letter for letter, bit in {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}.items() if flags & bit) or "."
    return f"{at} {at + 1} {' '.join(ends if out else ends[::-1])} tcp {packets} {packets * 40} {letters}"


@given(st.lists(row, min_size=1, max_size=40))
def test_sums_equal_the_obvious_ones(values):
    expected = {}
    for out, host, port, at, flags, packets in values:
        entry = expected.setdefault((host, port), {"out": [], "in": []})
        entry["out" if out else "in"].append((at, flags, packets))
    found = pairs.reduced(labelled(*[line(*v) for v in values]))
    assert len(found["key"]) == len(expected)
    assert (np.diff(found["key"].astype(object)) > 0).all()
    for n in range(len(found["key"])):
        entry = expected[int(found["own_lo"][n]) & 0xFF, int(found["own_port"][n]) - 40000]
        for side in ("out", "in"):
            assert found[f"packets_{side}"][n] == sum(p for _, _, p in entry[side])
            assert int(found[f"flags_{side}"][n]) & 0xFF == int(np.bitwise_or.reduce([f for _, f, _ in entry[side]] or [0]))
            assert (found[f"first_{side}_us"][n] == pairs.NEVER) == (not entry[side])


def test_both_directions_have_one_key():
    rows = labelled("0 1 198.51.100.7:40000 203.0.113.9:22 tcp 1 40 S", "0 1 203.0.113.9:22 198.51.100.7:40000 tcp 1 40 SA")
    assert rows["key"][0] == rows["key"][1]
    assert len(pairs.reduced(rows)["key"]) == 1


@pytest.mark.parametrize(("flags", "expected"), [("S", pairs.OPENING), ("SP", pairs.OPENING), ("SA", pairs.ACCEPTING), ("SAP", 0), ("A", 0)])
def test_flags_say_who_sends_them(flags, expected):
    value = sum({"S": 2, "A": 16, "P": 8}[c] for c in flags)
    assert int(pairs.FLAGS[value]) & ~0xFF == expected


def test_errors_and_transit_are_no_conversations():
    rows, _ = OWN.label(flows("0 1 198.51.100.7:0 203.0.113.9:769 icmp 1 56 .", "0 1 192.0.2.1:1 203.0.113.9:2 udp 1 56 .", "0 1 198.51.100.7:1 203.0.113.9:2 udp 1 56 ."))
    assert pairs.eligible(rows)["protocol"].tolist() == [17]


def test_keys_that_share_their_upper_bits_are_still_told_apart():
    rows = labelled(*[line(True, 1, n, 0, 2, 1) for n in (1, 2, 3, 1, 2, 3)])
    rows["key"] = np.array([8, 9, 10, 8, 9, 10], np.uint64)
    found = pairs.reduced(rows)
    assert found["key"].tolist() == [8, 9, 10]
    assert found["packets_out"].tolist() == [2, 2, 2]
