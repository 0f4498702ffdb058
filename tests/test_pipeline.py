"""Small attacks and look-alikes through the whole flow side: what is found, what is not, and that nothing but the records decides."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from abusewatch.model.finding import Finding
from abusewatch.model.flow import concat
from tests import scenarios as s
from tests.flows import T0, flows
from tests.scenarios import OUT, OWN, ask, both, detections, host, rules_of, session

GATED = {"dns-flood", "syn-flood-half-open"}
"""Rules whose gate may leave out the quiet ends of an attack: certain from 1.1 times the threshold."""
ALSO = {"telnet-worm": ["address_scan"], "syn-flood-half-open": ["http_flood"]}
"""Of what other kind an attack is as well."""


@pytest.mark.parametrize("rule", s.RAISES)
def test_a_rule_fires_at_its_threshold_and_not_below(rule):
    make, threshold = s.RAISES[rule]
    enough = round(threshold * 1.1) if rule in GATED else threshold
    found = detections(*make(enough))
    (kind,) = {each.finding.kind for each in found if each.finding.rule == rule}
    assert {each.finding.kind for each in found} <= {kind, *ALSO.get(rule, [])}
    assert rule not in rules_of(detections(*make(threshold - 1)))


def test_foreign_sources_from_a_customers_port_are_found():
    lines = [f"{k / 10} {k / 10} 192.0.2.{k % 50}:999 {host(k)}:80 tcp 2 80 S" for k in range(60)]
    batch = flows(*lines).with_columns(exporter=np.full(60, 3, np.uint32), input_if=np.full(60, 9, np.uint32))
    (found,) = [each.finding for each in detections(batch=batch) if each.finding.rule == "spoofed-source"]
    assert (found.direction, found.customer, found.basis, found.packets) == ("spoofed", "C-2", "anchored", 120)


def test_two_exporters_with_one_interface_number_are_not_one_port():
    lines = [f"{k / 10} {k / 10} 192.0.2.{k % 50}:999 {host(k)}:80 tcp 2 80 S" for k in range(60)]
    batch = flows(*lines).with_columns(exporter=np.arange(60, dtype=np.uint32) % 2 + 3, input_if=np.full(60, 9, np.uint32))
    assert rules_of(detections(batch=batch)) == []


@pytest.mark.parametrize(("exporters", "times"), [((1, 2), 1), ((1, 1), 1), ((0, 0), 2)])
def test_what_is_exported_twice_is_counted_once(exporters, times):
    """By two routers, or by one on the way in and on the way out without a word of it; rows of a table stand as they are."""
    one = flows(*s.login_attack(60))
    batch = concat([one.with_columns(exporter=np.full(len(one), number, np.uint32)) for number in exporters])
    batch = batch.take(np.argsort(batch.end_us, kind="stable"))
    (once,), (found,) = ({each.episode: each.finding for each in detections(batch=each)}.values() for each in (one, batch))
    assert found.packets == pytest.approx(times * once.packets, rel=0.1)
    assert found.flows == once.flows


LOOKALIKES = {
    "scanned, and refuses": [
        line for k in range(500)
        for line in (f"{k / 2} {k / 2} {host(k)}:51000 {OWN}:{22 + k % 9} tcp 1 44 S", f"{k / 2} {k / 2} {OWN}:{22 + k % 9} {host(k)}:51000 tcp 1 40 RA")
    ],
    "scanned, only the answers are seen": [f"{k / 2} {k / 2} {OWN}:{22 + k % 9} {host(k)}:51000 tcp 1 40 RA" for k in range(500)],
    "backscatter of a flood with forged sources": [f"{k / 50} {k / 50} {OWN}:80 {host(k)}:{1024 + k} tcp 3 132 SA" for k in range(500)],
    "answers scans with ICMP unreachable": [
        line for k in range(500)
        for line in (f"{k / 2} {k / 2} {host(k)}:51000 {OWN}:161 udp 1 70 .", f"{k / 2} {k / 2} {OWN}:0 {host(k)}:{3 * 256 + 3} icmp 1 98 .")
    ],
    "many hosts behind one address": both(session(k / 3, host(k % 200), 443, packets=8 + k % 40, seconds=1 + k % 30) for k in range(600)),
    "peer-to-peer, half of the peers are gone": [
        line for k in range(400)
        for line in (
            [f"{k / 2} {k / 2} {OWN}:6881 {host(k)}:{10_000 + 7 * k} udp 2 200 ."]
            + ([f"{k / 2} {k / 2} {host(k)}:{10_000 + 7 * k} {OWN}:6881 udp 2 300 ."] if k % 2 else [])
        )
    ],
    "peer-to-peer over TCP": [
        line for k in range(200) for line in (session(k, host(k), 6881, packets=20 + k) if k % 2 else [ask(k, host(k), 6881)])
    ],
    "git polls each minute": both(session(60 * k, OUT, 22, packets=17, seconds=1.5) for k in range(40)),
    "a person's sessions": both(session(30 * k, OUT, 22, packets=20 + k * k * 7, seconds=20) for k in range(25)),
    "pinged by everybody": [
        line for k in range(300) for line in (f"{k} {k} {host(k)}:0 {OWN}:2048 icmp 1 84 .", f"{k} {k} {OWN}:0 {host(k)}:0 icmp 1 84 .")
    ],
    "a voice call": [line for k in range(60) for line in (f"{k} {k + 1} {OWN}:4000 {OUT}:4000 udp 50 10000 .", f"{k} {k + 1} {OUT}:4000 {OWN}:4000 udp 50 10000 .")],
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKALIKES)
def test_lookalikes_stay_silent(name):
    assert rules_of(detections(*LOOKALIKES[name])) == []


def test_a_resolver_is_not_a_flood():
    lines = []
    for k in range(4000):
        at, dst = round(k * 0.015, 3), host(k % 300)
        lines.append(f"{at} {at} {OWN}:{1024 + k} {dst}:53 udp 1 70 .")
        if k % 20:
            lines.append(f"{at} {at} {dst}:53 {OWN}:{1024 + k} udp 1 140 .")
    assert rules_of(detections(*lines)) == []


@pytest.mark.parametrize("lag", [-1.0, -0.02, 0.02, 0.5, 3.0, 8.0])
@pytest.mark.parametrize("phase", [0.0, 4.98])
def test_a_backup_is_not_a_flood_when_its_two_directions_are_exported_apart(lag, phase):
    """The active timeout cuts both directions of a long upload at nearly, not exactly, the same time; a pane may end in between."""
    lines = []
    for k in range(1, 6):
        end = 60 * k + phase
        lines.append(f"{end - 60} {end} {OWN}:40000 {OUT}:22 tcp 600000 900000000 A")
        lines.append(f"{end - 60} {end + lag} {OUT}:22 {OWN}:40000 tcp 40000 2000000 A")
    assert rules_of(detections(*lines)) == []


def test_one_finding_an_episode_and_updates_of_it():
    told = []
    spine = s.pipeline(lambda found: told.extend(each for each in found if each.finding.rule == "address-scan"))
    for line in s.address_scan(200):
        spine.feed(flows(line))
    spine.flush()
    assert len({each.episode for each in told}) == 1
    assert 2 <= len(told) <= 8
    counts = [each.finding.targets for each in told]
    assert counts == sorted(counts)
    assert counts[-1] == 200
    assert (told[-1].finding.flows, told[-1].finding.packets, told[-1].finding.bytes) == (200, 200, 12_000)


def test_a_quiet_time_ends_an_episode():
    again = [ask(30_000 + k, host(k), 8443) for k in range(30)]
    found = sorted(detections(*s.address_scan(25), *again), key=lambda each: each.first_us)
    assert [(each.finding.rule, each.finding.targets) for each in found] == [("address-scan", 25), ("address-scan", 30)]


def test_a_pause_shorter_than_the_quiet_time_does_not():
    again = [ask(3600 + k, host(100 + k), 8443) for k in range(30)]
    (found,) = (each for each in detections(*s.address_scan(25), *again) if each.finding.rule == "address-scan")
    assert found.finding.targets == 55


def test_harmless_traffic_of_an_offender_between_two_bouts_is_not_charged():
    harmless = both(session(400 + k, host(k % 9), 8443) for k in range(300))
    (found,) = [each for each in detections(*s.address_scan(25), *harmless) if each.finding.rule == "address-scan"]
    assert found.finding.flows < 60


def test_roles_are_exempt():
    assert rules_of(detections(*s.address_scan(40), roles=["monitor"])) == []
    assert rules_of(detections(*s.smtp_spam(40), roles=["mail_server"])) == []
    assert rules_of(detections(*s.http_flood(400), roles=["proxy"])) == []


def test_an_internal_attack_has_one_offender():
    lines = [ask(k, "198.51.100.20", 1000 + k) for k in range(40)]
    (found,) = detections(*lines)
    assert (found.finding.offender, found.finding.direction, found.finding.customer) == (OWN, "internal", "C-1")
    assert found.finding.targets_sample == ("198.51.100.20",)


def test_a_host_that_changes_its_ipv6_address_within_its_network_is_one_offender():
    lines = [ask(k, f"[2001:db8:9::{k + 1:x}]", 8443, src=f"[2001:db8:42::{k % 20 + 1:x}]") for k in range(40)]
    (found,) = detections(*lines)
    assert found.finding.targets == 40
    assert found.finding.offender.startswith("2001:db8:42::")


def test_transit_is_nobodys_fault():
    lines = [f"{k} {k} 192.0.2.66:4444 {host(k)}:8443 tcp 1 60 S" for k in range(100)]
    assert detections(*lines) == []


def test_a_forged_request_is_never_charged_to_a_customer():
    (found,) = detections(*s.trigger(60))
    assert (found.finding.customer, found.finding.direction, found.finding.basis) == (None, "spoofed", "one_way")


def behind_port(*lines):
    """Records that came in by the port of C-2."""
    records = flows(*lines)
    return records.with_columns(exporter=np.full(len(records), 3, np.uint32), input_if=np.full(len(records), 9, np.uint32))


def test_a_forged_source_is_charged_to_the_customer_behind_the_port():
    found = detections(batch=behind_port(*s.trigger(120)))
    assert rules_of(found) == ["amplification-trigger", "spoofed-source"]
    assert {(each.finding.customer, each.finding.direction, each.finding.basis) for each in found} == {("C-2", "spoofed", "anchored")}


def test_a_forged_source_told_again_is_still_one_finding():
    """Which of many forged sources is the most frequent changes while it goes on."""
    lines = [f"{k / 5} {k / 5} 192.0.2.{1 + (k if k < 600 else 7) % 90}:4444 {OUT}:80 tcp 1 40 S" for k in range(1200)]
    (found,) = detections(batch=behind_port(*lines), size=50)
    assert found.finding.customer == "C-2"
    assert found.finding.offender == "192.0.2.1"


def test_excepted_prefixes_count_on_neither_side():
    (rule,) = (rule for rule in s.shipped() if rule.id == "address-scan")
    for prefix, expected in (("203.0.113.0/28", ["address-scan"]), ("203.0.113.0/24", []), (f"{OWN}/32", []), ("192.0.2.0/24", ["address-scan"])):
        spared = replace(rule, exempt=replace(rule.exempt, prefixes=(prefix,)))
        found = detections(*s.address_scan(40), rules=[spared])
        assert rules_of(found) == expected, prefix
        assert not any(t.address in {"203.0.113.1", "203.0.113.15"} for f in found for t in f.targets if prefix == "203.0.113.0/28")


@pytest.mark.parametrize(
    ("make", "count", "basis"),
    [(s.address_scan, 30, "syn_only"), (s.syn_flood, 4000, "syn_only"), (s.udp_flood, 4000, "one_way"), (s.login_attack, 30, "handshake"), (s.half_open, 700, "syn_only"), (s.icmp_scan, 60, "one_way")],
)  # fmt: skip
def test_a_handshake_is_claimed_only_where_it_is_proven(make, count, basis):
    assert {each.finding.basis for each in detections(*make(count))} == {basis}


def test_a_refusal_alone_proves_no_source():
    lines = both(s.refuse(k, host(k), 8443) for k in range(30))
    assert {each.finding.basis for each in detections(*lines)} == {"syn_only"}


def test_the_finding_is_the_contract():
    (found,) = detections(*s.login_attack(20))
    document = json.loads(msgspec.json.encode(found.finding))
    assert list(document) == [
        "rule", "kind", "xarf", "offender", "customer", "direction", "protocol", "target_ports", "targets", "targets_sample", "first_seen", "last_seen",
        "flows", "packets", "bytes", "sampling_rate", "estimate", "severity", "confidence", "basis", "measures", "threshold", "frames", "coverage",
    ]  # fmt: skip
    assert document == {
        "rule": "login-attack", "kind": "login_attack", "xarf": "connection/login_attack", "offender": OWN, "customer": "C-1",
        "direction": "outbound", "protocol": "tcp", "target_ports": [3389], "targets": 1, "targets_sample": [OUT],
        "first_seen": "2026-01-05T00:00:00.000Z", "last_seen": "2026-01-05T00:01:37.000Z", "flows": 20, "packets": 240, "bytes": 21_600,
        "sampling_rate": 1, "estimate": {"packets": 240, "low": 240, "high": 240}, "severity": "high", "confidence": 0.85, "basis": "handshake",
        "measures": document["measures"], "threshold": document["threshold"], "frames": [1, 40], "coverage": 1.0,
    }  # fmt: skip
    assert document["measures"]["sessions"] == 20
    assert msgspec.json.decode(msgspec.json.encode(found.finding), type=Finding) == found.finding


def test_evidence_rows_are_the_earliest_of_each_target():
    (found,) = detections(*s.login_attack(30))
    (target,) = found.targets
    assert [row.start_us for row in target.rows] == [(T0 + at) * 1_000_000 for at in (0, 5, 10)]
    assert {(row.src, row.dst, row.dst_port, row.outcome) for row in target.rows} == {(OWN, OUT, 3389, "answered")}


def test_fired_groups_that_see_only_answers_are_no_error():
    """Answers of the victim come on while the flood is still in the window; there is nothing new to charge."""
    lines = [*s.udp_flood(60_000), *(f"{10 + k} {10 + k} {OUT}:9999 {OWN}:40000 udp 20 1200 ." for k in range(10))]
    assert rules_of(detections(*lines)) == ["udp-flood"]


def test_a_clock_that_steps_back_begins_anew():
    later = [ask(1_000_000 + k, host(k), 8443) for k in range(30)]
    told = {}
    spine = s.pipeline(lambda found: told.update({each.episode: each for each in found}), restart=True)
    spine.feed(flows(*later))
    spine.feed(flows(*s.address_scan(40)))
    spine.flush()
    assert sorted(each.finding.targets for each in told.values()) == [30, 40]
    assert spine.panes.late_rows == 0


def mixture():
    """Attackers and others at once, with ties in time, in the order of their ends."""
    lines = [
        *s.address_scan(60), *s.telnet_worm(30), *s.login_attack(40), *s.password_spray(80), *s.udp_flood(9000), *s.http_flood(500), *s.port_scan(80),
        *s.address_scan(50, 9999, "[2001:db8:42::5]")[:0], *s.trigger(80), *s.reflector(6_000_000), *s.smtp_spam(20), *s.half_open(900),
        *[ask(k, host(k % 90), 8443, src=f"198.51.100.{16 + k % 3}") for k in range(270)], *LOOKALIKES["many hosts behind one address"],
        f"1 101 {OWN}:777 {OUT}:778 udp 1000003 90000001 .", f"2 102.5 {OWN}:776 {OUT}:778 udp 777777 70000003 .",
    ]  # fmt: skip
    batch = flows(*lines)
    return batch.take(np.argsort(batch.end_us, kind="stable"))


@pytest.fixture(scope="module")
def expected():
    found = detections(batch=mixture())
    assert len(found) >= 10
    return s.as_bytes(found)


@pytest.mark.parametrize("size", [7, 1000])
def test_batches_change_nothing(expected, size):
    assert s.as_bytes(detections(batch=mixture(), size=size)) == expected


def test_records_one_by_one_change_nothing():
    few = mixture().take(slice(0, 1500))
    assert s.as_bytes(detections(batch=few, size=1)) == s.as_bytes(detections(batch=few))


@pytest.mark.parametrize("seed", range(3))
def test_disorder_within_the_lateness_changes_nothing(expected, seed):
    batch = mixture()
    jitter = np.random.default_rng(seed).integers(0, 9_000_000, len(batch))
    order = np.argsort(batch.end_us + jitter, kind="stable")
    assert s.as_bytes(detections(batch=batch, order=order, size=100)) == expected


@pytest.mark.parametrize("size", [1, 13, 400])
def test_late_records_are_the_same_whatever_the_batches(size):
    batch = mixture().take(slice(0, 2000))
    order = np.random.default_rng(5).permutation(len(batch))
    spines = [s.pipeline(lambda _: None) for _ in range(2)]
    spines[0].feed(batch.take(order))
    for begin in range(0, len(order), size):
        spines[1].feed(batch.take(order[begin : begin + size]))
    assert spines[0].panes.late_rows == spines[1].panes.late_rows > 0


def test_the_hash_seed_changes_nothing(root):
    program = (
        "import hashlib, tests.test_pipeline as t, tests.scenarios as s\n"
        "print(hashlib.sha256(b'\\n'.join(s.as_bytes(s.detections(batch=t.mixture(), size=500)))).hexdigest())"
    )
    found = {
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, cwd=root, env=os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(Path(root))}).stdout
        for seed in range(3)
    }
    assert len(found) == 1


def test_numbers_of_own_addresses_outlast_what_is_held_by_them():
    """A finding of an address whose number was another's before: nothing of the other is charged to it."""
    told = {}
    spine = s.pipeline(lambda found: told.update({each.episode: each for each in found}))
    spine.inventory.slots.capacity = 4
    for n in (1, 2, 3):
        spine.feed(flows(*s.address_scan(15, src=f"198.51.100.{n}")))
    for hour in range(1, 14):
        spine.feed(flows(ask(3600 * hour, OUT, 443, src="198.51.100.1")))
    assert spine.inventory.slots.freed == 2
    spine.feed(flows(*[ask(50_000 + k, host(100 + k), 8443, src=f"198.51.100.{4 + k % 2}") for k in range(38)]))
    spine.flush()
    assert told == {}
    assert spine.inventory.slots.refused == 0
