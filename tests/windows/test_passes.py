"""The compiled passes over rows and their twins in numpy agree on every value, at the edges of each column too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.model import rows as r
from abusewatch.model.address import MAPPED
from abusewatch.windows import levels, marks, order, pairs, panes

pytestmark = pytest.mark.compiled("abusewatch.windows._passes")

MODULES = (order, pairs, levels, marks, panes)
SECOND = 1_000_000
EDGES = {"u": lambda t: [0, 1, np.iinfo(t).max], "i": lambda t: [np.iinfo(t).min, -1, 0, np.iinfo(t).max], "b": lambda _: [False, True]}


def both(monkeypatch, act):
    """What the compiled passes give, and what numpy does."""
    compiled = act()
    for module in MODULES:
        monkeypatch.setattr(module, "KERNEL", None)
    plain = act()
    monkeypatch.undo()
    return compiled, plain


def same(one, other):
    assert set(one) == set(other)
    for name in one:
        assert (one[name].dtype, one[name].tolist()) == (other[name].dtype, other[name].tolist()), name


def column(dtype, n, seed):
    dtype, dice = np.dtype(dtype), np.random.default_rng(seed)
    values = dice.integers(0, 2, n) if dtype == np.bool_ else dice.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, n, dtype, endpoint=True)
    return np.concatenate((np.array(EDGES[dtype.kind](dtype), dtype), values.astype(dtype)))


@pytest.mark.parametrize("dtype", ["bool", "u1", "u2", "u4", "u8", "i4", "i8", "i2"])
def test_mix(monkeypatch, dtype):
    one, other = column(dtype, 50, 1), column("u8", 60, 2)
    n = min(len(one), len(other))
    alike = np.broadcast_to(np.uint64(7), n)
    for columns in ((one[:n], other[:n]), (alike, one[:n], alike), (one[: 2 * n : 2], other[: len(one[: 2 * n : 2])]), (one[:1],), (one[:0],)):
        compiled, plain = both(monkeypatch, lambda columns=columns: order.mix(*columns))
        assert compiled.tolist() == plain.tolist()


def rows(n, seed, *, many=6):
    """Rows of few conversations, in both directions, of all kinds; some columns of one value."""
    dice = np.random.default_rng(seed)
    pick = lambda *values, dtype: dice.choice(np.array(values, dtype), n)  # noqa: E731
    lo = MAPPED | dice.integers(1, many, n).astype(np.uint64)
    first = dice.integers(-5 * SECOND, 5 * SECOND, n)
    return r.empty() | {name: np.zeros(n, dtype) for name, dtype in r.RECORD_COLUMNS.items()} | {
        "slot": dice.integers(0, 3, n).astype(np.int32), "own_lo": lo, "peer_lo": MAPPED | dice.integers(1, many, n).astype(np.uint64),
        "peer_hi": np.broadcast_to(np.uint64(0), n) if seed % 2 else pick(0, 0x2001 << 48, dtype=np.uint64), "protocol": pick(1, 6, 17, 58, dtype=np.uint8),
        "own_port": pick(0, 0x0800, 65_535, dtype=np.uint16), "peer_port": pick(0, 0x0800, 443, 0x8000, dtype=np.uint16),
        "flags": dice.integers(0, 256, n).astype(np.uint8), "packets": pick(1, 2, 2**64 - 1, dtype=np.uint64), "bytes": pick(0, 40, 2**63, dtype=np.uint64),
        "start_us": first, "end_us": first + dice.integers(0, SECOND, n), "outbound": dice.random(n) < 0.5, "frame": dice.integers(0, 99, n),
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 300), seed=st.integers(0, 2**32))
def test_rows_to_conversations(n, seed):
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = rows(n, seed)
        key, plain_key = both(monkeypatch, lambda: pairs.key_of(made))
        assert key.tolist() == plain_key.tolist()
        whole = made | {"key": key, "level": np.zeros(n, np.uint8)}
        same(*both(monkeypatch, lambda: pairs.reduced(whole)))


def test_one_direction_only(monkeypatch):
    made = rows(40, 3) | {"outbound": np.broadcast_to(np.True_, 40)}
    compiled, plain = both(monkeypatch, lambda: pairs.reduced(made | {"key": pairs.key_of(made), "level": np.zeros(40, np.uint8)}))
    same(compiled, plain)
    assert set(compiled["first_in_us"].tolist()) == {pairs.NEVER}


def test_levels(monkeypatch):
    which = levels.Levels()
    which._grow(70)
    which._level[:65] = np.arange(65)
    slot = np.repeat(np.arange(65, dtype=np.int32), 5)
    key = np.concatenate([np.array([0, (2**64 - 1) >> k, 2 ** (64 - k) - 1, min(2 ** (64 - k), 2**64 - 1), 2**64 - 1], np.uint64) for k in range(65)])
    compiled, plain = both(monkeypatch, lambda: which.follows(slot, key))
    assert compiled.tolist() == plain.tolist()


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 400), seed=st.integers(0, 2**32), sets=st.sampled_from([1, 3, 50]))
def test_marks(n, seed, sets):
    """Sets that overflow, marks that have ended, keys that come again."""
    dice = np.random.default_rng(seed)
    key = np.unique(dice.integers(0, sets, n).astype(np.uint64) << np.uint64(44) | dice.integers(0, 2**31, n).astype(np.uint64))
    last = dice.integers(-SECOND, 300 * SECOND, len(key))
    slow, again = dice.random(len(key)) < 0.3, dice.random(len(key)) < 0.7

    def act():
        table = marks.Marks(20, 60)
        table.add(key[again], slow[again], last[again], 100 * SECOND)
        first = table.known(key, last + 10 * SECOND)
        table.add(key[~again], slow[~again], last[~again], 150 * SECOND)
        second = table.known(key, last + 40 * SECOND)
        return {"first": first, "second": second, "shed": np.array([table.shed]), "sets": table._sets[:sets]}

    with pytest.MonkeyPatch.context() as monkeypatch:
        compiled, plain = both(monkeypatch, act)
        same(compiled, plain)
        assert sets > 1 or n < 50 or compiled["shed"][0]


@pytest.mark.parametrize(("n", "begun"), [(0, 5), (1, -3), (1000, 0), (1000, 2**62)])
def test_the_greatest_before_each(monkeypatch, n, begun):
    values = column(np.int64, n, n)[::2]
    compiled, plain = both(monkeypatch, lambda: panes.greatest_before(values, begun))
    assert compiled.tolist() == plain.tolist()
    assert compiled.tolist() == [max(begun, *values[:i].tolist()) if i else begun for i in range(len(values) + 1)]
