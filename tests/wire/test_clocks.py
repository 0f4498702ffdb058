"""How far an exporter's clock is off is seen through delays and through single datagrams that lie."""

import random
import struct

import numpy as np
import pytest

from abusewatch.inventory import of_prefixes
from abusewatch.pipeline import Pipeline
from abusewatch.wire.clocks import Clocks
from abusewatch.wire.datagrams import FlowDecoder
from abusewatch.wire.errors import Reason
from tests.wire import exports_by_hand as wire

SECOND = 1_000_000


@pytest.mark.parametrize("skew", [0, 3_600 * SECOND, -86_400 * SECOND])
def test_skew_is_found_behind_delays(skew):
    rng, clocks = random.Random(1), Clocks()
    for second in range(120):
        ahead = [skew - rng.randrange(5 * SECOND) for _ in range(20)]
        clocks.add(np.zeros(20, np.int64), np.array(ahead), second * SECOND)
    assert clocks.skew_us(0) == pytest.approx(skew, abs=SECOND // 4)


def test_one_datagram_that_lies_moves_nothing():
    clocks = Clocks()
    for second in range(120):
        clocks.add(np.zeros(1, np.int64), np.array([10**12 if second == 60 else 0]), second * SECOND)
        assert clocks.skew_us(0) == 0


def test_domains_are_kept_apart_and_forgotten():
    clocks = Clocks()
    clocks.add(np.array([0, 1, 1]), np.array([5, 7, 6]), SECOND)
    assert (clocks.skew_us(0), clocks.skew_us(1), clocks.skew_us(2)) == (5, 7, None)
    clocks.reset(1)
    assert clocks.skew_us(1) is None


def test_the_clock_of_a_datagrams_header_counts_and_agents_have_none():
    decoder = FlowDecoder()
    datagrams = [wire.v9(wire.fset(0, wire.template(256, *wire.V4)), seconds=wire.NOW + 90), wire.sflow(wire.sample(wire.raw(wire.frame())))]
    wire.feed(decoder, datagrams, received_us=wire.NOW * SECOND)
    assert [account.skew_us for account in decoder.accounts] == [90 * SECOND, None]


class Router:
    """An exporter whose clock is off by some seconds, and who tells of a flow that ended a second ago."""

    def __init__(self, form, skew, number=1):
        self.form, self.skew, self.number, self.told = form, skew, number, 0

    def at(self, second):
        now = wire.NOW + second + self.skew
        self.told += 1
        if self.form == "netflow5":
            return wire.v5([(wire.A, wire.B, 1000, 80, 6, 3, 180, 96_000, 99_000, 2)], sequence=self.told, seconds=now, engine=self.number)
        if self.form == "netflow9":
            sets = wire.fset(0, wire.template(256, *wire.V4, (22, 4), (21, 4))), wire.fset(256, wire.flow4() + struct.pack(">II", 96_000, 99_000))
            return wire.v9(*sets, sequence=self.told, seconds=now)
        spans = struct.pack(">QQ", (now - 4) * 1000, (now - 1) * 1000)
        return wire.ipfix(wire.fset(2, wire.template(256, *wire.V4, (152, 8), (153, 8))), wire.fset(256, wire.flow4() + spans), sequence=self.told - 1, seconds=now)


def ages(decoder, second, *routers):
    """How many seconds before now the flows of each router ended, and how long they took."""
    decoded = wire.feed(decoder, [router.at(second) for router in routers], [router.number for router in routers], (wire.NOW + second) * SECOND)
    return {row["exporter"]: (round(wire.NOW + second - row["end_us"] / SECOND, 1), (row["end_us"] - row["start_us"]) // SECOND) for row in wire.rows(decoded)}


@pytest.mark.parametrize("skew", [30, 3_600, 86_000])
@pytest.mark.parametrize("form", ["netflow5", "netflow9", "ipfix"])
def test_a_clock_that_is_ahead_is_set_right_from_the_first_datagram_on(form, skew):
    decoder, right, wrong = FlowDecoder(), Router(form, 0, 1), Router(form, skew, 2)
    for second in range(0, 90, 3):
        found = ages(decoder, second, right, wrong)
        assert found[2] == pytest.approx((1.0, 3), abs=0.6)
        assert found[1] == pytest.approx((1.0, 3), abs=0.6)


@pytest.mark.parametrize("form", ["netflow5", "netflow9", "ipfix"])
def test_a_clock_that_is_behind_is_set_right_when_it_is_so_steadily_and_others_are_not(form):
    decoder, right, wrong = FlowDecoder(), Router(form, 0, 1), Router(form, -3_600, 2)
    found = [ages(decoder, second, right, wrong) for second in range(0, 90, 3)]
    assert found[0][2][0] == pytest.approx(3_601, abs=1)
    assert found[-1] == {1: pytest.approx((1.0, 3), abs=0.6), 2: pytest.approx((1.0, 3), abs=0.6)}


def test_alone_and_behind_nobody_is_late():
    decoder, wrong = FlowDecoder(), Router("netflow9", -3_600)
    assert [ages(decoder, second, wrong)[1][0] for second in range(0, 90, 3)] == [3_601.0] * 30


def test_old_flows_that_are_sent_again_stay_old():
    """A capture of an hour before, sent thirty times as fast, beside a router: not a clock that is behind, but a file."""
    decoder, right, file = FlowDecoder(), Router("netflow9", 0, 1), Router("netflow9", 0, 2)
    for second in range(0, 90, 3):
        file.skew = -3_600 + 29 * second
        expected = 1.0 - file.skew
        assert ages(decoder, second, right, file)[2][0] == expected


def test_a_clock_that_is_nearly_right_is_left_alone():
    decoder = FlowDecoder()
    assert [ages(decoder, second, Router("netflow9", skew)) for second, skew in ((0, 5), (3, -5), (6, 0))] == [{1: (-4.0, 3)}, {1: (6.0, 3)}, {1: (1.0, 3)}]


def test_records_of_a_wrong_clock_under_a_right_header():
    """Local time taken for UTC: the header says ten, the record twelve."""
    now = (wire.NOW + 7_200) * 1000
    message = wire.ipfix(wire.fset(2, wire.template(256, *wire.V4, (152, 8), (153, 8))), wire.fset(256, wire.flow4() + struct.pack(">QQ", now - 4_000, now - 1_000)))
    decoded = wire.feed(FlowDecoder(), [message])
    (row,) = wire.rows(decoded)
    assert (row["start_us"], row["end_us"]) == ((wire.NOW - 3) * SECOND, wire.NOW * SECOND)
    assert decoded.counts[Reason.CLOCK] == 1


def test_one_exporter_in_the_future_makes_nobody_elses_records_late():
    """And a negative control: with the clocks believed, all of the other's are."""
    inventory = of_prefixes(["192.0.2.0/24"])

    def late(believed):
        decoder, pipeline = FlowDecoder(), Pipeline((), inventory, lambda _: None)
        right, wrong = Router("netflow9", 0, 1), Router("netflow9", 3_600, 2)
        for second in range(0, 60, 3):
            received_us = 0 if believed else (wire.NOW + second) * SECOND
            for batch in wire.feed(decoder, [right.at(second), wrong.at(second)], [1, 2], received_us).batches:
                pipeline.feed(batch)
        return pipeline.panes.late_rows

    assert late(believed=False) == 0
    assert late(believed=True) == 19


@pytest.mark.parametrize("uptime", [20_000, 2**31 + 5, 2**32 - 1])
def test_uptime_wraps_after_49_days_and_17_hours(uptime):
    """RFC 3954 5.1 has 32 bits of milliseconds: a flow that began before the wrap is as old as it is, in v5, v9 and IPFIX with element 160."""
    first, last = ((uptime - age) & 0xFFFF_FFFF for age in (30_000, 21_000))
    expected = ((wire.NOW - 30) * 1000, (wire.NOW - 21) * 1000)
    five = wire.v5([(wire.A, wire.B, 1, 2, 6, 1, 40, first, last, 0)], uptime=uptime)
    times = struct.pack(">II", first, last)
    nine = wire.v9(wire.fset(0, wire.template(256, *wire.V4, (22, 4), (21, 4))), wire.fset(256, wire.flow4() + times), uptime=uptime)
    booted = wire.NOW * 1000 - uptime - 3 * 2**32  # thrice round already
    fields = (*wire.V4, (22, 4), (21, 4), (160, 8))
    ten = wire.ipfix(wire.fset(2, wire.template(256, *fields)), wire.fset(256, wire.flow4() + times + struct.pack(">Q", booted)))
    for datagram in (five, nine, ten):
        (row,) = wire.rows(wire.feed(FlowDecoder(), [datagram]))
        assert (row["start_us"] // 1000, row["end_us"] // 1000) == pytest.approx(expected, abs=500)


def test_the_clock_that_is_off_furthest():
    clocks = Clocks()
    assert clocks.worst_us == 0
    clocks.add(np.array([0, 1, 2]), np.array([5, -70, 60]), SECOND)
    assert clocks.worst_us == -70
