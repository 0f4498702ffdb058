"""Every row goes to one shard, all rows of an address to the same, and rules that need several addresses together are told by name."""

from dataclasses import replace

import numpy as np
import pytest

from abusewatch.detect.check import Scope
from abusewatch.detect.columns import RECORD
from abusewatch.detect.parse import parse
from abusewatch.detect.rule import Key
from abusewatch.shards import split
from tests import scenarios as s


@pytest.mark.parametrize("shards", [1, 2, 3, 5])
def test_every_row_is_in_one_shard_and_numbers_are_dense_there(shards):
    slot = np.random.default_rng(1).integers(0, 50, 1000).astype(np.int32)
    places = list(split.places(slot, shards))
    assert sorted(np.concatenate(places).tolist()) == list(range(1000))
    for shard, at in enumerate(places):
        rows = split.taken({"slot": slot, "n": np.arange(1000)}, at, shards)
        assert rows["n"].tolist() == at.tolist()
        assert set(rows["slot"].tolist()) == set(range(split.count(50, shard, shards)))
        assert all(
            split.within(int(slot[row]), shards) == (shard, int(mine))
            for row, mine in zip(at, rows["slot"], strict=True)
        )
    assert sum(split.count(50, shard, shards) for shard in range(shards)) == 50


def test_nobody_stays_nobody():
    assert split.within(-1, 3) == (0, -1)


def test_every_shipped_rule_can_be_divided():
    assert split.inseparable(s.shipped()) == []


@pytest.mark.parametrize(
    ("rule", "where", "identity"),
    [
        ("udp-flood", "outbound", [Key("input_if", "input_if")]),
        ("udp-flood", "transit", [Key("own", "own")]),
        ("udp-flood", "transit or outbound", [Key("input_if", "input_if")]),
        ("udp-flood", "outbound", [Key("net(own, 24, 48)", "own", 24, 48)]),
        ("udp-flood", "outbound", [Key("peer", "peer")]),
    ],
)
def test_a_rule_that_brings_addresses_together_is_named(rule, where, identity):
    (plain,) = [each for each in s.shipped() if each.id == rule]
    bound = Scope(RECORD).condition(parse(where))
    odd = replace(plain, match=replace(plain.match, where=bound), identity=tuple(identity))
    assert split.inseparable([odd]) == [rule]
    assert split.inseparable([replace(odd, status="sandbox")]) == []
    assert split.inseparable([replace(odd, identity=plain.identity)]) == ([] if where == "outbound" else [rule])
