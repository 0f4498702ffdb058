"""The table of costs grows by what it says: so many rules, addresses and prefixes, and conversations stay whole."""

import numpy as np
import pytest

from abusewatch.inventory import of_prefixes
from benchmarks import growth


@pytest.mark.parametrize("count", [1, 30, 100])
def test_as_many_rules_as_asked_for_each_with_its_name(count):
    made = growth.rules(count)
    assert len({rule.id for rule in made}) == len(made) == count


@pytest.mark.parametrize("count", [1, 1_000])
def test_prefixes_are_different(count):
    assert len(set(growth.prefixes(count))) == count


def test_both_directions_of_a_conversation_move_together():
    batch = next(growth.stream.records(20_000))
    moved = growth.spread(batch, 1_000)
    inventory = of_prefixes(["10.0.0.0/8"])
    rows, _ = inventory.label(moved)
    assert 500 < len(np.unique(rows["own_lo"])) <= 1_100  # scans from outside meet a few others
    before = {frozenset(pair) for pair in zip(batch.src_lo.tolist(), batch.dst_lo.tolist(), strict=True)}
    after = {frozenset(pair) for pair in zip(moved.src_lo.tolist(), moved.dst_lo.tolist(), strict=True)}
    assert len(after) == pytest.approx(len(before), rel=0.01)


def test_a_cost_is_time_by_records():
    assert growth.Cost("x", 1_000_000, 0.5).line.split() == ["x", "2,000,000", "500"]
