"""Explaining: it changes nothing, it agrees with the engine over every shipped capture, and it says why the engine is silent."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from abusewatch.cli.captures import expectation
from abusewatch.cli.inputs import Inputs
from abusewatch.cli.judge import judge
from abusewatch.detect.explain import FIRED, LEFT_OUT, NEAR, NOTHING, OFF, SILENCED, VERDICTS
from abusewatch.model import address
from abusewatch.sources.encode.sampler import Sampler
from tests import scenarios as s
from tests.detect.explaining import account, explained
from tests.flows import flows
from tests.shards.traffic import told_apart

CAPTURES = sorted(path.parent for path in (Path(__file__).resolve().parents[2] / "captures").glob("*/expect.toml") if told_apart(path.parent))
MOST_ADDRESSES = 3


def busiest(batches, inventory):
    """Of our addresses in a capture those with most records."""
    ends = [(hi, lo) for batch in batches for hi, lo in ((batch.src_hi, batch.src_lo), (batch.dst_hi, batch.dst_lo))]
    both = np.stack([np.concatenate([hi for hi, _ in ends]), np.concatenate([lo for _, lo in ends])])
    found, counts = np.unique(both, axis=1, return_counts=True)
    ours = [text for hi, lo in found[:, np.argsort(-counts, kind="stable")].T.tolist() if inventory.contains(text := address.text(hi, lo))]
    return ours[:MOST_ADDRESSES]


@pytest.mark.parametrize("sampling", [1, 10])
@pytest.mark.parametrize("folder", CAPTURES, ids=lambda path: path.name)
def test_it_says_fired_exactly_where_the_engine_made_a_finding(folder, sampling):
    expected, sampler = expectation(folder), Sampler(sampling, seed=1)
    batches = [sampler.sample(batch) for batch in Inputs([str(folder / "capture.pcap")]).batches()]
    plain = judge(iter(batches), s.shipped(), expected.inventory)
    offenders = {each.finding.offender for each in plain.detections} | set(busiest(batches, expected.inventory))
    for offender in sorted(offenders):
        verdict, accounts = explained(batches, s.shipped(), expected.inventory, offender)
        assert verdict.detections == plain.detections, "the engine that explains found something else"
        found = {each.finding.rule for each in plain.detections if each.finding.offender == offender}
        assert {each.rule for each in accounts if each.verdict == FIRED} == found
        # What it re-evaluated held there and nowhere else, but for roles: the two agree without being the same computation.
        assert {each.rule for each in accounts if each.first is not None and each.verdict != SILENCED} == found
        assert not [each for each in accounts if each.verdict == LEFT_OUT]


@pytest.mark.parametrize("rule", s.RAISES)
def test_one_less_than_the_threshold_is_a_near_miss(rule):
    make, threshold = s.RAISES[rule]
    offender = "192.0.2.66" if rule == "amplification-trigger" else s.OWN
    found = account(rule, *make(threshold - 1), offender=offender)
    assert found.verdict == NEAR
    assert 0.7 < found.best.near < 1
    assert [clause for clause in found.best.clauses if not clause.holds]


def test_a_role_that_is_excepted_is_the_reason():
    found = account("address-scan", *s.address_scan(40), roles=["monitor"])
    assert (found.verdict, found.because) == (SILENCED, "role monitor is excepted")
    assert found.best.measures["failed"] == 40


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"only": ("mail_server", "proxy")}, "only customers with the role mail_server or proxy are looked at"), ({"prefixes": ("198.51.100.0/29",)}, "its prefix is excepted")],
)
def test_other_exceptions_too(changes, words):
    rule = next(each for each in s.shipped() if each.id == "address-scan")
    found = account("address-scan", *s.address_scan(40), rules=[replace(rule, exempt=replace(rule.exempt, **changes))])
    assert (found.verdict, found.because) == (SILENCED, words)


def test_what_the_gate_left_out_is_admitted():
    """Nineteen twentieths of a bound in one burst, and the rest so thin that the engine drops it as it comes."""
    burst = [f"{k / 1000} {k / 1000} {s.OWN}:{1024 + k} {s.host(k % 10)}:53 udp 1 70 ." for k in range(2980)]
    at = [10 + 5 * (k // 4) + k % 4 / 10 for k in range(32)]
    thin = [f"{t} {t} {s.OWN}:{9000 + k} {s.host(k % 10)}:53 udp 1 70 ." for k, t in enumerate(at)]
    found = account("dns-flood", *burst, *thin)
    assert found.verdict == LEFT_OUT
    assert "at most a tenth" in found.because


def test_a_rule_that_does_not_run_says_so():
    rule = next(each for each in s.shipped() if each.id == "address-scan")
    found = account("address-scan", *s.address_scan(40), rules=[replace(rule, status="sandbox")])
    assert (found.verdict, found.seen) == (OFF, 0)


def test_forged_sources_are_told_of_by_the_interface_they_came_by():
    found = account("amplification-trigger", *s.trigger(80), offender="192.0.2.66")
    assert found.verdict == FIRED
    assert found.findings[0].direction == "spoofed"
    other = account("amplification-trigger", *s.trigger(80), offender="192.0.2.67")
    assert (other.verdict, other.seen) == (NOTHING, 0)


def test_one_host_of_ipv6_is_its_network():
    lines = [s.ask(k, f"[2001:db8:9::{k + 1:x}]", 8443, src=f"[2001:db8:42::{k % 20 + 1:x}]") for k in range(40)]
    assert account("address-scan", *lines, offender="2001:db8:42::3").verdict == FIRED
    assert account("address-scan", *lines, offender="2001:db8:42:1::3").verdict == NOTHING


def test_a_window_that_nobody_came_after_is_judged_all_the_same():
    """All are silent for an hour after two hundred packets a second; the engine need not look, the explanation must."""
    found = account("udp-flood", *s.udp_flood(2000), *[s.ask(4000, s.host(1), 443)])
    assert found.verdict == NEAR
    assert found.best.measures["pps"] == 200


def test_accounts_stand_in_order_of_interest():
    batches = [flows(*s.address_scan(40), *s.sip_scan(12))]
    _, accounts = explained(batches, s.shipped(), s.inventory(), s.OWN)
    order = [(VERDICTS.index(each.verdict), -(each.best.near if each.best else 0)) for each in accounts]
    assert order == sorted(order)
    assert len(accounts) == len(s.shipped())


def test_an_address_that_is_none_is_an_error():
    with pytest.raises(ValueError):
        explained([], s.shipped(), s.inventory(), "nobody")
