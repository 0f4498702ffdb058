"""Busy addresses are followed by sample: whole conversations, a bounded table, and nobody else is touched."""

import numpy as np
import pytest

from abusewatch.inventory import of_prefixes
from abusewatch.model import rows as r
from abusewatch.model.flow import batch_of
from abusewatch.windows.conversations import Conversations
from abusewatch.windows.levels import Levels
from abusewatch.windows.order import mix
from abusewatch.windows.panes import SECOND, Pane

OWN, PEERS = 0xFFFF_C633_6400, 0xFFFF_0A00_0000


def keys(n, start=0):
    return mix(np.arange(start, start + n, dtype=np.uint64))


def spray(n, own, at, *, answered=False):
    """n SYN of one address to n others at one second, with or without their answers."""
    zero, time = np.zeros(n, np.uint64), np.full(n, at * SECOND)
    ends = {"src_hi": zero, "dst_hi": zero, "src_lo": np.full(n, OWN + own, np.uint64), "dst_lo": PEERS + np.arange(n, dtype=np.uint64)}
    ports = {"src_port": np.full(n, 40_000), "dst_port": np.full(n, 443)}
    same = {"protocol": np.full(n, 6), "start_us": time, "end_us": time}
    out = batch_of(n, **ends, **ports, **same, flags=np.full(n, 2))
    if not answered:
        return [out]
    back = {"src_lo": ends["dst_lo"], "dst_lo": ends["src_lo"], "src_port": ports["dst_port"], "dst_port": ports["src_port"]}
    return [out, batch_of(n, src_hi=zero, dst_hi=zero, **back, **same, flags=np.full(n, 18))]


def pane(inventory, at, *batches):
    return Pane((at + 1) * SECOND, r.join([inventory.label(batch)[0] for batch in batches]))


def test_a_calm_address_is_followed_whole():
    levels = Levels(budget=100)
    follow, raised = levels.admit(np.zeros(100, np.int32), keys(100))
    assert follow is None
    assert not len(raised)


def test_a_level_rises_at_once_and_falls_by_one_a_pane():
    levels = Levels(budget=100)
    slot = np.zeros(1, np.int32)
    follow, raised = levels.admit(np.zeros(100_000, np.int32), keys(100_000))
    top = int(levels.of(slot)[0])
    assert top == 10  # 100,000 / 2 ** 10 is the first below the budget
    assert raised.tolist() == [0]
    assert abs(np.count_nonzero(follow) - 100_000 / 2**top) < 40
    seen = []
    while int(levels.of(slot)[0]):
        levels.admit(slot, keys(1))
        seen.append(int(levels.of(slot)[0]))
    assert seen == list(range(top - 1, -1, -1))


def test_another_address_is_untouched():
    levels = Levels(budget=100)
    slot = np.concatenate((np.zeros(10_000, np.int32), np.ones(90, np.int32)))
    follow, _ = levels.admit(slot, keys(len(slot)))
    assert follow[10_000:].all()


def test_many_rows_of_few_conversations_are_no_spray():
    levels = Levels(budget=1000)
    follow, _ = levels.admit(np.zeros(20_000, np.int32), np.tile(keys(50), 400))
    assert follow is None


def test_a_pair_is_followed_whole_or_not_at_all():
    table, inventory = Conversations(levels=Levels(budget=256)), of_prefixes(["198.51.100.0/24"])
    found = table.close(pane(inventory, 0, *spray(20_000, 7, 0, answered=True)))
    found = r.join([found, table.flush(100 * SECOND)])
    assert set(found["outcome"].tolist()) == {2}
    assert (found["reply_packets"] == found["packets"]).all()
    assert 100 < r.length(found) <= 400
    assert 0.75 < found["weight"].sum() / 20_000 < 1.25


def test_what_was_admitted_by_sample_keeps_its_weight_when_calm_returns():
    """An answer is waited for 20 s; until then the level has fallen. Each must still stand for as many as when it was chosen."""
    table, inventory = Conversations(levels=Levels(budget=256)), of_prefixes(["198.51.100.0/24"])
    table.close(pane(inventory, 0, *spray(20_000, 7, 0)))
    parts = [table.close(pane(inventory, at, *spray(1, 7, at))) for at in range(5, 60, 5)]
    weight = np.concatenate([part["weight"][part["start_us"] == 0] for part in parts if part])
    assert set(weight.tolist()) == {128.0}
    assert 0.75 < weight.sum() / 20_000 < 1.25


def test_a_pane_is_expected_in_as_many_parts_as_the_one_before_also_when_two_close_by_turns():
    table, inventory = Conversations(), of_prefixes(["198.51.100.0/24"])
    rows = pane(inventory, 0, *spray(3, 7, 0)).rows
    for end in (5, 5, 5, 10, 5):
        table.close(Pane(end * SECOND, rows, part=True))
    assert table.levels.parts == 4
    table.close(Pane(5 * SECOND, r.empty()))
    table.close(Pane(10 * SECOND, rows, part=True))
    assert table.levels.parts == 4
    table.close(Pane(10 * SECOND, r.empty()))
    table.close(Pane(15 * SECOND, rows, part=True))
    assert table.levels.parts == 2


@pytest.mark.parametrize("passing", ["nothing", "transit"])
def test_levels_fall_while_nothing_of_ours_comes_but_not_at_the_end_of_what_came_in_parts(passing):
    table, inventory = Conversations(levels=Levels(budget=256)), of_prefixes(["198.51.100.0/24"])
    busy = pane(inventory, 0, *spray(20_000, 7, 0)).rows
    table.close(Pane(5 * SECOND, busy, part=True))
    high = int(table.levels.of(busy["slot"][:1])[0])
    assert high > 0
    table.close(Pane(5 * SECOND, r.empty()))
    assert int(table.levels.of(busy["slot"][:1])[0]) == high
    foreign = busy | {"transit": np.ones(r.length(busy), np.bool_)}
    for end in range(10, 10 + 5 * high, 5):
        table.close(Pane(end * SECOND, foreign if passing == "transit" else r.empty()))
    assert int(table.levels.of(busy["slot"][:1])[0]) == 0


def test_a_spray_of_a_million_hides_no_scan_of_another():
    table, inventory = Conversations(capacity=1 << 16), of_prefixes(["198.51.100.0/24"])
    seen = set()
    for at in range(0, 50, 5):
        scan = spray(20, 9, at)[0]
        scan = scan.with_columns(dst_lo=scan.dst_lo + np.uint64((1 << 23) + at * 100))
        rows = pane(inventory, at, *spray(100_000, 7, at), scan)
        found = table.close(rows)
        assert len(table) < 30_000
        seen |= {lo for own, lo in zip(found["own_lo"].tolist(), found["peer_lo"].tolist(), strict=True) if own == OWN + 9}
    found = table.flush(60 * SECOND)
    seen |= {lo for own, lo in zip(found["own_lo"].tolist(), found["peer_lo"].tolist(), strict=True) if own == OWN + 9}
    assert len(seen) == 200
    assert table.shed == 0
    assert table.levels.thinned > 900_000
