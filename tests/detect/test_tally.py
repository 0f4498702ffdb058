"""What an episode adds up is exact for the targets that it keeps, also once it keeps no more."""

from collections import Counter

import numpy as np
import pytest

from abusewatch.detect import tally
from abusewatch.model import rows as r
from abusewatch.model.address import MAPPED


def attacks(peers, at):
    n = len(peers)
    start = np.arange(n) * 1000 + at * 1_000_000
    return r.empty() | {name: np.zeros(n, dtype) for name, dtype in r.RECORD_COLUMNS.items()} | {
        "own_lo": np.full(n, MAPPED | 1, np.uint64), "peer_lo": MAPPED | np.array(peers, np.uint64), "peer_port": np.full(n, 22, np.uint16),
        "packets": np.full(n, 3, np.uint64), "bytes": np.full(n, 180, np.uint64), "start_us": start, "end_us": start + 500,
        "protocol": np.full(n, 6, np.uint8), "sampling_rate": np.ones(n, np.uint32), "frame": np.zeros(n, np.int64), "frame_last": np.zeros(n, np.int64),
        "weight": np.ones(n),
    }  # fmt: skip


@pytest.mark.parametrize("most", [5, 1000])
def test_targets_that_are_kept_grow_and_no_others_come(monkeypatch, most):
    monkeypatch.setattr(tally, "MOST_TARGETS", most)
    dice, kept, flows = np.random.default_rng(0), tally.Tally(), Counter()
    for turn in range(6):
        peers = dice.integers(1, 30, 40 if turn else 3).tolist()
        kept.add(attacks(peers, turn))
        flows.update(peers)
    kept.add(attacks([200], 9))  # nobody known among them
    flows.update([200])
    told = {int(target.address.rpartition(".")[2]): target for target in kept.targets()}
    assert len(told) == min(most, len(flows))
    assert {peer: target.flows for peer, target in told.items()} == {peer: flows[peer] for peer in told}
    assert all(target.packets == 3 * target.flows for target in told.values())
    assert kept.flows == flows.total()
    assert kept.distinct_targets == len(flows)
