"""Labelled flow tables, where the corpus is there, with roles and in a sample; all of them, without roles: benchmarks/test_quality.py."""

import json

import pytest

from abusewatch.inventory import of_prefixes
from benchmarks.quality import CUSTOMERS, LEADS, provider, run, score, table
from tests.rules.boundaries import RULES

ROLES = RULES.parent / "docs/simulated-roles.toml"
SAMPLED = ("synth-sip-scan", "synth-udp-flood", "nmap-syn-1000", "ssh-hydra-8")

pytestmark = pytest.mark.corpus


def scored(corpus, names, inventory, sampling=1):
    truth = [t for t in json.loads((corpus / "flows/truth.json").read_text()) if t["scenario"] in names]
    assert len(truth) == len(names)
    return score(truth, [run(table(corpus / f"flows/{t['scenario']}.csv.gz"), inventory, sampling) for t in truth])


@pytest.mark.long
def test_the_roles_of_the_documentation_hide_no_simulated_attack(corpus):
    """What the README says of them. That no look-alike is accused, without any role, the day says."""
    truth = json.loads((corpus / "flows/truth.json").read_text())
    attacks = [t["scenario"] for t in truth if t["scenario"].startswith("synth") and t["truth"]]
    result = scored(corpus, attacks, provider(ROLES))
    hit, wanted = (sum(n for family, n in some.items() if family not in LEADS) for some in (result.hit, result.wanted))
    assert result.false == []
    assert 2 * hit / (hit + wanted) >= 0.9  # F1 where nothing is found wrongly


def test_attacks_are_found_in_a_sample(corpus):
    result = scored(corpus, SAMPLED, of_prefixes([CUSTOMERS]), sampling=10)
    assert result.hit == result.wanted
    assert result.false == []
