"""Who goes when there is no room for all: first who brings nothing, then who brings least; and what went is known."""

import numpy as np
import pytest

from abusewatch.detect import choice
from abusewatch.detect.choice import Choice
from abusewatch.detect.thinning import ALL
from abusewatch.model import rows as r

SECOND = 1_000_000


def chooser(**settings):
    return Choice(**({"length_us": 300 * SECOND, "pane_us": 5 * SECOND, "gates": ({"n": 20.0},), "sums": {}} | settings))


def rows(n, *, groups=None, seed=0):
    """Rows of `groups` groups (None: each of its own) that bring nothing towards a bound."""
    dice = np.random.default_rng(seed)
    group = dice.integers(0, 2**64, n, np.uint64) if groups is None else np.arange(n, dtype=np.uint64) % np.uint64(groups) * np.uint64((1 << 64) // groups)
    return {
        "slot": np.zeros(n, np.int32), "group": group, "weight": np.ones(n), "chance": dice.integers(0, 2**64, n, np.uint64), "reach": np.full(n, ALL),
        "level": np.zeros(n, np.uint8), "n?": np.zeros(n, np.bool_),
    }  # fmt: skip


def test_of_a_crowded_pane_groups_that_bring_nothing_go_first(monkeypatch):
    monkeypatch.setattr(choice, "PANE_QUIET", 100)
    held, many = chooser(), rows(5000)
    many["n?"][:50] = True
    stays = held.heard(many["group"], many["weight"], {"n": held.brings(many, "n")}, 5 * SECOND)
    assert stays[:50].all()
    assert 50 < np.count_nonzero(stays[50:]) < 200
    assert held.known(many["group"][stays], np.ones(np.count_nonzero(stays))).mean() > 0.95  # the others share a place with one that went
    assert not held.known(many["group"][~stays], np.full(np.count_nonzero(~stays), 0.5)).any()
    assert held.shed_rows == np.count_nonzero(~stays)
    few = held.heard(many["group"][:150], many["weight"][:150], {"n": held.brings(many, "n")[:150]}, 5 * SECOND)
    assert few.all()


def test_who_has_earned_his_place_keeps_it_for_the_length_of_the_window():
    held, one = chooser(), rows(1)
    assert not held.hopeful(one, 5 * SECOND, 5 * SECOND).any()
    assert held.mostly_quiet
    assert held.hopeful(one | {"n?": np.ones(1, np.bool_)}, 5 * SECOND, 5 * SECOND).all()
    assert not held.mostly_quiet
    assert held.hopeful(one, 305 * SECOND, 305 * SECOND).all()
    assert not held.hopeful(one, 310 * SECOND, 310 * SECOND).any()


def test_what_fits_is_what_goes_furthest_towards_a_bound():
    held, many = chooser(), rows(4000, groups=1000)
    many["n?"] = np.arange(4000) % 1000 < 200
    kept = held.fitted(many, 1000, least=4)
    assert r.length(kept) == 1000
    assert np.count_nonzero(kept["n?"]) == 800
    assert held.shed_rows == 3000
    assert held.fitted(many, 4000, least=4) is many


def test_a_conversation_that_stands_for_many_proves_one():
    held, many = chooser(), rows(400, groups=100)
    many["n?"][:] = True
    heavy = many["group"] == 0
    many["weight"][heavy], many["level"][heavy] = 256.0, 8
    others = np.arange(400) % 100 == 1
    many["weight"][others] = 2.0
    kept = held.fitted(many, 4, least=4)
    assert set(kept["group"].tolist()) == set(many["group"][others].tolist())  # it proves eight, and four times 256 prove four


@pytest.mark.parametrize("room", [10, 500])
def test_of_the_quiet_as_many_stay_as_there_is_room_for(room):
    held, many = chooser(), rows(2000, groups=400)
    kept = held.quiet(many, room)
    assert 0 < r.length(kept) <= max(room, 20)
    assert held.shed_rows == 2000 - r.length(kept)
    assert set(kept["group"].tolist()) <= set(many["group"].tolist())


def test_what_went_is_forgotten_between_one_and_two_lengths_later():
    held, many = chooser(), rows(2000, groups=400)
    held.pass_time(5 * SECOND)
    held.quiet(many, 10)
    gone = many["group"].max()[None]
    for secs, known in ((5, False), (306, False), (700, True)):
        held.pass_time(secs * SECOND)
        assert held.known(gone, np.ones(1)).all() == known
