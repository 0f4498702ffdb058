"""What a beacon is told by, and the honest programs that call at the beat of a clock too."""

import numpy as np
import pytest

from abusewatch.detect.coded.beacon import Beacon
from tests import scenarios as s

BOT, SERVER = 8080, s.OUT


def calls(n, port, *, pause=30.0, jitter=0.1, octets=500, dst=SERVER, late=None, every=0, batch=60_000, silent=False):
    """n calls; with `every` each so-manieth sends a batch instead. Jitter is a fixed pattern, so that tests are the same each time."""
    lines, at = [], 0.0
    for k in range(n):
        big = bool(every) and k % every == every - 1
        if silent:
            lines.append(s.ask(round(at, 3), dst, port, sport=30_000 + k))
        else:
            lines += s.session(round(at, 3), dst, port, sport=30_000 + k, packets=60 if big else 6, octets=batch if big else octets, seconds=0.4)
        at += (late(k) if late else pause) * (1 + jitter * ((k * 7 % 11) / 5 - 1))
    return lines


def leads(*lines, **settings):
    rules = [rule for rule in s.shipped() if rule.kind == "beacon"]
    return [(each.finding.rule, each.finding.severity) for each in s.detections(*lines, rules=rules, **settings)]


@pytest.mark.parametrize("pause", [10, 30, 60])
def test_a_bot_that_polls_and_is_given_tasks(pause):
    assert leads(*calls(180, BOT, pause=pause, every=20)) == [("beacon", "low")]


@pytest.mark.parametrize("silent", [True, False])
def test_a_trojan_that_calls_home_answered_or_not(silent):
    assert leads(*calls(120, 1177, pause=20, silent=silent)) == [("beacon", "medium")]


def test_a_chat_bot_without_its_server():
    assert leads(*calls(600, 6667, late=lambda k: (2, 14, 9)[k % 3], silent=True)) == [("beacon", "low")]


def test_it_is_a_lead_that_only_observes():
    found = s.detections(*calls(180, BOT, every=20), rules=[rule for rule in s.shipped() if rule.id == "beacon"])
    assert [(each.status, "a lead, not proof" in each.because) for each in found] == [("observe", True)]


HOURLY = {"pause": 3600, "jitter": 0}
LOOKALIKES = {
    "a health check never reports": calls(300, BOT, pause=10, jitter=0.01),
    "a health check that is refused": [line for k in range(300) for line in s.refuse(k * 10, SERVER, BOT, sport=30_000 + k)],
    "a web socket that reconnects": calls(60, BOT, late=lambda k: (40, 400, 90, 7)[k % 4], octets=3000),
    "an agent in the cloud": calls(200, 8443, pause=30, every=20), "an https poll": calls(200, 443, pause=30, every=20), "git over ssh": calls(200, 22, pause=60, jitter=0.01),
    "git's own port": calls(200, 9418, pause=30), "push notifications": calls(200, 5228, pause=30), "mqtt": calls(200, 8883, pause=30, octets=222),
    "monitoring whose server is gone": calls(400, 10051, pause=15, silent=True), "an application whose server is gone": calls(400, 3456, pause=15, silent=True),
    "metrics pushed": calls(300, 9091, pause=15, every=10), "an update check": calls(3, BOT, **HOURLY), "a build agent of a known kind": calls(200, 8111, pause=20, every=15),
    "a person at work": calls(200, BOT, late=lambda k: (3, 200, 12, 5, 70, 1, 31)[k % 7], octets=900, every=20),
    "the same with sizes of its own": [line for k in range(200) for line in s.session(k * 30, SERVER, BOT, sport=30_000 + k, octets=400 + 97 * (k % 29) + 30_000 * (k % 20 == 0))],
    "a chat client that stays": calls(30, 6667, pause=200), "a few tries at an odd port": calls(40, 1177, pause=20), "a scan of that port": s.address_scan(200, 1177),
    "time by the clock": [f"{k * 64} {k * 64} {s.OWN}:123 {SERVER}:123 udp 1 76 ." for k in range(100)],
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKALIKES)
def test_honest_programs_are_left_alone(name):
    assert leads(*LOOKALIKES[name]) == []


@pytest.mark.parametrize("role", ["monitor", "nat_gateway", "proxy"])
def test_and_customers_with_a_role(role):
    assert leads(*calls(180, BOT, every=20), roles=(role,)) == []


def measured(times, sizes=None, weight=None):
    n = len(times)
    rows = {
        "start_us": np.array(times) * 1_000_000, "bytes": np.array(sizes or [100] * n, np.uint64), "reply_bytes": np.zeros(n, np.uint64),
        "weight": np.array(weight or [1.0] * n),
    }  # fmt: skip
    return {name: float(value[0]) for name, value in Beacon().measure(rows, np.array([0])).items()}


def test_the_measures():
    assert measured(range(0, 600, 10)) == {"rhythm": 1, "beat": 1, "pause": 10, "presence": 1, "sameness": 1, "usual": 100, "reports": 0}
    assert measured([0, 10, 20, 30, 40, 1000], [100, 100, 105, 111, 89, 30_000]) == pytest.approx(
        {"rhythm": 1, "beat": 0.8, "pause": 10, "presence": 1 / 6, "sameness": 0.5, "usual": 100, "reports": 1}
    )
    assert measured([5]) == {"rhythm": 0, "beat": 0, "pause": 0, "presence": 1 / 12, "sameness": 1, "usual": 100, "reports": 0}
    assert set(measured(range(0, 600, 10), weight=[2.0] * 60).values()) == {0.0}


def test_bowleys_skew_and_the_mad():
    # Pauses 1 2 3 4 8: quartiles 2 3 4 (skew 0), MAD 1 of a median of 3. Pauses 1 1 1 1 9: quartiles all 1.
    assert measured([0, 1, 3, 6, 10, 18])["rhythm"] == pytest.approx((1 + 2 / 3) / 2)
    assert measured([0, 1, 2, 3, 4, 13])["rhythm"] == 1
    assert measured([0, 1, 2, 3, 13, 23])["rhythm"] == pytest.approx((0 + 1) / 2)
