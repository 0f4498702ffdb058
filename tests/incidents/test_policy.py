"""Only what is stable, proven and no mere lead is mailed to third parties."""

import pytest

from abusewatch.incidents import decide, everyone
from abusewatch.model.kinds import BASES, KINDS, LEADS
from tests.cases import detection, incident


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("status", ["sandbox", "observe", "stable"])
def test_the_table(kind, basis, status):
    decision = decide(incident(detection(kind=kind, basis=basis, status=status)))
    customer = status == "stable" and kind not in LEADS
    assert bool(decision.customer) == customer
    assert bool(decision.operators) == (customer and KINDS[kind].operator_mail and basis in {"handshake", "anchored"})


def test_a_weak_finding_does_not_ride_along_with_a_strong_one():
    strong, weak, new = detection(episode="s"), detection(episode="w", basis="syn_only"), detection(episode="n", status="observe")
    decision = decide(incident(strong, weak, new))
    assert decision.operators == {"s"}
    assert decision.customer == {"s", "w"}


def test_a_replay_ignores_the_table():
    assert everyone(incident(detection(episode="n", status="observe", basis="one_way"))).operators == {"n"}
