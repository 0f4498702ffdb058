"""Rows that stay stand for those that go, exactly and in every run alike."""

import numpy as np
import pytest

from abusewatch.detect import runner, thinning
from abusewatch.detect.thinning import ALL, FIRED_ROWS, NONE, limit_for, thinned
from abusewatch.detect.views import records
from abusewatch.model import rows as r


def block(n, groups):
    rng = np.random.default_rng(0)
    return {
        "at": np.arange(n), "slot": np.zeros(n, np.int32), "weight": np.ones(n), "group": np.arange(n, dtype=np.uint64) % np.uint64(groups) << np.uint64(48),
        "chance": rng.integers(0, 2**64, n, np.uint64), "reach": np.full(n, ALL),
    }  # fmt: skip


def number(rows):
    return (rows["group"] >> np.uint64(48)).astype(int)


def test_few_rows_are_left_alone():
    rows = block(10, 2)
    assert thinned(rows, 5, NONE) == (rows, 0)
    assert thinned(r.take(rows, slice(0, 0)), 5)[1] == 0


def test_thinned_rows_stand_for_the_others_exactly():
    rows = block(10_007, 3)
    thin, shed = thinned(rows, 100)
    assert 250 < r.length(thin) < 350
    assert shed == 10_007 - r.length(thin)
    assert np.bincount(number(thin), weights=thin["weight"]).tolist() == [3336, 3336, 3335]
    assert (thin["weight"] * 1024 == np.floor(thin["weight"] * 1024)).all()
    again, _ = thinned(thin, 40)
    assert r.length(again) == 120
    assert np.bincount(number(again), weights=again["weight"]).tolist() == [3336, 3336, 3335]


def test_which_rows_stay_does_not_depend_on_their_order():
    rows = block(5000, groups=7)
    order = np.random.default_rng(3).permutation(5000)
    one, two = thinned(rows, 50)[0], thinned(r.take(rows, order), 50)[0]
    assert sorted(zip(one["at"].tolist(), one["weight"].tolist(), strict=True)) == sorted(zip(two["at"].tolist(), two["weight"].tolist(), strict=True))


def test_a_fired_group_brings_few_rows():
    thin, _ = thinned(block(1000, groups=2), 400, np.array([1 << 48], np.uint64))
    other, fired = np.bincount(number(thin)).tolist()
    assert 350 < other < 450
    assert FIRED_ROWS / 2 < fired < FIRED_ROWS * 2


def test_what_was_thinned_is_thinned_again_to_about_the_limit():
    rows = block(200_000, groups=4)
    for limit in (4096, 1024, 256, 64):
        rows, _ = thinned(rows, limit)
        sizes = np.bincount(number(rows))
        assert (abs(sizes - limit) < 5 * limit**0.5).all()
    assert rows["weight"].sum() == 200_000


def test_a_limit_is_chosen_by_which_the_rows_fit():
    rows = block(1000, groups=10)
    sizes = np.bincount(number(rows))
    assert limit_for(sizes, 256, 1000) == 256
    assert limit_for(sizes, 256, 700) == 64
    assert limit_for(sizes, 256, 5) == 1
    assert limit_for(sizes, 256, 5, least=40) == 40
    assert thinned(rows, 256, room=1000) == (rows, 0)
    assert 300 < r.length(thinned(rows, 256, room=700)[0]) <= 700
    assert r.length(thinned(rows, 256, room=5)[0]) == 10
    assert r.length(thinned(rows, 256, room=5, least=40)[0]) == 400


def test_sums_of_a_group_do_not_change_by_thinning():
    rows = block(20_000, groups=3) | {"bytes=": np.floor(np.random.default_rng(1).lognormal(8, 2, 20_000)), "bytes?": np.arange(20_000) % 2 == 0}

    def total(rows):
        return np.bincount(number(rows), weights=rows["weight"] * rows["bytes="] * rows["bytes?"])

    thin, _ = thinned(rows, 256, sums=("bytes",))
    assert np.allclose(total(thin), total(rows), rtol=1e-5)
    assert not np.allclose(total(thinned(rows, 256)[0]), total(rows), rtol=0.02)


@pytest.mark.parametrize("limit", [40, 400])
def test_rows_say_how_far_their_group_was_thinned(limit):
    thin, _ = thinned(block(5000, groups=2), limit)
    assert (thin["chance"] <= thin["reach"]).all()
    for group in (0, 1):
        reach = set(thin["reach"][number(thin) == group].tolist())
        assert len(reach) == 1
        assert limit / 2500 * 0.5 < reach.pop() / 2**64 < limit / 2500 * 1.5


@pytest.mark.parametrize("least", [1, 16, 20])
@pytest.mark.parametrize("groups", [40, 700, 5000])
@pytest.mark.parametrize("fired", [NONE, np.array([3 << 48], np.uint64)])
def test_what_is_known_without_a_sort_is_what_a_sort_says(monkeypatch, groups, least, fired):
    rows = block(9000, groups)
    rows["group"][:2000] = np.uint64(3 << 48)
    short, shed = thinned(rows, 4096, fired, room=3000, least=least)
    asked = []
    monkeypatch.setattr(thinning, "_fewest", lambda *_: asked.append(1) or 0)
    whole, as_many = thinned(rows, 4096, fired, room=3000, least=least)
    assert asked
    assert shed == as_many > 0
    assert {name: column.tolist() for name, column in short.items()} == {name: column.tolist() for name, column in whole.items()}


@pytest.mark.parametrize(("column", "results"), [("bytes", 1), ("end_us", 1), ("slot", 3)])
def test_which_samples_of_one_datagram_stay_is_no_matter_of_arrival(column, results):
    """They have ends and start in common; what else they say tells them apart. The control: a column that does not."""
    n, kept = 300, set()
    for order in (np.arange(n), np.arange(n)[::-1], np.random.default_rng(1).permutation(n)):
        rows = r.empty() | {name: np.ones(n, dtype) for name, dtype in r.RECORD_COLUMNS.items()} | {column: (order + 1).astype(r.RECORD_COLUMNS[column])}
        crowd = block(n, 1) | {"chance": runner._chance(records(rows)), "said": order}
        kept.add(tuple(sorted(thinned(crowd, 20)[0]["said"].tolist())))
    assert len(kept) == results
    assert {len(each) for each in kept} == {20}
