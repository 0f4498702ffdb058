"""Findings become incidents on disk; while the disk fails they wait, and none is lost or told twice."""

import sqlite3
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from abusewatch.cli.captures import expectation
from abusewatch.cli.inputs import Inputs
from abusewatch.cli.judge import judge
from abusewatch.config.assemble import rule_set
from abusewatch.incidents import correlate
from abusewatch.pipeline import Pipeline
from abusewatch.service.correlator import Correlator
from abusewatch.storage import MemoryStore
from abusewatch.telemetry import Telemetry


@pytest.fixture(scope="module")
def detection():
    from pathlib import Path

    folder = Path(__file__).resolve().parents[2] / "captures/ssh-login-attack"
    faults = []
    rules, _ = rule_set(None, (), faults)
    assert not faults
    (found,) = judge(Inputs([str(folder / "capture.pcap")]).batches(), rules, expectation(folder).inventory).detections
    return found


def value(telemetry, name, **labels):
    return telemetry.registry.get_sample_value(f"abusewatch_{name}_total", labels)


def test_a_finding_is_logged_again_at_each_step_of_the_ladder(detection):
    from structlog.testing import capture_logs

    sink = Correlator(MemoryStore(), Telemetry())
    with capture_logs() as logs:
        for n, times in enumerate((1, 2, 9, 10, 50, 99, 100, 1000, 1001)):
            sink([replace(detection, last_us=detection.last_us + n, finding=replace(detection.finding, packets=detection.finding.packets * times))])
    assert [(line["event"], line.get("times")) for line in logs if "finding" in line["event"]] == [
        ("finding", None), ("finding grew", 10), ("finding grew", 100), ("finding grew", 1000)
    ]  # fmt: skip


@pytest.mark.parametrize(("capture", "kind", "also"), [("telnet-worm", "worm", ("address_scan",)), ("slow-scan", "slow_scan", ())])
def test_rules_that_overlap_are_one_case_live_and_in_a_replay(capture, kind, also, root):
    """Live they fire one after the other and grow for a while, in a replay all at once at the end; both make one case of the same findings."""
    rules, _ = rule_set(None, (), [])
    expected, path = expectation(root / "captures" / capture), str(root / "captures" / capture / "capture.pcap")
    store = MemoryStore()
    pipeline = Pipeline(rules, expected.inventory, Correlator(store, Telemetry()))
    for batch in Inputs([path]).flows():
        for at in range(0, len(batch), 50):
            pipeline.feed(batch.take(slice(at, at + 50)))
    pipeline.flush()
    (live,) = store.open_incidents()
    ((replayed, _),) = correlate([], judge(Inputs([path]).flows(), rules, expected.inventory).detections, 0, lambda _: "AW-2026-000001")
    assert (live.kind, live.also) == (replayed.kind, replayed.also) == (kind, also)
    assert {d.episode: d for d in live.detections} == {d.episode: d for d in replayed.detections}


def test_an_update_is_no_second_finding_and_no_second_incident(detection):
    telemetry, store = Telemetry(), MemoryStore()
    sink = Correlator(store, telemetry)
    sink([detection])
    sink([replace(detection, last_us=detection.last_us + 1)])
    assert len(store.open_incidents()) == 1
    assert value(telemetry, "findings", rule="ssh-login-attack", status="stable") == 1
    assert value(telemetry, "incidents", kind="login_attack", state="open") == 1


def test_while_the_store_fails_findings_wait(detection):
    telemetry, store = Telemetry(), MemoryStore()
    broken = SimpleNamespace(open_incidents=store.open_incidents, next_id=store.next_id, save=fails)
    sink = Correlator(broken, telemetry)
    sink([detection])
    assert "disk is full" in sink.failing
    assert store.open_incidents() == []
    broken.save = store.save
    sink([replace(detection, last_us=detection.last_us + 1)])
    assert sink.failing == ""
    (incident,) = store.open_incidents()
    assert incident.last_us == detection.last_us + 1
    assert value(telemetry, "store_failures") == 1
    assert value(telemetry, "store_attempts") == 2


def fails(_changes):
    raise sqlite3.OperationalError("database or disk is full")


def test_what_the_policy_turns_down_is_counted_and_makes_no_case(detection):
    telemetry, store = Telemetry(), MemoryStore()
    sink = Correlator(store, telemetry, lambda _: "policy")
    sink([detection])
    assert store.open_incidents() == []
    assert value(telemetry, "findings", rule="ssh-login-attack", status="stable") == 1
    assert value(telemetry, "findings_silenced", by="policy") == 1
    sink.silenced_by = lambda _: ""
    sink([detection])
    assert len(store.open_incidents()) == 1
