"""Metric names follow the rules, personal data has no label, and the log says things once, in one line."""

import io
import json
import re
import subprocess

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from abusewatch import telemetry as subject
from abusewatch.incidents import lifecycle
from abusewatch.outbox import states
from abusewatch.telemetry import Meter, PersonalKeys, Telemetry, configure_log
from abusewatch.wire.errors import Reason

BASE_UNITS = ("_seconds", "_bytes", "_total", "_info", "_ratio")
PLAIN_GAUGES = {
    "abusewatch_ready",
    "abusewatch_breaker_open", "abusewatch_datagrams_waiting",
    "abusewatch_outbox_messages",
    "abusewatch_incidents_open",
}
PERSONAL_LABELS = {
    "offender",
    "target",
    "address",
    "ip",
    "customer",
    "recipient",
    "email",
    "exporter",
    "src",
    "dst",
    "prefix",
}


@pytest.fixture
def crowded() -> Telemetry:
    telemetry = Telemetry()
    for n in range(8):
        telemetry.declare_source(f"edge-{n}")
    for n in range(40):
        telemetry.declare_rule(f"rule-{n}", "stable")
    return telemetry


def families(telemetry: Telemetry):
    return list(text_string_to_metric_families(telemetry.exposition().decode()))


def test_every_name_has_the_prefix_and_a_base_unit(crowded):
    names = {
        sample.name for family in families(crowded) for sample in family.samples if not sample.name.endswith("_created")
    }
    assert len(names) > 25
    for name in names:
        assert re.fullmatch(r"abusewatch_[a-z0-9_]+", name)
        assert name.endswith(BASE_UNITS) or name in PLAIN_GAUGES, f"{name} has no base unit"
        assert not re.search(r"_(ms|millis|minutes|hours|kb|age)(_|$)", name)


def test_counters_end_in_total_and_gauges_do_not(crowded):
    for family in families(crowded):
        for sample in family.samples:
            assert sample.name.endswith(("_total", "_created")) == (
                family.type == "counter" or sample.name.endswith("_created")
            )


def test_no_label_can_hold_personal_data(crowded):
    labels = {label for family in families(crowded) for sample in family.samples for label in sample.labels}
    assert not labels & PERSONAL_LABELS


def test_series_stay_under_five_hundred_with_eight_sources_and_forty_rules(crowded):
    series = [sample for family in families(crowded) for sample in family.samples]
    assert len(series) <= 500


def test_series_exist_before_anything_happens():
    text = Telemetry().exposition().decode()
    assert 'abusewatch_rejected_total{reason="truncated"} 0.0' in text
    assert 'abusewatch_messages_total{audience="operator",state="sent"} 0.0' in text
    assert "abusewatch_leak_blocks_total 0.0" in text


def test_every_failure_counter_has_its_attempts(crowded):
    names = {sample.name for family in families(crowded) for sample in family.samples}
    for failure in ("smtp", "reload", "casework", "store"):
        assert f"abusewatch_{failure}_failures_total" in names
        assert f"abusewatch_{failure}_attempts_total" in names


def test_two_services_do_not_share_a_number():
    one, other = Telemetry(), Telemetry()
    one.reload_attempts.inc()
    assert other.registry.get_sample_value("abusewatch_reload_attempts_total") == 0


@pytest.mark.peer
@pytest.mark.needs("promtool")
def test_promtool_finds_nothing_to_say(crowded):
    ran = subprocess.run(["promtool", "check", "metrics"], input=crowded.exposition(), capture_output=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_meter_adds_only_what_is_new_and_survives_a_restart_of_the_total():
    telemetry = Telemetry()
    meter = Meter(telemetry.late)
    assert [meter.advance(total) for total in (5, 5, 9, 2)] == [5, 0, 4, 2]
    assert telemetry.registry.get_sample_value("abusewatch_late_records_total") == 11


def logged(*, personal: PersonalKeys | None = None, json_lines: bool = True, **values) -> str:
    stream = io.StringIO()
    configure_log(stream, json=json_lines, personal=personal)
    structlog.get_logger().info("incident opened", **values)
    return stream.getvalue()


def test_a_service_logs_json_with_time_and_level():
    line = json.loads(logged(incident="AW-2026-000001", offender="198.51.100.7"))
    assert line["event"] == "incident opened"
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")
    assert line["offender"] == "198.51.100.7"


def test_personal_keys_can_be_dropped():
    line = json.loads(
        logged(
            personal=PersonalKeys("drop"), offender="198.51.100.7", customer="C-1", recipient="a@b.example", rule="ssh"
        )
    )
    assert set(line) == {"event", "level", "timestamp", "rule"}


def test_pseudonyms_join_lines_and_name_nobody():
    processor = PersonalKeys("pseudonym", b"k" * 32)
    first, again, other = (
        processor(None, "info", {"offender": address})["offender"]
        for address in ("198.51.100.7", "198.51.100.7", "198.51.100.8")
    )
    assert first == again != other
    assert "198" not in first
    assert PersonalKeys("pseudonym", b"q" * 32)(None, "info", {"offender": "198.51.100.7"})["offender"] != first


def test_pseudonyms_without_a_key_are_refused():
    with pytest.raises(ValueError, match="key"):
        PersonalKeys("pseudonym")


@pytest.mark.parametrize("json_lines", [True, False])
def test_one_event_is_one_line_without_control_characters(json_lines):
    text = logged(json_lines=json_lines, customer="C-1\nfake\x1b[31m\u2028line")
    assert text.count("\n") == 1
    assert text.isascii()
    assert "\x1b" not in text


def test_closed_lists_are_those_of_the_stages():
    assert set(subject.REJECTS) == {reason.value for reason in Reason}
    assert set(subject.INCIDENT_STATES) == set(lifecycle.STATES)
    assert set(subject.MESSAGE_STATES) == set(states.STATES) - {"leased"} | {"blocked"}


def test_personal_keys_are_known_in_one_place():
    assert frozenset({"offender", "target", "address", "customer", "recipient"}) == subject.PERSONAL_KEYS
