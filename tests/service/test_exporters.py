"""The report on exporters: each by its address, each fault at the one whose fault it is, and who told the sampling rate."""

import socket

import pytest

from abusewatch.inventory import of_prefixes
from abusewatch.pipeline import Pipeline
from abusewatch.service.exporters import report, sampling
from abusewatch.service.feed import Feed
from abusewatch.service.intake import Intake
from abusewatch.sources.udp import UdpSettings, UdpSource
from abusewatch.telemetry import Telemetry
from abusewatch.wire.sequence import Account
from tests.service.test_intake import until
from tests.wire import exports_by_hand as wire


@pytest.fixture
def intake():
    source = UdpSource(UdpSettings(address="0.0.0.0", port=0, allow=("127.0.0.1", "127.0.0.2", "127.0.0.3"), ring_slots=64), "edge")
    made = Intake([Feed(source, 0, 0)], Pipeline((), of_prefixes(["198.51.100.0/24"]), lambda _: None), Telemetry())
    made.start()
    yield made
    made.stop(10)


def say(intake, sender, *datagrams):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((sender, 0))
        for datagram in datagrams:
            sock.sendto(datagram, ("127.0.0.1", intake.feeds[0].source.addresses[0][1]))


def test_each_exporter_with_what_became_of_its_datagrams(intake):
    flow = (wire.A, wire.B, 1, 2, 6, 1, 40, 0, 0, 0)
    say(intake, "127.0.0.1", wire.v5([flow, flow], sequence=10, sampling=100), wire.v5([flow], sequence=15, sampling=100))
    say(intake, "127.0.0.2", wire.v9(wire.fset(0, wire.template(256, *wire.V4)), sequence=4), wire.v9(wire.fset(300, bytes(24)), sequence=6), b"\0\x63")
    say(intake, "127.0.0.3", b"\0" * 30)
    say(intake, "127.0.0.4", b"never read")
    until(lambda: intake.feeds[0].source.counts().received == 7 and not intake.feeds[0].source.counts().waiting)
    (source,) = intake.ask(report).result(5)
    assert (source["received"], source["unlisted"], source["kernel_drops"]) == (7, 1, 0)
    assert [sender["address"] for sender in source["unlisted_senders"]] == ["127.0.0.4"]
    five, nine, other = source["exporters"]
    assert (five["address"], five["rejected"]) == ("127.0.0.1", {})
    (domain,) = five["domains"]
    assert (domain["version"], domain["records"], domain["lost"], domain["lost_unit"], domain["coverage"]) == ("netflow5", 3, 3, "records", 0.5)
    assert (domain["sampling_rates"], domain["sampling_told_by"]) == ([100], "the header")
    assert (nine["address"], nine["rejected"]) == ("127.0.0.2", {"missing_template": 1, "unknown_version": 1})
    (domain,) = nine["domains"]
    assert (domain["version"], domain["lost"], domain["lost_unit"], domain["templates"]) == ("netflow9", 1, "datagrams", 1)
    assert (domain["sets_waiting"], domain["sets_without_template"], domain["sampling_told_by"]) == (1, 1, "nobody")
    assert domain["clock_ahead_secs"] is not None
    assert other == {"address": "127.0.0.3", "rejected": {"unknown_version": 1}, "domains": []}


@pytest.mark.parametrize(("told", "configured", "expected"), [
    (Account(1, 9, 1, 1, 1, 0, 0, 0, 0, 0, 0), 0, ([], "nobody")),
    (Account(1, 9, 1, 1, 1, 0, 0, 0, 0, 0, 0), 50, ([50], "the configuration")),
    (Account(1, 9, 1, 1, 1, 0, 0, 0, 0, 7, 0, sampling_rates=(7, 9), sampling_told_by="element 34"), 50, ([7, 9], "element 34")),
    (Account(1, 10, 1, 1, 1, 0, 0, 0, 0, 0, 0, sampling_told_by="each record"), 50, ([], "each record")),
    (Account(1, 105, 1, 1, 1, 0, 0, 0, 0, 0, 0, sampling_rates=(0,), sampling_told_by="each sample"), 0, ([], "nobody")),
])  # fmt: skip
def test_who_told_the_sampling_rate(told, configured, expected):
    assert sampling(told, configured) == expected


def test_a_question_that_fails_is_answered_and_the_worker_goes_on(intake):
    with pytest.raises(ZeroDivisionError):
        intake.ask(lambda _: 1 / 0).result(5)
    assert intake.ask(len).result(5) == 1
