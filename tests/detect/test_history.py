"""What is usual: the plain median of hours, nothing before it is known, in bounded room; and a rule that asks for it tells a nightly backup from a first time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.detect import history as h
from abusewatch.detect.history import EVERY, HOUR_US, LEAST, History
from abusewatch.detect.load import load
from abusewatch.detect.runner import Runner
from abusewatch.detect.thinning import NONE
from abusewatch.detect.views import records
from abusewatch.inventory import of_prefixes
from tests.flows import flows

SECOND = 1_000_000
DAY = 24


def group(*numbers):
    return np.array(numbers, np.uint64)


def lived(values, *, season, days=3):
    """A history of hours from 1 on; `values` are of (hour, value) of group 7, in order."""
    held = History(days * 86400, season)
    held.begin(HOUR_US // 2)
    for hour, value in values:
        held.note(group(7), np.array([float(value)]), hour * HOUR_US + HOUR_US // 3)
    return held


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 50)), max_size=80), st.integers(0, 5), st.sampled_from(["any_hour", "same_hour"]))
def test_it_is_the_median_of_the_hours_the_season_picks(values, later, season):
    values = sorted(values)
    held = lived(values, season=season)
    now = (values[-1][0] if values else 1) + later
    best = {}
    for hour, value in values:
        best[hour] = max(best.get(hour, 0), value)
    hours = [now - back for back in range(EVERY[season], 3 * DAY + 1, EVERY[season]) if now - back >= 1]
    (usual,) = held.usual(group(7), now * HOUR_US)
    if len(hours) < LEAST[season]:
        assert np.isnan(usual)
    else:
        assert usual == sorted(best.get(hour, 0) for hour in hours)[(len(hours) - 1) // 2]


def test_a_week_has_its_own_season():
    held = lived([(n * 168 + 5, 40) for n in range(3)], season="same_hour_of_week", days=21)
    assert held.usual(group(7), (3 * 168 + 5) * HOUR_US).tolist() == [40.0]
    assert held.usual(group(7), (3 * 168 + 6) * HOUR_US).tolist() == [0.0]


def test_before_anything_is_known_nothing_is_usual():
    assert np.isnan(History(14 * 86400, "any_hour").usual(group(7), 50 * HOUR_US)).all()
    held = lived([(1, 5)], season="any_hour")
    assert np.isnan(held.usual(group(7), 24 * HOUR_US)).all()
    assert held.usual(group(7, 8), 25 * HOUR_US).tolist() == [0.0, 0.0]


def test_who_found_no_room_has_no_baseline_and_is_counted(monkeypatch):
    assert lived([(1, 5)], season="any_hour").usual(group(9), 30 * HOUR_US).tolist() == [0.0]  # control: nobody was turned away
    monkeypatch.setattr(h, "MOST_GROUPS", 2)
    held = History(3 * 86400, "any_hour")
    held.begin(0)
    assert held.note(group(4, 5, 9), np.array([1.0, 2.0, 3.0]), HOUR_US) == 1
    usual = held.usual(group(4, 5, 9), 30 * HOUR_US)
    assert np.isnan(usual).tolist() == [False, False, True]


RULE = """
id = "much-at-once"
title = "More servers at once than usual"
kind = "address_scan"
status = "stable"
confidence = 0.5
[match]
on = "record"
where = "outbound and protocol = tcp"
per = ["src"]
window = "10m"
step = "5s"
quiet = "1h"
[measure]
servers = "distinct(dst)"
usual = "baseline(servers, 14d, same_hour)"
[[raise]]
severity = "high"
when = "{when}"
because = "test"
[evidence]
operator = ["src", "dst", "protocol", "first_seen", "last_seen"]
customer = ["src", "protocol", "first_seen", "last_seen"]
"""
NIGHTLY, ONCE = "198.51.100.7", "198.51.100.8"
NIGHTS = 5


def fired(tmp_path, when):
    """In which nights the rule fires, and for whom: one host backs up twenty servers each night, another reaches as many in the last one only."""
    (tmp_path / "much-at-once.toml").write_text(RULE.replace("{when}", when))
    loaded = load([tmp_path])
    assert not [str(fault) for fault in loaded.faults]
    runner, inventory, out = Runner(loaded.rules[0], 5 * SECOND), of_prefixes(["198.51.100.0/24"]), []
    for hour in range(NIGHTS * DAY - DAY + 4):
        at = 1_750_000_000 // 3600 * 3600 + hour * 3600 + 600
        night, last = hour % DAY == 3, hour > (NIGHTS - 1) * DAY
        sends = ([NIGHTLY] if night else []) + ([ONCE] if night and last else [])
        lines = [f"{at} {at} {src}:5 203.0.113.{n}:22 tcp 3 300 S" for src in sends for n in range(20)] + [f"{at} {at} 198.51.100.9:5 203.0.113.1:22 tcp 3 300 S"]
        rows, _ = inventory.label(flows(*lines))
        end_us = (at + 5) * SECOND
        runner.add(records(rows), end_us, len(inventory.slots), NONE)
        runner.window.turn(end_us, len(inventory.slots))
        for firing in runner.fire(end_us):
            held = runner.window_rows([firing], end_us)
            out.append((hour // DAY, f"198.51.100.{int(held['own_lo'][0]) & 0xFF}", firing.values.get("usual")))
    return out


def test_a_nightly_backup_is_usual_and_a_first_time_is_not(tmp_path):
    assert fired(tmp_path, "servers >= 10 and servers >= 5 * usual") == [(NIGHTS - 1, ONCE, 0.0)]


@pytest.mark.parametrize("when", ["servers >= 10 and not servers < 5 * usual", "servers >= 10 and usual != 1"])
def test_an_unknown_baseline_lets_no_raise_hold(tmp_path, when):
    found = fired(tmp_path, when)
    assert {who for _, who, _ in found} >= {ONCE}
    assert min(night for night, _, _ in found) >= LEAST["same_hour"]


def test_control_without_the_baseline_every_night_fires(tmp_path):
    found = fired(tmp_path, "servers >= 10 and servers >= usual * 0")
    assert {(night, who) for night, who, _ in fired(tmp_path, "servers >= 10")} == {(n, NIGHTLY) for n in range(NIGHTS)} | {(NIGHTS - 1, ONCE)}
    assert {night for night, _, _ in found} == {NIGHTS - 2, NIGHTS - 1}
