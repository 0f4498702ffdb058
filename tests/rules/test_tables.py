"""Labelled flow tables, where the corpus is there: what is found stays found, and no look-alike is accused, with its role or without."""

import json

import pytest

from abusewatch.inventory import of_prefixes
from benchmarks.quality import CUSTOMERS, LEADS, run, scenario, score, table
from tests.rules.boundaries import RULES

ROLES = RULES.parent / "docs/simulated-roles.toml"
LOOKALIKES = ("synth-ok-mailserver", "synth-ok-git-poll", "synth-ok-backup", "benign-sip", "benign-tor", "benign-browsing")
ATTACKS = ("ssh-902-brute", "nmap-syn-1000", "udp-sweep-96", "spambot", "icmp-blacknurse", "synth-udp-flood", "synth-ntp-reflector", "synth-sip-scan")
SAMPLED = ("synth-sip-scan", "synth-udp-flood", "nmap-syn-1000", "ssh-hydra-8")

pytestmark = pytest.mark.corpus


def scored(corpus, names, inventory, sampling=1):
    truth = [t for t in json.loads((corpus / "flows/truth.json").read_text()) if t["scenario"] in names]
    assert len(truth) == len(names)
    return score(truth, [run(table(corpus / f"flows/{t['scenario']}.csv.gz"), inventory, sampling) for t in truth])


@pytest.mark.parametrize("name", LOOKALIKES)
def test_no_lookalike_is_accused_without_its_role(corpus, name):
    assert scored(corpus, [name], of_prefixes([CUSTOMERS])).false == []


def test_simulated_tables_with_the_roles_of_the_documentation(corpus):
    """What the README says of them: F1 of at least 0.9, leads left out, and no look-alike is accused."""
    truth = [t for t in json.loads((corpus / "flows/truth.json").read_text()) if t["scenario"].startswith("synth")]
    result = score(truth, [scenario((corpus / "flows", t["scenario"], 1, ROLES)) for t in truth])
    hit, wanted = (sum(n for family, n in some.items() if family not in LEADS) for some in (result.hit, result.wanted))
    assert result.false == []
    assert (result.flagged, result.benign) == (0, 5)
    assert 2 * hit / (hit + wanted) >= 0.9  # F1 where nothing is found wrongly


def test_attacks_are_found(corpus):
    result = scored(corpus, ATTACKS, of_prefixes([CUSTOMERS]))
    assert result.hit == result.wanted
    assert result.false == []


def test_attacks_are_found_in_a_sample(corpus):
    result = scored(corpus, SAMPLED, of_prefixes([CUSTOMERS]), sampling=10)
    assert result.hit == result.wanted
    assert result.false == []
