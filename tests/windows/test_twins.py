"""What is exported twice counts once, whoever exports it; what only looks alike counts as often as it came."""

import numpy as np
import pytest

from abusewatch.model import rows as r
from abusewatch.windows.twins import HOT_US, SMALL, Twins

SECOND = 1_000_000
PANE = 5 * SECOND


def rows(n, *, exporter=1, at=0, seconds=2.0, packets=9, seed=1, jitter=0, rate=1, peer=None, offset=0):
    """`n` flows of one own address to different others, as an exporter tells them; the same seed gives the same flows."""
    made = r.empty()
    rng, shift = np.random.default_rng(seed), np.random.default_rng(exporter * 1000 + seed)
    start = at + rng.integers(0, 2 * SECOND, n)
    columns = {
        "slot": np.arange(n) + offset, "own_lo": np.arange(n) + offset, "peer_lo": rng.integers(0, 1 << 60, n) if peer is None else np.full(n, peer),
        "own_port": rng.integers(1024, 60_000, n), "peer_port": np.full(n, 443), "protocol": np.full(n, 6), "packets": np.full(n, packets),
        "bytes": np.full(n, packets * 100), "start_us": start, "end_us": start + round(seconds * SECOND), "sampling_rate": np.full(n, rate),
        "exporter": np.full(n, exporter), "outbound": np.ones(n),
    }  # fmt: skip
    if jitter:
        moved = shift.integers(-jitter // 2, jitter // 2, n)
        columns |= {name: columns[name] + moved for name in ("start_us", "end_us")}
    return {name: columns.get(name, np.zeros(n)).astype(column.dtype) for name, column in made.items()}


def shuffled(*parts):
    joined = r.join(parts)
    return r.take(joined, np.random.default_rng(7).permutation(r.length(joined)))


@pytest.mark.parametrize("packets", [1, 9])
@pytest.mark.parametrize("n", [50, 3 * SMALL, 40 * SMALL])
def test_two_routers_behind_each_other(n, packets):
    twins = Twins()
    for pane in range(20):
        same = {"at": pane * PANE, "packets": packets, "seed": pane, "jitter": 100_000}
        kept = twins.once(shuffled(rows(n, **same), rows(n, exporter=2, **same)), (pane + 1) * PANE)
    assert r.length(kept) == n
    assert set(kept["exporter"].tolist()) == {1}


def test_two_routers_on_different_ways_lose_nothing():
    twins = Twins()
    for pane in range(20):
        parts = [rows(900, exporter=exporter, at=pane * PANE, seed=pane * 2 + exporter) for exporter in (1, 2)]
        assert r.length(twins.once(shuffled(*parts), (pane + 1) * PANE)) == 1800
    assert twins.dropped == 0


def test_of_repeated_flows_each_counts_as_often_as_the_router_saw_it_that_saw_more():
    """A resolver that asks the same from the same port: three flows at one router, of which the other lost one."""
    three = [rows(40, at=k * 100_000, seconds=0, packets=1, seed=3) for k in range(3)]
    other = [rows(40, exporter=2, at=k * 100_000, seconds=0, packets=1, seed=3) for k in range(2)]
    assert r.length(Twins().once(shuffled(*three), PANE)) == 120
    assert r.length(Twins().once(shuffled(*three, *other), PANE)) == 120


def test_records_at_another_time_or_of_other_counts_are_other_flows():
    later = rows(40, exporter=2, at=1_500_000)
    more = rows(40, exporter=3, packets=10)
    assert r.length(Twins().once(shuffled(rows(40), later, more), PANE)) == 120


@pytest.mark.parametrize("apart_us", [0, 300_000, 900_000])
def test_one_router_that_meters_the_way_in_and_the_way_out(apart_us):
    """NetFlow v5 has no direction: two caches are told by flows of several packets that no single cache could have told twice."""
    twins, counts = Twins(), []
    for pane in range(20):
        both = [rows(60, at=pane * PANE, seed=pane, seconds=1.5) for _ in range(2)]
        if apart_us:
            both[1] = {name: column + (apart_us if name in {"start_us", "end_us"} else column.dtype.type(0)) for name, column in both[1].items()}
        short = [rows(40, at=pane * PANE, seed=100 + pane, seconds=0, packets=1) for _ in range(2)]
        counts.append(r.length(twins.once(shuffled(*both, *short), (pane + 1) * PANE)))
    assert counts[-1] == 100


def test_real_flows_alike_from_one_router_are_never_merged():
    """A flood from one port, exported packet by packet in equal records; and an exporter that now and then sends a flow of several packets twice."""
    twins = Twins()
    for pane in range(20):
        flood = [rows(1, at=pane * PANE, seconds=0, packets=1, seed=5, peer=9) for _ in range(300)]
        talk = rows(300, at=pane * PANE, seed=pane)
        odd = r.take(talk, slice(0, 20))
        assert r.length(twins.once(shuffled(*flood, talk, odd), (pane + 1) * PANE)) == 620
    assert twins.dropped == 0


@pytest.mark.parametrize("more", [{"rate": 100}, {"exporter": 0}])
def test_samples_and_packets_of_captures_are_left_alone(more):
    same = rows(50, **more), rows(50, **more)
    other = rows(50, **({"exporter": 2} | more))
    assert r.length(Twins().once(shuffled(*same, other), PANE)) == 150


def test_twins_on_both_sides_of_the_end_of_a_pane():
    twins = Twins()
    first, second = rows(50, at=0, seconds=2.8), rows(50, exporter=2, at=0, seconds=2.8)
    moved = {name: column + (300_000 if name in {"start_us", "end_us"} else column.dtype.type(0)) for name, column in second.items()}
    parts = [[], []]
    for part in (first, moved):
        inside = part["end_us"] <= 4_500_000
        parts[0].append(r.take(part, inside))
        parts[1].append(r.take(part, ~inside))
    assert all(r.length(part) for pane in parts for part in pane)
    kept = [twins.once(r.join(pane), 4_500_000 + n * PANE) for n, pane in enumerate(parts)]
    assert sum(map(r.length, kept)) == 50


def test_parts_of_a_full_pane():
    twins = Twins()
    assert r.length(twins.once(rows(50), PANE, part=True)) == 50
    assert r.length(twins.once(rows(50, exporter=2), PANE)) == 0


def test_a_large_pane_is_searched_only_while_it_pays():
    twins, n = Twins(), 2 * SMALL
    for pane in range(4):
        twins.once(rows(n, at=pane * PANE, seed=pane), (pane + 1) * PANE)
    assert twins._hot_until_us == 0
    twins.once(r.join([rows(n), rows(n, exporter=2)]), PANE)
    assert twins._hot_until_us == PANE + HOT_US
    assert twins.dropped == n


def test_no_rows():
    assert r.length(Twins().once(r.empty(), PANE)) == 0
