"""The parts of an outcome that need no table; the transcripts are in test_conversations.py."""

import numpy as np
import pytest

from abusewatch.windows import outcomes
from abusewatch.windows.pairs import NEVER


def entry(flags_out=0, flags_in=0, first_out=0, first_in=0, protocol=6, own_port=40000, peer_port=22, icmp=0):
    values = {
        "flags_out": np.uint16(flags_out), "flags_in": np.uint16(flags_in), "first_out_us": np.int64(first_out), "first_in_us": np.int64(first_in),
        "protocol": np.uint8(protocol), "own_port": np.uint16(own_port), "peer_port": np.uint16(peer_port), "icmp": np.uint8(icmp),
    }
    return {name: np.array([value]) for name, value in values.items()}


@pytest.mark.parametrize(
    ("flags_out", "flags_in", "expected"), [(1, 1, True), (1, 0, False), (4, 0, True), (0, 4, True), (16, 16, False)],
    ids=["both closed", "half closed", "we reset", "they reset", "open"],
)  # fmt: skip
def test_ended(flags_out, flags_in, expected):
    assert outcomes.ended(entry(flags_out, flags_in)).tolist() == [expected]


def test_only_tcp_ends_by_flags():
    assert outcomes.ended(entry(1, 1, protocol=17)).tolist() == [False]


def test_time_decides_where_flags_do_not_and_ports_where_time_does_not():
    assert outcomes.initiator(entry(16, 16, first_out=5, first_in=9)).tolist() == [True]
    assert outcomes.initiator(entry(16, 16, first_out=9, first_in=5)).tolist() == [False]
    assert outcomes.initiator(entry(16, 16)).tolist() == [True]
    assert outcomes.initiator(entry(16, 16, own_port=22, peer_port=40000)).tolist() == [False]
    assert outcomes.initiator(entry(16, 16, own_port=1841, peer_port=8080)).tolist() == [True]
    assert outcomes.initiator(entry(16, 16, own_port=3389, peer_port=1841)).tolist() == [False]
    assert outcomes.initiator(entry(16, 16, own_port=1841, peer_port=1840)).tolist() == [True]
    assert outcomes.initiator(entry(16, 16, own_port=443, peer_port=80)).tolist() == [True]


def test_seen_from_one_side_only():
    assert outcomes.initiator(entry(2, first_in=NEVER)).tolist() == [True]
    assert outcomes.initiator(entry(protocol=17, own_port=53, peer_port=40000, first_in=NEVER)).tolist() == [False]
    assert outcomes.both_seen(entry(first_in=NEVER)).tolist() == [False]
