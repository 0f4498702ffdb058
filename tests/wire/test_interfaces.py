"""Time stamps of pcapng interfaces: powers of ten and of two, offsets, and what would not fit."""

import numpy as np
import pytest

from abusewatch.wire.errors import WireError
from abusewatch.wire.interfaces import Interfaces
from tests.wire import frames_by_hand as hand

SECONDS = 1_700_000_000


def time_of(stamp, resolution=None, offset=None):
    options = b"" if resolution is None else hand.option(9, bytes([resolution]))
    options += b"" if offset is None else hand.option(14, offset.to_bytes(8, "little", signed=True))
    interfaces = Interfaces()
    interfaces.add(hand.interface(options=options), "<")
    return int(interfaces.times_us(np.zeros(1, np.int64), np.array([stamp], np.uint64))[0])


@pytest.mark.parametrize(("stamp", "resolution"), [
    (SECONDS * 10**6 + 250_000, None), (SECONDS * 10**9 + 250_000_000, 9), (SECONDS * 10**3 + 250, 3),
    ((SECONDS << 20) + (1 << 18), 0x80 | 20), ((SECONDS << 32) + (1 << 30), 0x80 | 32),
])  # fmt: skip
def test_resolutions(stamp, resolution):
    assert time_of(stamp, resolution) == SECONDS * 1_000_000 + 250_000


@pytest.mark.parametrize("resolution", [0x80 | 50, 0x80 | 63, 15, 19])
def test_fine_clocks_keep_their_microseconds(resolution):
    units = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    assert abs(time_of(units + units // 4 if units < 2**63 else units // 4, resolution) - (1_250_000 if units < 2**63 else 250_000)) <= 1


def test_offset_and_extremes():
    assert time_of(5, 0, SECONDS) == (SECONDS + 5) * 1_000_000
    assert time_of(5, 0, -10) == -5_000_000
    for resolution in (0, 6, 9, 0x80, 0x80 | 63):
        for offset in (-(2**63), 2**63 - 1):
            assert isinstance(time_of(2**64 - 1, resolution, offset), int)


@pytest.mark.parametrize("options", [hand.option(9, b"\x14"), hand.option(9, b"\xc0"), hand.option(9, b"\6\6"), hand.option(14, bytes(4))])
def test_senseless_options(options):
    with pytest.raises(WireError):
        Interfaces().add(hand.interface(options=options), "<")
