"""A captured interface in the daemon: its packets are flows, what is lost is known everywhere, and silence ends what is open."""

import time

import pytest

from abusewatch.inventory import of_prefixes
from abusewatch.model.flow import batch_of
from abusewatch.pipeline import Pipeline
from abusewatch.service import captured
from abusewatch.service.exporters import report
from abusewatch.service.feed import Feed
from abusewatch.service.intake import Intake
from abusewatch.sources.live.feed import Counts, message
from abusewatch.sources.live.source import CaptureSettings, CaptureSource
from abusewatch.telemetry import Telemetry
from tests.sources.live.test_feed import packets
from tests.sources.live.test_source import PARTIAL, helper, until


@pytest.fixture
def intake(tmp_path):
    source = CaptureSource(CaptureSettings("eth0", tmp_path / "eth0.sock"), "mirror")
    made = Intake([Feed(source, 0, 0)], Pipeline((), of_prefixes(["198.51.100.0/24"]), lambda _: None), Telemetry())
    made.start()
    yield made
    made.stop(10)


def value(intake, name, **labels):
    return intake._telemetry.registry.get_sample_value(f"abusewatch_{name}", {"source": "mirror"} | labels)


def say(intake, *messages):
    source = intake.feeds[0].source
    with helper(source) as sock:
        for counts, rows in messages:
            sock.send(message("eth0", counts, rows))
        until(lambda: source.counts().captured >= messages[-1][0].captured and not source.waiting)
        time.sleep(0.2)


def test_what_is_told_and_lost_is_in_metrics_status_and_sources(intake):
    say(intake, (Counts(40, 0, 0, PARTIAL), packets(40)), (Counts(40, 7, 5, (2, *PARTIAL[1:])), batch_of(0)))
    assert intake.stop(10)
    assert value(intake, "captured_packets_total") == 40
    assert (value(intake, "captured_packets_lost_total", where="ring"), value(intake, "captured_packets_lost_total", where="feed")) == (7, 5)
    assert (value(intake, "captured_packets_partial_total"), value(intake, "capture_helpers_total")) == (2, 1)
    feed = intake.feeds[0]
    assert feed.records == value(intake, "records_total") > 0
    shown = captured.status(feed)
    assert (shown["received"], shown["lost"], shown["ring_lost"], shown["feed_lost"]) == (40, 12, 7, 5)
    (told,) = report([feed])
    assert (told["type"], told["received"], told["kernel_drops"], told["exporters"]) == ("capture", 40, 7, [])


def test_packets_are_metered_and_silence_ends_the_flows(intake, monkeypatch):
    monkeypatch.setattr(captured, "IDLE_SECS", 0.1)
    one = packets(1)
    say(intake, *((Counts(10 * n, 0, 0, PARTIAL), one.take([0] * 10)) for n in range(1, 6)))
    until(lambda: intake.feeds[0].records)
    time.sleep(0.3)
    assert intake.feeds[0].records == 1
    assert intake._pipeline.records == 1


def test_losses_lower_the_coverage_of_that_time(intake):
    rows = packets(30)
    say(intake, (Counts(30, 0, 0, PARTIAL), rows), (Counts(60, 60, 0, PARTIAL), rows))
    assert intake.stop(10)
    assert intake.coverage([0], int(rows.start_us.min()), int(rows.start_us.max())) == 0.5
    assert intake._exporter_name(0) == "eth0"


def test_that_nobody_captures_is_a_trouble(intake, monkeypatch):
    assert intake.troubles == []
    monkeypatch.setattr("abusewatch.sources.live.source.AWAY_SECS", -1.0)
    assert "no capture helper for eth0" in intake.troubles[0]
