"""What the sieve adds up is the same compiled and in numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.detect import sieve
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
