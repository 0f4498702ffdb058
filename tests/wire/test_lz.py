"""LZ4 and LZO blocks: by hand, and against garbage. `tests/sources/test_nfcapd.py` reads what nfdump has compressed."""

import random
from contextlib import suppress

import pytest

from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.lz import lz4, lzo

LZ4 = [
    (b"\x50hello", b"hello"),
    (b"\xf0\x05" + b"a" * 20, b"a" * 20),
    (b"\x14a\x01\x00\x10b", b"a" * 9 + b"b"),  # a match that overlaps itself
    (b"\x4fabcd\x04\x00\xff\x01\x10!", b"abcd" * 69 + b"abc!"),
]
END = b"\x11\0\0"
LZO = [
    (END, b""),
    (b"\x16hello" + END, b"hello"),
    (b"\x16hello\x22\x10\0\x80" + END, None),
    (b"\x02hello" + END, b"hello"),
    (b"\x16abcde\x29\x10\0" + END, b"abcdeabcdeabcdea"),
    (b"\x00\x02" + b"x" * 20 + END, b"x" * 20),
]


@pytest.mark.parametrize(("packed", "plain"), LZ4)
def test_lz4(packed, plain):
    assert lz4(packed, 1000) == plain


@pytest.mark.parametrize(("packed", "plain"), LZO)
def test_lzo(packed, plain):
    if plain is None:
        with pytest.raises(WireError):
            lzo(packed, 1000)
    else:
        assert lzo(packed, 1000) == plain


@pytest.mark.parametrize(("expand", "packed", "size"), [(lz4, LZ4[3][0], 280), (lzo, LZO[4][0], 16), (lzo, LZO[5][0], 20)])
def test_never_more_than_the_limit(expand, packed, size):
    assert len(expand(packed, size)) == size
    with pytest.raises(WireError) as caught:
        expand(packed, size - 1)
    assert caught.value.reason is Reason.BAD_COMPRESSION


@pytest.mark.parametrize("expand", [lz4, lzo])
def test_garbage_raises_wire_error_or_nothing(expand):
    source = random.Random(5)
    for _ in range(5_000):
        data = source.randbytes(source.randrange(60))
        with suppress(WireError):
            assert len(expand(data, 4096)) <= 4096


@pytest.mark.parametrize(("expand", "packed"), [(lz4, LZ4[3][0]), (lzo, LZO[4][0])])
def test_every_cut_is_seen_or_ends_early(expand, packed):
    whole = expand(packed, 1000)
    for end in range(len(packed)):
        with suppress(WireError):
            assert whole.startswith(expand(packed[:end], 1000))
