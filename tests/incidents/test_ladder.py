"""One, ten, a hundred, a thousand times what it was first; nothing in between."""

import pytest

from abusewatch.incidents.ladder import climbed, rung
from abusewatch.model.message import Extent


@pytest.mark.parametrize(
    ("packets", "first", "step"),
    [(7, 7, 0), (69, 7, 0), (70, 7, 1), (699, 7, 1), (700, 7, 2), (7000, 7, 3), (3, 7, 0), (0, 0, 0), (10, 0, 1), (2**63 - 1, 1, 18)],
)
def test_rungs(packets, first, step):
    assert rung(packets, first) == step


def test_each_rung_is_told_once():
    told, steps = Extent("udp_flood", "high", 1, 50, 50), []
    for packets in range(50, 60_001, 50):
        now = told._replace(packets=packets)
        if climbed(now, told):
            told, steps = now, [*steps, packets]
    assert steps == [500, 5000, 50_000]


def test_of_what_nobody_knows_any_sighting_is_more():
    assert climbed(Extent("beacon", "low", 1, 0, 0), None)
