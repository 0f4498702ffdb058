"""Shares of some addresses each find what one of all finds: here in one process, so that nothing but the division is tested."""

import pytest

from abusewatch.detect.engine import Engine
from abusewatch.pipeline import Pipeline
from abusewatch.shards import split
from abusewatch.shards.share import Share, in_order
from tests import scenarios as s
from tests.shards.traffic import fresh, of_captures
from tests.test_pipeline import mixture


class Parted:
    """Several shares, one after the other."""

    processes = 1  # of them all are one

    def __init__(self, shards, rules, owners):
        self.shares = [Share(Engine(rules, owners), owners) for _ in range(shards)]

    def close(self, pane, slots):
        parts = (
            [split.taken(pane.rows, at, len(self.shares)) for at in split.places(pane.rows["slot"], len(self.shares))]
            if pane.rows
            else [{}] * len(self.shares)
        )
        found = []
        for number, (share, rows) in enumerate(zip(self.shares, parts, strict=True)):
            for told in share.close(
                type(pane)(pane.end_us, rows, last=pane.last, part=pane.part),
                split.count(slots, number, len(self.shares)),
            ):
                found += told
        yield in_order(found)

    def ready(self):
        yield from ()

    settled = ready

    @property
    def waits(self):
        return any(share.waits for share in self.shares)


def told(records, known, shards, size=5000, *, rules=None):
    """Every list of findings that the sink was given, in order, as bytes."""
    rules = s.shipped() if rules is None else rules
    lists = []
    decider = Parted(shards, rules, known) if shards else None
    spine = Pipeline(
        rules, known, lambda found: lists.append([s.msgspec.json.encode(each) for each in found]), decider=decider
    )
    for begin in range(0, len(records), size):
        spine.feed(records.take(slice(begin, begin + size)))
    spine.flush()
    return [found for found in lists if found], spine


@pytest.fixture(scope="module")
def whole():
    """What one finds of all captures at once."""
    records, known = of_captures()
    found, _ = told(records, fresh(known), 0)
    assert len(found) > 20
    return found


@pytest.mark.parametrize("shards", [1, 2, 3, 4, 7])
def test_shares_find_what_one_finds_of_all_captures_at_once(whole, shards):
    records, known = of_captures()
    assert told(records, fresh(known), shards)[0] == whole


@pytest.mark.parametrize("shards", [2, 3])
def test_shares_find_what_one_finds_of_the_mixture(shards):
    whole, _ = told(mixture(), s.inventory(), 0, 500)
    parts, _ = told(mixture(), s.inventory(), shards, 500)
    assert parts == whole
