"""Loss is what sequence numbers say, in each version's own unit; late and doubled datagrams are not loss, a restart is not a million lost."""

import random

import numpy as np
import pytest

from abusewatch.wire.domains import Domain
from abusewatch.wire.sequence import UNKNOWN, Ledger


def run(sequences, steps=1, split=None):
    """Feed sequence numbers of one domain, whole or in batches, beside another domain that never loses any."""
    ledger = Ledger()
    ledger.reset(0), ledger.reset(1)
    steps = np.broadcast_to(np.array(steps, np.int64), len(sequences))
    for part in np.array_split(np.arange(len(sequences)), split or 1):
        slot = np.tile([0, 1], len(part))
        sequence = np.stack((np.array(sequences, np.int64)[part], part), axis=1).ravel()
        step = np.stack((steps[part], np.ones(len(part), np.int64)), axis=1).ravel()
        ledger.add(slot, sequence, step, np.ones_like(slot), 5)
    healthy = ledger.account(Domain((0, 9, 1), 1))
    assert (healthy.lost, healthy.duplicates, healthy.restarts, healthy.datagrams) == (0, 0, 0, len(sequences))
    account = ledger.account(Domain((0, 9, 0), 0))
    return account.lost, account.duplicates, account.restarts


@pytest.mark.parametrize("split", [1, 2, 3, 6])
@pytest.mark.parametrize(("sequences", "steps", "expected"), [
    ([5, 6, 7, 8, 9, 10], 1, (0, 0, 0)),
    ([5, 6, 9, 10, 11, 12], 1, (2, 0, 0)),
    ([5, 7, 6, 8, 9, 10], 1, (0, 0, 0)),  # reordered: the gap is filled
    ([5, 6, 6, 7, 8, 9], 1, (0, 1, 0)),  # doubled
    ([2**32 - 2, 2**32 - 1, 0, 1, 2, 3], 1, (0, 0, 0)),  # wrapped
    ([9000, 9001, 0, 1, 2, 3], 1, (0, 0, 1)),  # restarted
    ([5, 6, 2**31, 2**31 + 1, 2**31 + 2, 2**31 + 3], 1, (0, 0, 1)),  # nobody loses two thousand million
    ([0, 30, 60, 120, 150, 180], 30, (30, 0, 0)),  # records
    ([0, 30, 200, 300, 330, 360], [30, UNKNOWN, UNKNOWN, 30, 30, 30], (0, 0, 0)),  # a set that could not be counted
])  # fmt: skip
def test_sequences(sequences, steps, expected, split):
    assert run(sequences, steps, split) == expected


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3])
def test_loss_is_measured_within_five_percent(share):
    """Reliability row 12, with reordering and doubles among it."""
    rng = random.Random(5)
    kept = [n for n in range(20_000) if rng.random() >= share]
    lost = 20_000 - len(kept)
    sent = []
    for number in kept:
        sent += [number] * (1 + (rng.random() < 0.01))
        if len(sent) > 2 and rng.random() < 0.02:
            sent[-1], sent[-2] = sent[-2], sent[-1]
    measured, duplicates, restarts = run(sent, split=40)
    assert measured == pytest.approx(lost, rel=0.05)
    assert duplicates == pytest.approx(len(sent) - len(kept), rel=0.05)
    assert restarts == 0
