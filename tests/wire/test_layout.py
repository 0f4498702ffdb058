"""Columns of records are the same read where they lie, compiled, and gathered, in numpy; and as a slow reading of each octet says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.wire import layout
from abusewatch.wire.layout import Layout, columns_of

NAMES = ("bytes", "dst6", "dst_port", "flags", "packets", "protocol", "src6", "src_port", "start_uptime")
SIZES = st.tuples(*(st.just(16) if name.endswith("6") else st.integers(1, 8) for name in NAMES))


def made(sizes, gap, first):
    columns, at = [], first
    for name, octets in zip(NAMES, sizes, strict=True):
        columns.append((name, at, octets))
        at += octets + gap
    return Layout(at, tuple(columns))


def slowly(found, flat, at):
    """Each number by itself."""
    columns = {}
    for name, offset, octets in found.columns:
        for suffix, skip, size in (("_hi", 0, 8), ("_lo", 8, 8)) if octets == 16 else (("", 0, octets),):
            begin = at + offset - found.span[0] + skip
            columns[name + suffix] = [int.from_bytes(flat[one : one + size].tobytes(), "big") for one in begin.tolist()]
    return columns


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(0, 3), st.integers(0, 5), st.integers(0, 40), st.integers(0, 2**32))
def test_both_ways(sizes, gap, first, count, seed):
    dice, found = np.random.default_rng(seed), made(sizes, gap, first)
    flat = dice.integers(0, 256, 400 + found.span[1], np.uint8)
    at = dice.integers(0, 400, count)
    for kernel in {layout.KERNEL, None}:
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(layout, "KERNEL", kernel)
            columns = columns_of(found, flat, at)
        assert {name: column.tolist() for name, column in columns.items()} == slowly(found, flat, at)
        assert {name: column.dtype.itemsize for name, column in columns.items() if column.dtype != np.uint64} == {
            name: size for name, size in zip(NAMES, sizes, strict=True) if size in {1, 2, 4}
        }


@pytest.mark.parametrize("compiled", [True, False])
def test_more_records_than_one_round_takes(monkeypatch, compiled):
    if not compiled:
        monkeypatch.setattr(layout, "KERNEL", None)
    found, flat = made((4, 16, 2, 1, 8, 1, 16, 2, 4), 0, 0), np.arange(60_000).astype(np.uint8)
    at = np.arange(2500) * 20
    assert {name: column.tolist() for name, column in columns_of(found, flat, at).items()} == slowly(found, flat, at)


@pytest.mark.parametrize("at", [[-1], [0, 347], [400]])
def test_nothing_is_read_beyond_the_end(at):
    found = made((4, 16, 2, 1, 8, 1, 16, 2, 4), 0, 0)
    assert found.span[1] == 54
    with pytest.raises(IndexError):
        columns_of(found, np.zeros(400, np.uint8), np.array(at))
    assert columns_of(found, np.zeros(400, np.uint8), np.array([346]))["protocol"].tolist() == [0]
