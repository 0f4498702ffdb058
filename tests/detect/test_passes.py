"""What the sieve adds up, and what thinning changes, is the same compiled and in numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.detect import sieve, thinning
from abusewatch.detect.compile import looked_up
from abusewatch.detect.views import records
from abusewatch.model import rows as r
from abusewatch.model.address import MAPPED

pytestmark = pytest.mark.compiled("abusewatch.detect._passes")


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 300), seed=st.integers(0, 2**32), rate=st.sampled_from([0, 1, 1000]))
def test_buckets_and_sums(n, seed, rate):
    dice = np.random.default_rng(seed)
    mixed = dice.integers(0, 3, n)
    view = records(r.empty() | {name: np.zeros(n, dtype) for name, dtype in r.RECORD_COLUMNS.items()} | {
        "slot": dice.integers(0, 2**31, n).astype(np.int32), "peer_hi": np.where(mixed == 1, np.uint64(0x2001 << 48 | 5 << 16), np.uint64(0)),
        "peer_lo": np.where(mixed == 0, np.uint64(MAPPED), np.uint64(0)) | dice.integers(0, 2**32, n).astype(np.uint64), "outbound": dice.random(n) < 0.6,
        "packets": dice.integers(0, 2**40, n).astype(np.uint64), "bytes": dice.integers(0, 2**62, n).astype(np.uint64),
        "sampling_rate": np.broadcast_to(np.uint32(rate), n) if seed % 2 else dice.integers(0, 5, n).astype(np.uint32),
    })  # fmt: skip
    bucket, sent = sieve.poured(view)
    plain_bucket, plain_sent = sieve._poured(view)
    assert (bucket.dtype, bucket.tolist()) == (plain_bucket.dtype, plain_bucket.tolist())
    for name in sieve.SUMMED:
        assert sent[name].tolist() == plain_sent[name].tolist()
    assert sent["packets"].any() == view.stored("outbound")[view["packets"] > 0].any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("n", [0, 1, 999])
def test_tables(n, dtype):
    dice = np.random.default_rng(n)
    table, values = dice.random(65_536) < 0.5, dice.integers(0, np.iinfo(dtype).max + 1, n).astype(dtype)
    for each in (values, values[::3], np.broadcast_to(dtype(7), n)):
        found = looked_up(table, each)
        assert (found.dtype, found.tolist()) == (np.bool_, table[each].tolist())


@settings(max_examples=80, deadline=None)
@given(n=st.integers(2, 400), seed=st.integers(0, 2**32), groups=st.integers(1, 9), limit=st.sampled_from([1, 3, 64, 100]), alike=st.booleans())
def test_what_stays_stands_for_what_goes(n, seed, groups, limit, alike):
    """The weights and values of thinned rows, to the last bit: of rows that were thinned before, of which some bring nothing, and of which many share a hash."""
    dice = np.random.default_rng(seed)
    chance = dice.integers(0, 5 if seed % 3 == 0 else 2**64, n, np.uint64)
    rows = {
        "slot": np.zeros(n, np.int32), "at": np.arange(n), "group": dice.integers(0, groups, n, np.uint64) << np.uint64(48), "chance": chance,
        "reach": np.full(n, thinning.ALL), "weight": np.broadcast_to(np.float64(1), n) if alike else dice.integers(1, 5000, n) / 1024,
        "n?": np.broadcast_to(np.bool_(alike), n) if seed % 2 else dice.random(n) < 0.4, "n=": dice.random(n) * 1e9,
    }  # fmt: skip
    compiled, shed = thinning.thinned(rows, limit, sums=("n",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thinning, "KERNEL", None)
        plain, as_many = thinning.thinned(rows, limit, sums=("n",))
    assert shed == as_many
    assert {name: column.tobytes() for name, column in compiled.items()} == {name: column.tobytes() for name, column in plain.items()}
