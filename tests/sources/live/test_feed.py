"""The form of a feed's messages: what is written is read, anything else is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.model.flow import batch_of
from abusewatch.sources.live import feed
from abusewatch.sources.live.feed import COLUMNS, HEAD, LONGEST, ROWS, Counts, FeedError, message, read

COUNTS = Counts(7, 5, 3, (1, 2, 3, 4, 5, 6, 7))


def packets(n):
    chance = np.random.default_rng(n)
    columns = {name: chance.integers(0, 200, n).astype(kind) for name, kind in COLUMNS.items()}
    return batch_of(n, end_us=columns["start_us"], **columns)


@pytest.mark.parametrize("rows", [0, 1, 100, ROWS])
def test_what_is_written_is_read(rows):
    written = packets(rows)
    data = message("eth0.100", COUNTS, written)
    assert len(data) <= LONGEST
    found = read(data)
    assert (found.interface, found.counts, len(found.packets)) == ("eth0.100", COUNTS, rows)
    for name in (*COLUMNS, "end_us"):
        assert getattr(found.packets, name).tolist() == getattr(written, name).tolist()
    assert set(found.packets.packets.tolist()) <= {1}


def test_no_column_is_payload():
    assert set(COLUMNS) == {"start_us", "src_hi", "src_lo", "dst_hi", "dst_lo", "bytes", "src_port", "dst_port", "protocol", "flags"}
    assert feed.ROW_BYTES == 50


@pytest.mark.parametrize("spoiled", [
    b"", b"x" * 10, message("a", COUNTS, packets(3))[:-1], message("a", COUNTS, packets(3)) + b"x", b"\0" * HEAD.size,
    HEAD.pack(feed.MAGIC, ROWS + 1, b"a", *[0] * 10) + bytes((ROWS + 1) * feed.ROW_BYTES), HEAD.pack(feed.MAGIC, 0, b"\xff", *[0] * 10),
])  # fmt: skip
def test_anything_else_is_refused(spoiled):
    with pytest.raises(FeedError):
        read(spoiled)


@given(st.binary(max_size=400))
def test_any_bytes(data):
    with pytest.raises(FeedError):
        read(b"\1" + data)
