"""The compiled look-ups and their twins in numpy agree: blocks that are whole and split, full tables, both families, addresses that nobody knows."""

import ipaddress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.inventory import inventory, prefixes, slots
from abusewatch.model.address import MAPPED

pytestmark = pytest.mark.compiled("abusewatch.inventory._passes")

PREFIXES = ("0.0.0.0/32", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "192.0.2.128/25", "198.51.100.7/32", "255.255.255.255/32")


def both(monkeypatch, act):
    compiled = act()
    for module in (inventory, prefixes, slots):
        monkeypatch.setattr(module, "KERNEL", None)
    plain = act()
    monkeypatch.undo()
    return compiled, plain


def test_owners(monkeypatch):
    networks = [ipaddress.ip_network(text) for text in PREFIXES]
    edges = [int(address) for n in networks for address in (n[0], n[-1], n[0] - 1 if int(n[0]) else n[0], n[-1] + 1 if int(n[-1]) < 2**32 - 1 else n[-1])]
    low = np.array([MAPPED | at for at in [*edges, 0x08080808]], np.uint64)
    table = prefixes.Table([(n, i) for i, n in enumerate(networks)])
    compiled, plain = both(monkeypatch, lambda: table.owners(np.zeros(len(low), np.uint64), low, 4))
    assert compiled.tolist() == plain.tolist()
    assert {*range(7), -1} == set(compiled.tolist())


@pytest.mark.parametrize("dtype", [np.uint16, np.uint64])
def test_ends(monkeypatch, dtype):
    dice, most = np.random.default_rng(0), np.iinfo(dtype).max
    src, dst = (np.concatenate((np.array([0, most, 1], dtype), dice.integers(0, most, 97, dtype))) for _ in range(2))
    sent = dice.random(100) < 0.5
    for one, other in ((src, dst[::-1]), (np.broadcast_to(dtype(5), 100), dst), (src[::2], dst[::2])):
        compiled, plain = both(monkeypatch, lambda one=one, other=other: inventory.turned(one, other, sent[: len(one)]))
        assert [(c.dtype, c.tolist()) for c in compiled] == [(p.dtype, p.tolist()) for p in plain]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(0, 40)), min_size=1, max_size=200), st.integers(2, 40))
def test_slots(asked, capacity):
    """Address by address of either family, in several batches, with too few numbers for all and some taken back."""
    hi = np.array([0 if family < 2 else (0x2001_0DB8 << 32) + net for family, net, _ in asked], np.uint64)
    lo = np.array([MAPPED | net << 8 | host if family == 0 else host for family, net, host in asked], np.uint64)

    def act():
        table = slots.Slots(capacity=capacity, idle_us=10)
        given_out = []
        for now, part in enumerate(np.array_split(np.arange(len(hi)), 5)):
            given_out.append(table.of(hi[part], lo[part], heard=part % 3 > now % 3).tolist())
            table.pass_time(now * 8)
        return given_out, table.refused, table.freed, table.find(int(hi[0]), int(lo[0]))

    with pytest.MonkeyPatch.context() as monkeypatch:
        compiled, plain = both(monkeypatch, act)
        assert compiled == plain
