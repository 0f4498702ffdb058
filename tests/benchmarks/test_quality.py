"""A day of a provider: all tables of the corpus laid over each other in one stream, as an edge sees its customers."""

import json

import pytest

from abusewatch.inventory import of_prefixes
from benchmarks.quality import CUSTOMERS, LEADS, Found, day, run, score

UNSEEN = {"synth-spoof-cldap"}
"""What no rule can find in such a table: a forged source that no customer's port anchors."""
MOST_FINDINGS = 60  # what somebody reads in a morning


def kinds(scenarios):
    return sum(family not in LEADS for each in scenarios for some in each["truth"].values() for family in {x["kind"] for x in some})


@pytest.mark.corpus
@pytest.mark.long
def test_in_a_day_every_attack_is_found_and_nobody_else_accused(corpus):
    truth, batch = day(corpus / "flows")
    found = run(batch, of_prefixes([CUSTOMERS]), 1)
    result = score(truth, [[f for f in found if f.offender in t["customers"]] for t in truth])
    assert result.false == []
    assert result.flagged == 0
    assert result.benign >= 10
    hit, wanted = (sum(n for family, n in some.items() if family not in LEADS) for some in (result.hit, result.wanted))
    assert wanted - hit == kinds(t for t in truth if t["scenario"] in UNSEEN)
    assert len(found) <= MOST_FINDINGS


@pytest.mark.corpus
def test_control_what_is_missed_and_who_is_accused_would_be_seen(corpus):
    truth = json.loads((corpus / "flows" / "truth.json").read_text())
    benign = next(c for t in truth if t.get("scored", True) for c in t["customers"] if not t["truth"].get(c))
    accused = Found("scan", "address-scan", benign, 0.0, 1.0, 1.0)
    result = score(truth, [[accused] if benign in t["customers"] else [] for t in truth])
    assert sum(result.hit.values()) == 0 < sum(result.wanted.values())
    assert result.flagged >= 1
    assert any("address-scan" in text for text in result.false)
