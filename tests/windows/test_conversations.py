"""Who started it and how it ended: the transcript of each case, packets and flow records alike."""

import numpy as np
import pytest

from abusewatch.inventory import of_prefixes
from abusewatch.windows.conversations import ANSWERED, REFUSED, UNANSWERED, Conversations
from abusewatch.windows.panes import SECOND, Pane
from tests.flows import T0, flows

OWN = "198.51.100.7"
OUT = "203.0.113.9"


def decided(*lines, until=400, table=None):
    """Run lines through the table pane by pane; give (initiator, outcome, packets, reply_packets, opened) of what is decided by `until`."""
    inventory = of_prefixes(["198.51.100.0/24", "2001:db8:42::/48"])
    rows, _ = inventory.label(flows(*lines))
    table = Conversations() if table is None else table
    found = []
    for end in range(T0 + 5, T0 + until + 5, 5):
        mask = (rows["end_us"] > (end - 5) * SECOND - 1) & (rows["end_us"] <= end * SECOND - 1)
        out = table.close(Pane(end * SECOND, {name: column[mask] for name, column in rows.items()}))
        if out:
            names = ("initiator", "outcome", "packets", "reply_packets", "opened")
            found += [(end - T0, *row) for row in zip(*(out[name].tolist() for name in names), strict=True)]
    return found


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([f"0 0 {OWN}:40000 {OUT}:22 tcp 1 40 S"], (True, UNANSWERED, 1, 0, True), id="SYN into silence"),
        pytest.param([f"0 0 {OWN}:40000 {OUT}:22 tcp 1 40 S", f"0.1 0.1 {OUT}:22 {OWN}:40000 tcp 1 40 RA"], (True, REFUSED, 1, 1, True), id="SYN refused"),
        pytest.param(
            [f"0 0 {OWN}:40000 {OUT}:22 tcp 1 40 S", f"0 0 {OUT}:22 {OWN}:40000 tcp 1 40 SA", f"0.1 0.1 {OWN}:40000 {OUT}:22 tcp 1 40 R"],
            (True, ANSWERED, 2, 1, True), id="half-open scan of an open port",
        ),
        pytest.param([f"0 9 {OWN}:40000 {OUT}:22 tcp 16 1900 SPAF", f"0 9 {OUT}:22 {OWN}:40000 tcp 25 3100 SPAF"], (True, ANSWERED, 16, 25, True), id="flow records at one time: ports decide"),
        pytest.param([f"0 0 {OUT}:51000 {OWN}:22 tcp 1 40 S", f"0 0 {OWN}:22 {OUT}:51000 tcp 1 40 RA"], (False, REFUSED, 1, 1, True), id="we refuse a scanner"),
        pytest.param([f"0 0 {OWN}:22 {OUT}:51000 tcp 1 40 RA"], (False, ANSWERED, 0, 1, False), id="a lone RST is an answer"),
        pytest.param([f"0 0 {OWN}:80 {OUT}:51000 tcp 3 120 SA"], (False, ANSWERED, 0, 3, False), id="backscatter: a lone SYN-ACK is an answer"),
        pytest.param([f"0 0 {OWN}:45195 {OUT}:25 tcp 1 40 F", f"0 0 {OUT}:25 {OWN}:45195 tcp 1 40 RA"], (True, REFUSED, 1, 1, False), id="FIN scan"),
        pytest.param([f"0 0 {OWN}:45195 {OUT}:25 tcp 1 40 A"], (True, UNANSWERED, 1, 0, False), id="ACK scan"),
        pytest.param([f"0 0 {OWN}:5000 {OUT}:53 udp 1 60 .", f"0.1 0.1 {OUT}:53 {OWN}:5000 udp 1 200 ."], (True, ANSWERED, 1, 1, True), id="a name query"),
        pytest.param([f"0 0 {OWN}:53 {OUT}:5000 udp 1 200 ."], (False, ANSWERED, 0, 1, True), id="an answer whose question was not seen"),
        pytest.param([f"0 0 {OWN}:0 {OUT}:2048 icmp 1 84 ."], (True, UNANSWERED, 1, 0, True), id="ping into silence"),
        pytest.param([f"0 0 {OWN}:0 {OUT}:2048 icmp 1 84 .", f"0 0 {OUT}:0 {OWN}:0 icmp 1 84 ."], (True, ANSWERED, 1, 1, True), id="ping answered"),
        pytest.param([f"0 0 {OUT}:0 {OWN}:2048 icmp 1 84 .", f"0 0 {OWN}:0 {OUT}:0 icmp 1 84 ."], (False, ANSWERED, 1, 1, True), id="we are pinged"),
        pytest.param(["0 0 [2001:db8:42::7]:4000 [2001:db8:9::1]:23 tcp 1 60 S"], (True, UNANSWERED, 1, 0, True), id="IPv6"),
    ],
)  # fmt: skip
def test_outcome(lines, expected):
    assert [row[1:] for row in decided(*lines)] == [expected]


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        pytest.param([f"0 9 {OWN}:40000 {OUT}:22 tcp 9 900 SPA"], 20, id="data: the answers may be told of later"),
        pytest.param([f"0 0 {OWN}:40000 {OUT}:22 tcp 1 40 ."], 20, id="an exporter without flags"),
        pytest.param([f"0 3 {OWN}:40000 {OUT}:22 tcp 8 320 S"], 20, id="more SYN than one connection tries"),
        pytest.param([f"1 9 {OWN}:5000 {OUT}:9999 udp 40 4000 ."], 25, id="a stream"),
        pytest.param([f"1 1 {OWN}:5000 {OUT}:53 udp 1 60 ."], 15, id="a question"),
        pytest.param([f"1 1 {OWN}:0 {OUT}:2048 icmp 1 84 ."], 15, id="a ping"),
        pytest.param([f"1 1 {OWN}:40000 {OUT}:22 tcp 1 40 S"], 10, id="a SYN that nothing followed"),
        pytest.param([f"1 4 {OWN}:40000 {OUT}:22 tcp 3 120 S"], 10, id="a SYN tried again"),
        pytest.param([f"1 1 {OWN}:40000 {OUT}:22 tcp 1 40 S", f"1 1 {OUT}:22 {OWN}:40000 tcp 1 40 RA"], 5, id="a refusal"),
    ],
)
def test_an_answer_is_waited_for_as_long_as_it_may_come(lines, seconds):
    assert decided(*lines)[0][0] == seconds


def test_a_slow_answer_to_a_syn_is_heard():
    found = decided(f"1 1 {OWN}:40000 {OUT}:22 tcp 1 40 S", f"4.9 4.9 {OUT}:22 {OWN}:40000 tcp 1 40 SA", f"5.1 8 {OWN}:40000 {OUT}:22 tcp 9 900 APF")
    assert [row[1:5] for row in found] == [(True, ANSWERED, 10, 1)]


def test_halves_that_arrive_apart_are_one_conversation():
    found = decided(f"0 1 {OWN}:40000 {OUT}:22 tcp 9 900 SPAF", f"0.1 18 {OUT}:22 {OWN}:40000 tcp 9 900 SPAF")
    assert [row[1:3] for row in found] == [(True, ANSWERED)]


def test_last_packets_after_the_end_are_no_new_conversation():
    lines = [f"0 0 {OWN}:40000 {OUT}:22 tcp 3 300 SAF", f"0 0 {OUT}:22 {OWN}:40000 tcp 3 300 SAF", f"7 7 {OWN}:40000 {OUT}:22 tcp 1 40 A"]
    assert len(decided(*lines)) == 1


def test_icmp_errors_are_no_conversations():
    assert decided(f"0 0 {OWN}:0 {OUT}:{3 * 256 + 3} icmp 1 84 .") == []


def test_an_internal_conversation_is_seen_from_both_sides():
    assert [row[1] for row in sorted(decided("0 0 198.51.100.7:40000 198.51.100.9:22 tcp 1 40 S"))] == [False, True]


def test_capacity_bounds_the_table_and_what_it_cost_is_counted():
    table = Conversations(capacity=50)
    decided(*[f"0 0 {OWN}:{p} {OUT}:22 tcp 1 40 A" for p in range(1000, 1100)], table=table, until=10)
    assert len(table) == 50
    assert table.shed == 50


def test_batches_and_order_change_nothing():
    lines = [f"{n % 7} {n % 7} {OWN}:{1000 + n % 9} {OUT}:22 tcp 1 40 {'SAF'[n % 3]}" for n in range(40)]
    rng = np.random.default_rng(1)
    expected = sorted(decided(*lines))
    for _ in range(5):
        shuffled = list(lines)
        rng.shuffle(shuffled)
        assert sorted(decided(*shuffled)) == expected
