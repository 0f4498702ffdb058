"""The flow side: everything that arrives is accounted for, a fault of ours costs a batch, silence lets time go on."""

import socket
import threading
import time
from functools import partial

import pytest
import structlog

from abusewatch.cli.captures import expectation
from abusewatch.cli.inputs import Inputs
from abusewatch.config.assemble import rule_set
from abusewatch.inventory import of_prefixes
from abusewatch.pipeline import Pipeline
from abusewatch.service import intake as module
from abusewatch.service.feed import Feed
from abusewatch.service.intake import Intake
from abusewatch.sources.encode import encode
from abusewatch.sources.export import send
from abusewatch.sources.tcp import TcpSettings, TcpSource
from abusewatch.sources.udp import UdpSettings, UdpSource
from abusewatch.telemetry import Telemetry
from tests.wire import exports_by_hand as wire


@pytest.fixture
def found():
    return []


@pytest.fixture
def pipeline(root, found):
    faults = []
    rules, _ = rule_set(None, (), faults)
    assert not faults
    return Pipeline(rules, expectation(root / "captures/ssh-login-attack").inventory, found.extend)


@pytest.fixture
def start():
    running = []

    def started(pipeline, *, sampling=0, allow=("127.0.0.1",), sources=1):
        feeds = [
            Feed(UdpSource(UdpSettings(port=0, allow=allow, ring_slots=1024), f"edge-{n}"), sampling, n)
            for n in range(sources)
        ]
        intake = Intake(feeds, pipeline, telemetry := Telemetry())
        intake.start()
        running.append(intake)
        return intake, telemetry

    yield started
    for intake in running:
        intake.stop(10)


def value(telemetry, name, **labels):
    return telemetry.registry.get_sample_value(f"abusewatch_{name}", labels)


def until(condition, seconds=10):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def port(intake, number=0):
    return intake.feeds[number].source.addresses[0][1]


def export(root, to, form="netflow9"):
    capture = root / "captures/ssh-login-attack/capture.pcap"
    return send(encode(Inputs([str(capture)]).batches(), form), ("127.0.0.1", to))


@pytest.mark.parametrize("sources", [1, 3])
def test_an_attack_is_found_and_every_datagram_accounted_for(start, pipeline, found, root, sources):
    intake, telemetry = start(pipeline, sources=sources)
    sent = export(root, port(intake, sources - 1))
    until(lambda: intake.feeds[-1].decoded == sent.datagrams)
    assert intake.stop(20)
    assert {detection.finding.rule for detection in found} == {"ssh-login-attack"}
    name = f"edge-{sources - 1}"
    assert value(telemetry, "datagrams_total", source=name, outcome="decoded") == sent.datagrams
    assert value(telemetry, "datagrams_total", source=name, outcome="rejected") == 0
    assert value(telemetry, "records_total", source=name) >= sent.records


def test_silence_lets_event_time_go_on(start, pipeline, found, root):
    intake, _ = start(pipeline)
    export(root, port(intake))
    until(lambda: found, seconds=60)


def test_nonsense_is_counted_by_reason(start, pipeline):
    intake, telemetry = start(pipeline)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for payload in (b"\0", b"\0\x63" + b"x" * 40, b"", b"\0\x05\0\x01"):
            sock.sendto(payload, ("127.0.0.1", port(intake)))
    until(lambda: intake.feeds[0].source.counts().received == 4)
    assert intake.stop(10)
    assert value(telemetry, "datagrams_total", source="edge-0", outcome="rejected") == 4
    assert (
        sum(
            value(telemetry, "rejected_total", reason=r)
            for r in ("empty", "truncated", "unknown_version", "bad_length")
        )
        == 4
    )


def test_an_unlisted_exporter_is_counted_and_not_read(start, pipeline, root):
    intake, telemetry = start(pipeline, allow=("192.0.2.1",))
    sent = export(root, port(intake))
    until(lambda: intake.feeds[0].source.counts().unlisted == sent.datagrams)
    assert intake.stop(10)
    assert value(telemetry, "datagrams_total", source="edge-0", outcome="unlisted") == sent.datagrams
    assert value(telemetry, "records_total", source="edge-0") == 0


def test_a_fault_of_ours_costs_a_batch_and_no_more(start, pipeline, root, monkeypatch):
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    intake, telemetry = start(pipeline)
    monkeypatch.setattr(pipeline, "feed", partial(divmod, 1, 0))
    sent = export(root, port(intake))
    until(lambda: intake.feeds[0].decoded == sent.datagrams)
    assert value(telemetry, "bugs_total", stage="detect") >= 1
    monkeypatch.undo()
    export(root, port(intake), "ipfix")  # the same octets again would be repeats
    until(lambda: pipeline.records >= sent.records)


def test_the_configured_rate_fills_in_for_a_silent_exporter(start, root):
    seen = []
    pipeline = Pipeline((), of_prefixes(["198.51.100.0/24"]), seen.extend)
    intake, _ = start(pipeline, sampling=512)
    batch = next(Inputs([str(root / "captures/ssh-login-attack/capture.pcap")]).batches())
    unknown = batch.with_columns(sampling_rate=batch.sampling_rate * 0)
    assert set(intake.feeds[0].completed(unknown).sampling_rate.tolist()) == {512}
    assert set(intake.feeds[0].completed(batch).sampling_rate.tolist()) == {1}


@pytest.mark.parametrize(("form", "tell", "sampling", "rate"), [
    ("netflow9", True, 0, 1), ("netflow9", False, 0, 0), ("netflow9", False, 1, 1), ("netflow5", False, 0, 1), ("sflow", False, 0, 0),
])  # fmt: skip
def test_a_finding_says_whether_its_exporter_told_how_it_samples(start, pipeline, found, root, form, tell, sampling, rate):
    intake, _ = start(pipeline, sampling=sampling)
    batches = Inputs([str(root / "captures/ssh-login-attack/capture.pcap")]).batches()
    silent = (batch.with_columns(sampling_rate=batch.sampling_rate * (1 if tell else 0)) for batch in batches)
    sent = send(encode(silent, form), ("127.0.0.1", port(intake)))
    until(lambda: intake.feeds[0].decoded == sent.datagrams)
    assert intake.stop(20)
    (finding,) = {detection.episode: detection.finding for detection in found}.values()
    assert (finding.rule, finding.sampling_rate) == ("ssh-login-attack", rate)
    assert finding.estimate.packets == finding.packets


def test_a_swap_happens_between_two_batches(start, pipeline, root):
    intake, _ = start(pipeline)
    other = Pipeline((), of_prefixes(["198.51.100.0/24"]), lambda _: None)
    intake.swap(lambda _: other)
    until(lambda: intake._pipeline is other)
    sent = export(root, port(intake))
    until(lambda: other.records >= sent.records)


def test_a_question_is_answered_between_two_batches(start, pipeline, root):
    intake, _ = start(pipeline)
    assert intake.look(lambda spine: spine.records).result(5) == 0
    export(root, port(intake))
    until(lambda: pipeline.records)
    assert intake.look(lambda spine: threading.current_thread().name).result(5) == "detect"


def test_a_question_that_fails_or_is_withdrawn_costs_nobody_else(start, pipeline):
    intake, _ = start(pipeline)
    with pytest.raises(ZeroDivisionError):
        intake.look(lambda _: 1 // 0).result(5)
    held = threading.Event()
    intake.look(lambda _: held.wait(5))
    assert intake.look(lambda _: 1).cancel()
    held.set()
    assert intake.look(lambda _: 2).result(5) == 2


def test_only_so_many_questions_wait(start, pipeline, monkeypatch):
    monkeypatch.setattr(module, "MOST_QUESTIONS", 0)
    intake, _ = start(pipeline)
    with pytest.raises(RuntimeError, match="too many questions"):
        intake.look(lambda _: 1)


def test_a_port_that_is_taken_leaves_nothing_open(pipeline):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        first = UdpSource(UdpSettings(port=0, allow=("127.0.0.1",), ring_slots=64), "first")
        second = UdpSource(UdpSettings(port=other.getsockname()[1], ring_slots=64), "second")
        intake = Intake([Feed(first, 0, 0), Feed(second, 0, 1)], pipeline, Telemetry())
        with pytest.raises(OSError, match="in use"):
            intake.start()
        assert first.addresses == ()


def test_ipfix_sessions_over_tcp_are_heard_and_their_templates_end_with_them(pipeline, root, found):
    source = TcpSource(TcpSettings("127.0.0.1", 0, ("127.0.0.1",)), "session")
    intake = Intake([Feed(source, 0, 0)], pipeline, Telemetry())
    intake.start()
    try:
        messages = [d.payload for d in encode(Inputs([str(root / "captures/ssh-login-attack/capture.pcap")]).batches(), "ipfix")]
        with socket.create_connection(source.addresses[0], 5) as connection:
            connection.sendall(b"".join(messages))
        until(lambda: intake.feeds[0].records >= 300)
        with socket.create_connection(source.addresses[0], 5) as connection:
            connection.sendall(messages[1])  # data whose template the first session told
            until(lambda: intake.feeds[0].decoder.accounts and any(a.missing_templates for a in intake.feeds[0].decoder.accounts))
    finally:
        intake.stop(10)
    assert {d.finding.rule for d in found} == {"ssh-login-attack"}


@pytest.fixture
def exporters(pipeline):
    """Two exporters of one source, as far as they can be told apart on one machine: by their addresses."""
    source = UdpSource(UdpSettings("0.0.0.0", 0, allow=("127.0.0.1", "127.0.0.2"), ring_slots=1024), "edge")
    intake = Intake([Feed(source, 0, 0)], pipeline, Telemetry())
    intake.start()

    def say(sender, datagrams):
        before = intake.feeds[0].decoded
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((sender, 0))
            for datagram in datagrams:
                sock.sendto(datagram, ("127.0.0.1", source.addresses[0][1]))
        until(lambda: intake.feeds[0].decoded == before + len(datagrams))

    yield intake, say
    intake.stop(10)


def bystander(seconds, sequence):
    """A NetFlow v5 datagram of an exporter that has nothing to do with the attack."""
    return wire.v5([("192.0.2.77", "192.0.2.78", 1, 2, 17, 1, 40, 99_000, 99_000, 0)] * 10, sequence=sequence, seconds=seconds)


@pytest.mark.parametrize(("loses", "expected"), [
    ("nobody", 1.0),
    ("the other exporter", 1.0),
    ("the same exporter an hour before", 1.0),
    ("the same exporter", pytest.approx(0.9, abs=0.06)),
])  # fmt: skip
def test_a_finding_claims_the_coverage_of_its_own_exporters_in_its_own_time(exporters, found, root, loses, expected):
    intake, say = exporters
    datagrams = [d.payload for d in encode(Inputs([str(root / "captures/ssh-login-attack/capture.pcap")]).batches(), "netflow9")]
    begin = int.from_bytes(datagrams[0][8:12], "big")
    if loses == "the same exporter an hour before":
        say("127.0.0.1", [bystander(begin - 3_600, 0), bystander(begin - 3_600, 500)])
    if loses == "the other exporter":
        say("127.0.0.2", [bystander(begin, 0)])
        say("127.0.0.2", [bystander(begin + 20, 500)])
    if loses == "the same exporter":
        datagrams = [datagram for n, datagram in enumerate(datagrams) if n % 10 != 5]
    say("127.0.0.1", datagrams)
    assert intake.stop(20)
    assert [d.finding.coverage for d in found if d.finding.rule == "ssh-login-attack"][-1] == expected
    lost = intake.feeds[0].decoder.totals.lost
    assert lost == {"nobody": 0, "the same exporter": len(datagrams) // 9}.get(loses, 490)
    assert value(intake._telemetry, "exporter_lost_total", source="edge") == lost
    assert value(intake._telemetry, "exporters", source="edge") == (2 if loses == "the other exporter" else 1)


def test_what_windows_and_slots_gave_up_is_counted(start, pipeline):
    _, telemetry = start(pipeline)
    assert value(telemetry, "shed_total", table="windows") == value(telemetry, "shed_total", table="slots") == 0
    pipeline.inventory.slots.refused = 7
    pipeline.decider.engine._runners[0].window.choice.shed_rows = 3
    until(lambda: value(telemetry, "shed_total", table="slots") == 7)
    assert value(telemetry, "shed_total", table="windows") == 3
