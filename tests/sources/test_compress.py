"""Compressed input: bounded memory whatever comes out, a cut or broken stream said as such."""

import bz2
import gzip
import tracemalloc

import pytest
import zstandard

from abusewatch.sources.compress import CHUNK, Input
from abusewatch.wire.errors import Reason, WireError

PACKERS = [gzip.compress, bz2.compress, zstandard.ZstdCompressor().compress]


@pytest.mark.parametrize("pack", PACKERS)
def test_a_bomb_comes_out_in_bounded_chunks(tmp_path, pack):
    size = 200 << 20
    (tmp_path / "bomb").write_bytes(pack(bytes(size)))
    tracemalloc.start()
    total = 0
    for chunk in Input(tmp_path / "bomb").chunks():
        assert len(chunk) <= 4 * CHUNK
        total += len(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == size
    assert peak < 64 << 20


@pytest.mark.parametrize("pack", PACKERS)
def test_every_cut(tmp_path, pack):
    content = bytes(range(256)) * 3
    packed = pack(content)
    for end in range(4, len(packed)):
        (tmp_path / "cut").write_bytes(packed[:end])
        found = []
        with pytest.raises(WireError) as caught:
            found.extend(Input(tmp_path / "cut").chunks())
        assert caught.value.reason is Reason.TRUNCATED
        assert content.startswith(b"".join(found))


@pytest.mark.parametrize("pack", PACKERS)
def test_members_follow_each_other(tmp_path, pack):
    (tmp_path / "two").write_bytes(pack(b"one") + pack(b"two"))
    assert b"".join(Input(tmp_path / "two").chunks()) == b"onetwo"
