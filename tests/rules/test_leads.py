"""Leads are for the desk: their rules only observe, say that they are no proof, and reach no third party whatever their status."""

import pytest

from abusewatch.detect.load import load
from abusewatch.incidents import decide
from abusewatch.model.kinds import KINDS, LEADS
from tests.cases import detection, incident
from tests.rules.boundaries import RULES

SHIPPED = [rule for rule in load([RULES]).rules if rule.kind in LEADS]


def test_there_is_a_rule_for_each_kind_of_lead():
    assert {rule.kind for rule in SHIPPED} == LEADS


@pytest.mark.parametrize("rule", SHIPPED, ids=[rule.id for rule in SHIPPED])
def test_a_lead_observes_and_says_that_it_is_no_proof(rule):
    assert rule.status == "observe"
    assert rule.sampled.use == "none"
    assert all(entry.because.endswith("a lead, not proof") for entry in rule.raises)


@pytest.mark.parametrize("kind", sorted(LEADS))
@pytest.mark.parametrize("status", ["observe", "stable"])
def test_no_third_party_hears_of_a_lead(kind, status):
    decision = decide(incident(detection(kind=kind, basis="handshake", status=status)))
    assert not KINDS[kind].operator_mail
    assert (decision.operators, decision.customer) == (frozenset(), frozenset())
