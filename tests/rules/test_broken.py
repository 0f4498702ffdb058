"""Every bound of every rule is held by a fixture: a rule broken in one place fails over its captures or over a table that stands just beside the bound."""

import pytest

from tests.rules.edges import EDGES
from tests.rules.table import survivors, written

RULES = {rule.id: rule for rule in written()}
EQUAL = {
    ("icmp-scan", "measure bare: where: part 1 of or: part 1 of and left out"): "no packet of IPv6 is that short",
    ("http-flood-sampled", "measure twice: share: 2 a third less"): "packets are whole",
    ("smtp-spam", "measure alike: tolerance 1 half more"): "packets are whole",
    ("smtp-spam", "where: part 2 of and: part 2 of or: part 1 of and left out"): "what the other part takes already; lint asks that each way says who started",
    ("smtp-spam", "measure failed: where: part 1 of and left out"): "of what others start only what was answered is taken",
    ("smtp-spam", "measure reached: where: part 1 of and left out"): "three of ten follow from failed / servers < 0.75, as do the three below",
    ("smtp-spam", "measure reached: where: part 2 of and left out"): "",
    ("smtp-spam", "when 0: part 2 of and left out"): "",
    ("smtp-spam", "when 0: part 2 of and: 3 a third less"): "",
    ("address-scan", "when 0: part 3 of and: part 1 of or: 0.5 half more"): "all of a group is to one port",
    ("address-scan", "when 0: part 3 of and: part 1 of or: 0.5 a third less"): "all of a group is to one port",
    ("address-scan", "when 1: part 3 of and: part 1 of or: 0.5 half more"): "all of a group is to one port",
    ("address-scan", "when 1: part 3 of and: part 1 of or: 0.5 a third less"): "all of a group is to one port",
    ("amplification-reflector", "when 0: part 3 of and: part 1 of or: 0.5 half more"): "all of a group is from one port",
    ("amplification-reflector", "when 0: part 3 of and: part 1 of or: 0.5 a third less"): "all of a group is from one port",
    ("login-attack", "when 0: part 5 of and: part 1 of or: 0.5 half more"): "all of a group is to one port",
    ("login-attack", "when 0: part 5 of and: part 1 of or: 0.5 a third less"): "all of a group is to one port",
    ("login-attack-sampled", "when 0: part 5 of and: part 1 of or: 0.5 half more"): "all of a group is to one port",
    ("login-attack-sampled", "when 0: part 5 of and: part 1 of or: 0.5 a third less"): "all of a group is to one port",
    ("login-attack-sampled", "when 0: part 6 of and: part 1 of or: 0.5 half more"): "all of a group is to one port",
    ("login-attack-sampled", "when 0: part 6 of and: part 1 of or: 0.5 a third less"): "all of a group is to one port",
    ("udp-flood", "measure ports: where: left out"): "something comes back only beside forty megabit or 2000 packets, which ask for no ports",
    ("udp-flood", "measure sent: where: left out"): "something comes back only beside forty megabit or 2000 packets, which ask for no sizes",
    ("protocol-flood", "measure out: where: left out"): "where nothing comes back, all is sent",
    ("protocol-flood", "measure seen: where: left out"): "where nothing comes back, all is sent",
    ("syn-flood", "where: part 2 of and: part 1 of or: part 1 of and left out"): "what is not outbound is inbound, and taken anyway",
}
"""Ways to break a rule that change nothing, and why."""


def spare(rule):
    """The ways to break a rule that change nothing. Per `src` the engine asks of each row that our side sent or started it, whether the rule says so or not."""
    said = rule.match.where_text.split(" and ")
    ours = [n for n, part in enumerate(said, 1) if part in {"initiator", "outbound"}] if rule.match.per[0].column == "src" else []
    tacit = {f"where: part {n} of and left out" for n in ours}
    return tacit | {name for rule_id, name in EQUAL if rule_id == rule.id}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_a_rule_passes_its_fixtures_and_no_broken_one_does(rule):
    assert {each.name for each in survivors(rule)} == spare(rule)


def test_the_tables_speak_of_shipped_rules_only():
    assert EDGES.keys() == RULES.keys()
