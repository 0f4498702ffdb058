"""Episodes begin, go on, end and are forgotten; what is remembered is bounded."""

from dataclasses import replace
from datetime import date

import msgspec
import numpy as np
import pytest

from abusewatch.detect.episodes import UPDATE_US, Episodes, complete
from abusewatch.detect.runner import Firing
from abusewatch.inventory import Inventory
from abusewatch.model import address
from abusewatch.model.customer import Customer
from tests.scenarios import shipped

SECOND = 1_000_000
DAY = 86_400 * SECOND
OWN = address.parse("198.51.100.7")[1]
PEER = address.parse("203.0.113.9")[1]


@pytest.fixture
def rule():
    return next(rule for rule in shipped() if rule.id == "udp-flood")


def episodes(**settings):
    return Episodes(Inventory([Customer("C-1", ("198.51.100.0/24",))]), **settings)


def rows(n, *, at=0, group=1, identity=1, own=OWN, packets=10, rate=1):
    def same(value, dtype):
        return np.full(n, value, dtype)

    return {
        "group": same(group, np.uint64), "identity": same(identity, np.uint64), "weight": np.ones(n), "own_hi": same(0, np.uint64),
        "own_lo": same(own, np.uint64), "peer_hi": same(0, np.uint64), "peer_lo": PEER + np.arange(n, dtype=np.uint64), "own_port": same(9, np.uint16),
        "peer_port": same(7, np.uint16), "protocol": same(17, np.uint8), "flags": same(0, np.uint8), "packets": same(packets, np.uint64),
        "bytes": same(packets, np.uint64), "start_us": same(at, np.int64), "end_us": same(at, np.int64), "sampling_rate": same(rate, np.uint32),
        "input_if": same(0, np.uint32), "exporter": same(0, np.uint32), "frame": np.arange(n), "frame_last": same(0, np.int64), "internal": same(0, np.bool_), "ours": same(1, np.bool_),
    }  # fmt: skip


def fire(rule, group=1, **values):
    return Firing(group, 0, rule.raises[0], values or {"pps": 300.0})


def test_an_episode_goes_on_until_its_quiet_time_has_passed(rule):
    held, quiet = episodes(), rule.match.quiet_secs * SECOND
    (key,) = held.add(rule, [fire(rule)], rows(3), 5 * SECOND)
    held.add(rule, [fire(rule)], rows(3, at=quiet), quiet + 5 * SECOND)
    assert held.detection(key, complete, 0).finding.flows == 6
    assert not held.is_over(key, 2 * quiet + 5 * SECOND)
    assert held.is_over(key, 2 * quiet + 6 * SECOND)
    held.end(2 * quiet + 6 * SECOND)
    assert held.fired(rule.id).tolist() == []
    assert held.detection(key, complete, 0) is None


def test_it_is_told_when_new_and_then_once_a_minute(rule):
    held = episodes()
    (key,) = held.add(rule, [fire(rule)], rows(1), 5 * SECOND)
    assert held.is_due(key, 5 * SECOND)
    held.detection(key, complete, 5 * SECOND)
    assert not held.is_due(key, 10 * SECOND)
    assert held.is_due(key, 5 * SECOND + UPDATE_US)


def test_rows_of_the_other_side_are_no_evidence(rule):
    theirs = rows(3) | {"ours": np.zeros(3, np.bool_)}
    assert episodes().add(rule, [fire(rule)], theirs, 5 * SECOND) == []


def test_groups_that_no_longer_fire_are_forgotten(rule):
    held = episodes()
    for n in range(100):
        now = (n + 1) * 60 * SECOND
        held.add(rule, [fire(rule, n)], rows(1, at=now, group=n), now)
        held.end(now)
    assert len(held.fired(rule.id)) <= 2


def test_the_number_of_episodes_is_bounded_and_the_quietest_go_first(rule):
    held = episodes(capacity=100)
    for n in range(300):
        held.add(rule, [fire(rule, n)], rows(1, at=n * SECOND, group=n, identity=n), n * SECOND)
    assert len(held._open) <= 100
    assert held.shed == 300 - len(held._open)
    assert 299 in held.fired(rule.id)
    assert 0 not in held.fired(rule.id)


def test_who_gets_the_address_is_not_charged_with_what_was(rule):
    owners = Inventory([
        Customer("C-old", ("198.51.100.7/32",), valid_to=date(1970, 1, 2)), Customer("C-new", ("198.51.100.7/32",), valid_from=date(1970, 1, 3))
    ])  # fmt: skip
    held, midnight = Episodes(owners), 2 * DAY
    (key,) = held.add(rule, [fire(rule)], rows(5, at=midnight - 10 * SECOND), midnight - 5 * SECOND)
    before = held.detection(key, complete, 0)
    held.add(rule, [fire(rule)], rows(2, at=midnight + SECOND), midnight + 5 * SECOND)
    after = held.detection(key, complete, 0)
    assert [(found.finding.customer, found.finding.flows) for found in (before, after)] == [("C-old", 5), ("C-new", 2)]
    assert before.episode != after.episode


def test_of_equal_addresses_the_lowest_is_the_offender(rule):
    held = episodes()
    both = {name: np.concatenate((rows(2, own=OWN + 1)[name], column)) for name, column in rows(2).items()}
    (key,) = held.add(rule, [fire(rule)], both, 5 * SECOND)
    assert held.detection(key, complete, 0).finding.offender == "198.51.100.7"


def test_exporters_that_sample_differently_are_scaled_each_by_its_rate(rule):
    held = episodes()
    held.add(rule, [fire(rule)], rows(10, rate=1000), 5 * SECOND)
    (key,) = held.add(rule, [fire(rule)], rows(10, rate=0), 10 * SECOND)
    finding = held.detection(key, complete, 0).finding
    assert (finding.packets, finding.sampling_rate) == (200, 0)  # some rate is unknown, so the totals are lower bounds
    assert finding.estimate.packets == 100_100
    assert finding.estimate.low < 100_100 < finding.estimate.high


@pytest.mark.parametrize(("rate", "shown", "most"), [(0, 0, 100), (1, 1, 100), (1000, 1000, 100_000)])
def test_an_unknown_rate_raises_no_number(rule, rate, shown, most):
    """Threat T44: nothing is told above what was counted when nobody knows what a record stands for."""
    held = episodes()
    (key,) = held.add(rule, [fire(rule)], rows(10, rate=rate), 5 * SECOND)
    found = held.detection(key, complete, 0)
    assert (found.finding.packets, found.finding.bytes, found.finding.sampling_rate) == (100, 100, shown)
    assert found.finding.estimate.packets == most
    assert found.finding.estimate.low <= most
    assert found.peak_pps <= most


def test_counts_that_no_store_holds_are_told_as_the_most(rule):
    held = episodes()
    (key,) = held.add(rule, [fire(rule)], rows(3, packets=(1 << 64) - 1, rate=(1 << 32) - 1), 5 * SECOND)
    found = held.detection(key, complete, 0)
    assert found.finding.packets == found.finding.estimate.packets == found.targets[0].packets == found.targets[0].rows[0].packets == (1 << 63) - 1
    assert msgspec.json.encode(found)


def test_a_role_keeps_it_from_being_a_finding_and_is_counted(rule):
    held = Episodes(Inventory([Customer("C-1", ("198.51.100.0/24",), roles=("approved_scanner",))]))
    (key,) = held.add(rule, [fire(rule)], rows(1), 5 * SECOND)
    assert held.detection(key, complete, 0) is None
    assert held.suppressed == 1
    other = replace(rule, exempt=replace(rule.exempt, roles=(), only=("resolver",)))
    held = episodes()
    (key,) = held.add(other, [fire(other)], rows(1), 5 * SECOND)
    assert held.detection(key, complete, 0) is None


def test_the_gravest_reason_stands(rule):
    held = episodes()
    held.add(rule, [fire(rule, pps=900.0)], rows(1), 5 * SECOND)
    (key,) = held.add(rule, [fire(rule, pps=400.0)], rows(1), 10 * SECOND)
    assert held.detection(key, complete, 0).finding.measures == {"pps": 900}


def test_coverage_is_asked_for_the_exporters_and_the_time_of_the_finding(rule):
    held, asked = episodes(), []
    for at, exporter in ((20, 3), (50, 7)):
        (key,) = held.add(rule, [fire(rule)], rows(2, at=at * SECOND) | {"exporter": np.full(2, exporter, np.uint32)}, at * SECOND)

    def coverage(exporters, first_us, last_us):
        asked.append((sorted(exporters), first_us, last_us))
        return 0.5

    assert held.detection(key, coverage, 0).finding.coverage == 0.5
    assert asked == [([3, 7], 20 * SECOND, 50 * SECOND)]
