"""Packets to flows: what is one flow, when it ends, and that the compiled cache and the sorting one agree on every column."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.model.flow import COLUMNS, batch_of, concat
from abusewatch.sources.capture_file import flows_of
from abusewatch.sources.flow_cache import KERNEL, PANE_US, Compiled, Grouped, cache, metered
from abusewatch.wire import pcap, pcapng
from tests.wire import frames_by_hand as hand
from tests.wire.test_compiled import LAYERS

SECOND = 1_000_000
MAPPED = 0xFFFF << 32
KINDS = [Grouped] + ([Compiled] if KERNEL else [])


def packets(*rows):
    """(seconds, source's last octet, source port, flags)"""
    when = np.array([int(row[0] * SECOND) for row in rows], np.int64)
    columns = {
        "src_lo": np.array([MAPPED | row[1] for row in rows], np.uint64), "src_port": np.array([row[2] for row in rows]),
        "flags": np.array([row[3] for row in rows]), "bytes": np.array([100 + n for n in range(len(rows))]), "frame": np.arange(1, len(rows) + 1),
    }  # fmt: skip
    return batch_of(len(rows), start_us=when, end_us=when, dst_lo=np.full(len(rows), MAPPED | 9, np.uint64), protocol=np.full(len(rows), 6), **columns)


def run(kind, batch, size=None, **limits):
    flows = kind(**limits)
    size = size or max(len(batch), 1)
    return concat([part for part in (*(flows.add(batch.take(slice(at, at + size))) for at in range(0, len(batch), size)), flows.flush()) if len(part)])


def told(flows):
    names = ("start_us", "end_us", "src_port", "flags", "packets", "bytes", "frame", "frame_last")
    return list(zip(*(getattr(flows, name).tolist() for name in names), strict=True))


@pytest.mark.parametrize("kind", KINDS)
class TestBoth:
    def test_packets_of_a_pane_are_one_flow(self, kind):
        assert told(run(kind, packets((0, 1, 80, 16), (1, 1, 80, 24), (4.9, 1, 80, 16)))) == [(0, 4_900_000, 80, 24, 3, 303, 1, 3)]

    def test_a_later_pane_ends_it(self, kind):
        assert [row[:2] for row in told(run(kind, packets((4, 1, 80, 16), (6, 1, 80, 16))))] == [(4_000_000, 4_000_000), (6_000_000, 6_000_000)]

    def test_opening_packets_stay_by_themselves(self, kind):
        """Who started is read from a SYN alone and from SYN and ACK alone; joined with what follows they would tell nothing."""
        flows = run(kind, packets((0, 1, 80, 2), (0, 1, 80, 18), (0, 1, 80, 16), (1, 1, 80, 0x52), (1, 1, 80, 25), (2, 1, 80, 2)))
        assert [(row[3], row[4]) for row in told(flows)] == [(2, 2), (18, 1), (25, 2), (0x52, 1)]

    def test_a_packet_of_the_pane_before_is_no_loss(self, kind):
        assert sorted(row[4] for row in told(run(kind, packets((4, 1, 80, 16), (6, 1, 80, 16), (4.5, 1, 80, 16), (6, 1, 80, 16))))) == [1, 1, 2]

    def test_a_clock_set_back_begins_anew(self, kind):
        flows = run(kind, packets((1000, 1, 80, 16), (10, 1, 80, 16), (11, 1, 80, 16), (1000, 1, 80, 16)))
        assert [(row[0] // SECOND, row[4]) for row in told(flows)] == [(1000, 1), (10, 2), (1000, 1)]

    def test_a_full_cache_ends_all_and_loses_nothing(self, kind):
        flows = run(kind, packets(*((0, 1, port, 16) for port in (1, 2, 3, 1, 4, 1, 2))), limit=3)
        assert [(row[2], row[4]) for row in told(flows)] == [(1, 2), (2, 1), (3, 1), (4, 1), (1, 1), (2, 1)]

    def test_nothing_gives_nothing(self, kind):
        flows = kind()
        assert len(flows.add(batch_of(0))) == len(flows.flush()) == 0

    def test_after_the_end_the_clock_may_start_anywhere(self, kind):
        flows = kind()
        flows.add(packets((1000, 1, 80, 16)))
        assert len(flows.flush()) == 1
        assert len(flows.add(packets((10, 1, 80, 16), (16, 1, 80, 16)))) == 1

    def test_family_is_said(self, kind):
        assert run(kind, packets((0, 1, 80, 16))).family == 4
        six = packets((0, 1, 80, 16)).with_columns(src_hi=np.ones(1, np.uint64), dst_hi=np.ones(1, np.uint64))
        assert run(kind, six).family == 6
        assert run(kind, concat([six, packets((0, 1, 80, 16))])).family == 0


def test_a_stream():
    assert sum(len(part) for part in metered([packets((0, 1, 80, 16)), packets((1, 1, 80, 16)), packets((6, 1, 80, 16))])) == 2


def test_the_compiled_one_is_taken_where_it_is():
    assert isinstance(cache(), KINDS[-1])


EDGE = st.sampled_from((0, 1, PANE_US - 1, PANE_US, 4 * PANE_US, 5 * PANE_US, -1, -PANE_US - 1, 10**15))
ROW = st.tuples(
    EDGE | st.integers(-(10**8), 10**8), st.integers(0, 3), st.integers(0, 3), st.sampled_from((0, 2, 16, 17, 18, 24, 0x52, 4)), st.sampled_from((6, 17)),
    st.booleans(), st.integers(0, 2**32 - 1),
)  # fmt: skip


@pytest.mark.compiled("abusewatch.sources._flow_cache")
@given(rows=st.lists(ROW, max_size=60), size=st.integers(1, 60), limit=st.integers(1, 8))
@settings(deadline=None, max_examples=150)
def test_both_agree_on_every_column(rows, size, limit):
    """Any times, any batches, a cache that is full all the time."""
    when = np.array([row[0] for row in rows], np.int64)
    column = [np.array([abs(row[n]) for row in rows], np.uint64) for n in range(7)]
    columns = {
        "src_lo": np.where(column[5] > 0, MAPPED, 0).astype(np.uint64) | column[1], "src_hi": np.where(column[5] > 0, 0, 7), "dst_lo": MAPPED | column[2],
        "dst_hi": np.where(column[5] > 0, 0, 7), "src_port": column[1], "dst_port": column[2], "flags": column[3], "protocol": column[4], "bytes": column[6],
        "frame": np.arange(1, len(rows) + 1),
    }  # fmt: skip
    batch = batch_of(len(rows), start_us=when, end_us=when, **columns)
    whole = run(Grouped, batch, limit=limit)
    for other in (run(Compiled, batch, limit=limit), run(Compiled, batch, size, limit=limit), run(Grouped, batch, size, limit=limit)):
        for name in COLUMNS:
            assert getattr(other, name).tolist() == getattr(whole, name).tolist(), name
    assert int(whole.packets.sum()) == len(rows)
    assert int(whole.bytes.sum()) == int(batch.bytes.sum())


def frames_of(root, name):
    with (root / "captures" / name / "capture.pcap").open("rb") as file:
        yield from pcap.frames(iter(lambda: file.read(50_000), b""))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["ssh-login-attack", "address-scan-v6", "carpet-flood"])
def test_frames_and_their_packets_give_the_same_flows(kind, name, root):
    """In one pass or with columns between, compiled or not; also what is counted as not whole."""
    counted, whole, apart = Counter(), Counter(), kind()
    flows = kind()
    one = [part for part in (*(flows.read(frames, whole) for frames in frames_of(root, name)), flows.flush()) if len(part)]
    two = [part for part in (*(apart.add(flows_of(frames, counted)) for frames in frames_of(root, name)), apart.flush()) if len(part)]
    reference = concat(list(metered(flows_of(frames, Counter()) for frames in frames_of(root, name))))
    for column in COLUMNS:
        assert getattr(concat(one), column).tolist() == getattr(concat(two), column).tolist() == getattr(reference, column).tolist(), column
    assert whole == counted


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_odd_kinds(kind):
    """Frames that are no IP or cut, of several link types or of one that is not known, and none at all."""
    layers = [part[: len(part) - n] for n in (0, 3, 20) for part in LAYERS]
    mixed = hand.section() + hand.interface() + hand.interface(101) + b"".join(hand.enhanced(part, 10**15, n % 2) for n, part in enumerate(layers))
    for walk, data in ((pcap.frames, hand.pcap(layers * 3)), (pcap.frames, hand.pcap(layers, linktype=147)), (pcapng.frames, mixed)):
        whole, counted, flows, apart = Counter(), Counter(), kind(limit=3), kind(limit=3)
        for frames in walk([data[at : at + 700] for at in range(0, len(data), 700)]):
            one, two = flows.read(frames, whole), apart.add(flows_of(frames, counted))
            for column in COLUMNS:
                assert getattr(one, column).tolist() == getattr(two, column).tolist(), column
        assert whole == counted
