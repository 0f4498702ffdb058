"""Many walkers over one capture find what one finds, however wrong the guesses are where they begin."""

import random

import numpy as np
import pytest

from abusewatch.wire import lanes, pcap
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.frames import CAPTURED_LIMIT, Window
from tests.wire import frames_by_hand as hand

FORM = {order: form for form in pcap.MAGICS.values() if form.per_us == 1 and form.record == 16 for order in form.order}


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch):
    monkeypatch.setattr(pcap, "KERNEL", None)


def capture(count, order="<", seconds=1_700_000_000, content=lambda chance, size: chance.randbytes(size)):
    chance = random.Random(count)
    packets = [content(chance, chance.choice((0, 60, 128, 1514))) for _ in range(count)]
    return hand.pcap(packets, order=order, times=[(seconds + n // 50, n) for n in range(count)])


def walked(data, order="<"):
    window = Window([data])
    window.fill(len(data))
    return pcap._walk(window, 24, FORM[order])


def stepped(data, order="<"):
    window = Window([data])
    window.fill(len(data))
    return pcap._stepped(window, 24, len(data), FORM[order])


def same(data, order="<"):
    one, other = walked(data, order), stepped(data, order)
    assert one[0].tolist() == other[0].tolist()
    assert one[1:] == other[1:]
    return one


@pytest.mark.parametrize("order", "<>")
def test_many_find_what_one_finds(order):
    data = capture(3000, order)
    assert len(same(data, order)[0]) == 3000
    runs = lanes.runs(data + bytes(64), 24, len(data), order, 16)
    assert sum(len(run.places) for run in runs) > 2900  # it was they who found it
    assert runs[0].start == 24


def test_a_short_one_is_left_to_one():
    assert lanes.runs(bytes(1000), 0, 900, "<", 16) == []


@pytest.mark.parametrize("seconds", [0, 0x6553_FFFF - 20, 0xFFFF_FFFF])
def test_times_that_are_no_help(seconds):
    """Zero occurs everywhere; the upper half changes on the way; a field that cannot grow."""
    same(capture(3000, seconds=min(seconds, 0xFFFF_0000)))


def test_packets_full_of_what_looks_like_a_time():
    upper = (1_700_000_000 >> 16).to_bytes(2, "little")
    data = capture(3000, content=lambda _, size: upper * (size // 2))
    assert len(same(data)[0]) == 3000


def test_a_capture_within_packets():
    """Payload that is itself a capture leads walkers astray, together and for long."""
    inner = capture(20)[24:]
    data = capture(40, content=lambda chance, _: chance.randbytes(7) + inner)
    assert len(same(data)[0]) == 40


@pytest.mark.parametrize("at", [1, 700, 2999])
def test_a_record_that_is_too_long(at):
    data = bytearray(capture(3000))
    place = int(stepped(bytes(data))[0][at])
    data[place + 8 : place + 12] = (CAPTURED_LIMIT + 1).to_bytes(4, "little")
    found, position, bad = same(bytes(data))
    assert (len(found), position, bad) == (at, place, True)


def test_every_kind_of_end():
    data = capture(3000)
    for cut in (1, 15, 16, 17, 200, 5000):
        same(data[:-cut])
    same(data + bytes(15))


def test_mutations():
    chance = random.Random(5)
    whole = capture(2000)
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(24, len(data))] = chance.choice((0, 1, 127, 255))
        same(bytes(data))


def test_the_frames_are_the_same():
    data = capture(3000)

    def frames(size):
        parts = list(pcap.frames(data[n : n + size] for n in range(0, len(data), size)))
        return [np.concatenate([getattr(part, name) for part in parts]).tolist() for name in ("captured", "original", "time_us", "number")]

    assert frames(len(data)) == frames(300_000) == frames(5_000)


def test_a_cut_file_says_so():
    with pytest.raises(WireError) as error:
        list(pcap.frames([capture(3000)[:-1]]))
    assert error.value.reason is Reason.TRUNCATED
