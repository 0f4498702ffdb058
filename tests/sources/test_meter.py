"""The flow cache: when a flow ends, and what it then says."""

import numpy as np

from abusewatch.model.flow import batch_of, concat
from abusewatch.sources.encode import meter
from abusewatch.sources.encode.meter import Meter

SECOND = 1_000_000


def packets(*secs, port=1, flags=2):
    n = len(secs)
    when = np.array(secs) * SECOND
    return batch_of(n, start_us=when, end_us=when, src_port=np.full(n, port), flags=np.full(n, flags), bytes=np.full(n, 100), packets=np.ones(n))


def metered(*batches):
    cache = Meter()
    out = concat([*(cache.add(b) for b in batches), cache.close()])
    return sorted(zip(out.src_port.tolist(), (out.start_us // SECOND).tolist(), (out.end_us // SECOND).tolist(), out.packets.tolist(), strict=True))


def test_packets_of_one_key_are_one_flow_over_batches():
    assert metered(packets(0, 1), packets(2)) == [(1, 0, 2, 3)]


def test_silence_ends_a_flow():
    assert metered(packets(0, 14, 29)) == [(1, 0, 14, 2), (1, 29, 29, 1)]


def test_a_minute_ends_a_flow():
    assert metered(packets(*range(0, 70, 10))) == [(1, 0, 50, 6), (1, 60, 60, 1)]


def test_keys_are_apart_and_flags_are_joined():
    cache = Meter()
    cache.add(packets(0, flags=2))
    cache.add(packets(1, flags=16))
    cache.add(packets(1, port=9))
    out = cache.close()
    assert sorted(zip(out.src_port.tolist(), out.flags.tolist(), out.bytes.tolist(), strict=True)) == [(1, 18, 200), (9, 2, 100)]


def test_a_flow_that_ended_comes_out_when_time_has_passed():
    cache = Meter()
    cache.add(packets(0))
    assert cache.add(packets(20, port=2)).src_port.tolist() == [1]


def test_a_full_cache_exports_early_and_loses_nothing(monkeypatch):
    monkeypatch.setattr(meter, "CACHE_LIMIT", 10)
    cache = Meter()
    out = concat([*(cache.add(packets(0, port=p)) for p in range(100)), cache.close()])
    assert sorted(out.src_port.tolist()) == list(range(100))
