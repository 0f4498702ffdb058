"""A connection that is never busy and never still, and what resembles it."""

import numpy as np
import pytest

from abusewatch.detect.coded.steady import Steady
from tests import scenarios as s


def pool(minutes, port, *, packets=8, octets=900, sport=40_000, every=1, out=True, back=True):
    """A record of each direction a minute, as an exporter with an active timeout of a minute cuts them."""
    lines = []
    for minute in range(0, minutes, every):
        at = minute * 60
        lines += [f"{at} {at + 55} {s.OWN}:{sport} {s.OUT}:{port} tcp {packets} {octets} PA"] * out
        lines += [f"{at} {at + 55} {s.OUT}:{port} {s.OWN}:{sport} tcp {packets} {2 * octets} PA"] * back
    return lines


def leads(*lines):
    rules = [rule for rule in s.shipped() if rule.kind == "mining"]
    return [(each.finding.rule, each.finding.severity, each.status) for each in s.detections(*lines, rules=rules)]


@pytest.mark.parametrize(("port", "minutes", "severity"), [(3333, 5, "low"), (14444, 90, "medium"), (4444, 90, "medium")])
def test_a_miner(port, minutes, severity):
    assert leads(*pool(minutes, port)) == [("mining", severity, "observe")]


LOOKALIKES = {
    "a port that others use too, briefly": pool(20, 8888), "a web port": pool(90, 443), "a download": pool(90, 3333, packets=20_000, octets=1_200_000),
    "large messages": pool(90, 3333, packets=8, octets=8000), "now and then": pool(90, 3333, every=4), "nobody answers": pool(90, 3333, back=False),
    "many connections": sorted([line for k in range(9) for line in pool(5, 3333, sport=40_000 + k)], key=lambda line: float(line.split()[0])), "over after a minute": pool(2, 3333),
    "somebody else's server of ours": [f"{k * 60} {k * 60 + 55} {s.OWN}:3333 {s.OUT}:40000 tcp 8 900 PA" for k in range(90)],
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKALIKES)
def test_what_is_no_miner(name):
    assert leads(*LOOKALIKES[name]) == []


def test_the_measures():
    minutes = np.array([0, 1, 1, 4, 0, 0, 2]) * 60_000_000
    ends = np.array([0, 1, 2, 4, 3, 1, 2]) * 60_000_000
    given = Steady().measure({"start_us": minutes, "end_us": ends, "weight": np.ones(7)}, np.array([0, 4]))
    assert given["held"].tolist() == [0.8, 1.0]
    assert given["lasted"].tolist() == [240.0, 180.0]
