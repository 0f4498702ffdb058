"""A rule takes the rows for which each of its conditions holds, whatever order they are asked in and whoever asked before."""

from dataclasses import replace

import numpy as np
import pytest

from abusewatch.detect.compile import compile_rows
from abusewatch.detect.matching import Matching, parts
from abusewatch.detect.parse import parse
from abusewatch.detect.runner import Runner
from abusewatch.detect.views import Picked, View, records
from abusewatch.model import rows as r
from tests import scenarios

RULES = {rule.id: rule for rule in scenarios.shipped()}
ON_RECORDS = [rule for rule in RULES.values() if rule.match.on == "record"]


def view(n: int, *, rate: int = 1, seed: int = 0) -> View:
    dice = np.random.default_rng(seed)
    ports = np.array([22, 23, 25, 53, 80, 123, 443, 1024, 5060, 40_000], np.uint16)
    return records(r.empty() | {name: np.zeros(n, dtype) for name, dtype in r.RECORD_COLUMNS.items()} | {
        "own_port": dice.choice(ports, n), "peer_port": dice.choice(ports, n), "protocol": dice.choice(np.array([1, 6, 17, 58], np.uint8), n),
        "flags": dice.choice(np.array([2, 4, 16, 18, 20], np.uint8), n), "packets": dice.integers(1, 9, n).astype(np.uint64),
        "bytes": dice.integers(40, 9000, n).astype(np.uint64), "outbound": dice.random(n) < 0.5, "transit": dice.random(n) < 0.1,
        "sampling_rate": np.broadcast_to(np.uint32(rate), n) if rate else dice.integers(1, 3, n).astype(np.uint32),
    })  # fmt: skip


def asked_of_all(rule, rows):
    """What the chain saves: every condition over every row."""
    mask = np.ones(rows.rows, np.bool_)
    for holds in [compile_rows(part) for part in parts(rule.match.where)] + [holds for _, holds in Matching(rule).tacit]:
        mask &= holds(rows)
    return np.flatnonzero(mask).tolist()


@pytest.mark.parametrize("rate", [0, 1, 100])
def test_the_chain_takes_what_all_conditions_take(rate):
    together = view(3000, rate=rate)
    taken = {rule.id: Matching(rule).rows(together).tolist() for rule in ON_RECORDS}
    assert taken == {rule.id: asked_of_all(rule, view(3000, rate=rate)) for rule in ON_RECORDS}
    assert any(taken.values())


def test_rules_that_begin_alike_ask_once():
    rows, asked = view(100), []
    plain = rows._derived["sampled"]
    rows._derived = {**rows._derived, "sampled": lambda v: asked.append(1) or plain(v)}
    for name in ("address-scan-sampled", "port-scan-sampled", "smtp-spam-sampled"):
        assert len(Matching(RULES[name]).rows(rows)) == 0
    assert len(asked) == 1


def test_a_column_of_one_value_answers_for_all_rows():
    some, same = view(100, rate=0), view(100, rate=1)
    assert not r.constant(some["sampled"])
    assert r.constant(same["sampled"])
    assert len(Matching(RULES["port-scan-sampled"]).rows(some)) < 100
    same._rows["transit"] = np.broadcast_to(np.True_, 100)
    assert len(Matching(RULES["udp-flood"]).rows(same)) == 0


def test_picked_rows_come_in_the_order_asked_for_though_all_are_picked():
    rows = view(50)
    backwards = np.arange(50)[::-1].copy()
    assert Picked(rows, backwards)["bytes"].tolist() == rows["bytes"][::-1].tolist()
    assert Picked(rows, rows.every)["bytes"] is rows["bytes"]


def test_nothing_matches_in_no_rows():
    assert len(Matching(RULES["udp-flood"]).rows(view(0))) == 0


def test_every_shipped_rule_has_a_gate():
    """Without one each row that a rule matches is kept and judged: half of what all rules cost together, as it was once for a single rule."""
    assert [rule.id for rule in RULES.values() if not Runner(rule, 5_000_000).bounds] == []
    ungated = replace(RULES["tcp-flood"], raises=(replace(RULES["tcp-flood"].raises[0], when=parse("pps <= 3")),))
    assert not Runner(ungated, 5_000_000).bounds
