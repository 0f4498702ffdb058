"""Order by end time in bounded memory, and batches of a size that pays."""

from collections import Counter

import numpy as np

from abusewatch.model.flow import batch_of
from abusewatch.sources import order


def batch(*ends):
    return batch_of(len(ends), end_us=np.array(ends), frame=np.arange(len(ends)))


def ends(batches):
    return [end for b in batches for end in b.end_us.tolist()]


def test_small_disorder_is_put_right_and_great_disorder_counted():
    counts = Counter()
    assert ends(order.by_end([batch(5, 1), batch(3), batch(9, 7)], counts, held=3)) == [1, 3, 5, 7, 9]
    assert not counts
    assert ends(order.by_end([batch(5, 6, 7, 8), batch(1, 2)], counts, held=4)) == [5, 6, 1, 2, 7, 8]
    assert counts == {"out_of_order": 2}


def test_batches_are_joined_and_cut():
    assert [len(b) for b in order.joined([batch(1)] * 5, enough=3)] == [3, 2]
    assert [len(b) for b in order.split(batch_of(order.BATCH + 1))] == [order.BATCH, 1]
    assert not list(order.split(batch()))
