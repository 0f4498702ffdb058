"""Hostile and unlucky inputs, with numbers: a spray hides nobody, forged sources charge nobody, and no clock or exporter that errs invents an attack."""

import time

import numpy as np
import pytest

from abusewatch.detect import choice, runner, window
from abusewatch.inventory import of_prefixes
from abusewatch.model import address
from abusewatch.model.flow import batch_of, concat
from abusewatch.pipeline import Pipeline
from abusewatch.service.feed import Feed
from abusewatch.service.intake import Intake
from abusewatch.sources.encode import encode
from abusewatch.sources.export import send
from abusewatch.sources.udp import UdpSettings, UdpSource
from abusewatch.telemetry import Telemetry
from abusewatch.windows.panes import Panes
from tests import scenarios as s
from tests.flows import T0, flows
from tests.scenarios import OUT, OWN, ask, detections, host, rules_of
from tests.test_pipeline import mixture

SPRAYED = 1_000_000
SCANNERS = 40
V4 = np.uint64(0xFFFF_0000_0000)
advance = Panes.advance


def number(text):
    return np.uint64(address.parse(text)[1])


def spray(n, secs, seed=1):
    """One customer sends bare SYN to addresses and ports at random."""
    random = np.random.default_rng(seed)
    at = np.sort(random.integers(T0 * 1_000_000, (T0 + secs) * 1_000_000, n))
    return batch_of(
        n, 4, start_us=at, end_us=at, src_lo=np.full(n, number("198.51.100.66")), dst_lo=V4 | random.integers(2**24, 2**31, n).astype(np.uint64),
        src_port=random.integers(1024, 65_535, n), dst_port=random.integers(1, 65_535, n), protocol=np.full(n, 6), bytes=np.full(n, 60), flags=np.full(n, 2),
    )  # fmt: skip


def scans(secs):
    """Forty other customers scan thirty hosts each in the same minute."""
    lines = [ask(round(k * secs / 30 + n / 100, 3), host(7 * n + k), 8443, src=f"198.51.100.{100 + n}") for n in range(SCANNERS) for k in range(30)]
    return flows(*lines)


def whole_net(sink, **settings):
    return Pipeline(s.shipped(), of_prefixes(["198.51.100.0/24"]), sink, **settings)


def in_time(batch):
    return batch.take(np.argsort(batch.end_us, kind="stable"))


def fed(spine, batch, size=20_000):
    for begin in range(0, len(batch), size):
        spine.feed(batch.take(slice(begin, begin + size)))
    spine.flush()


def test_a_spray_of_a_million_flows_hides_no_scan_beside_it():
    told = {}
    spine = whole_net(lambda found: told.update({each.episode: each.finding for each in found}))
    fed(spine, in_time(concat([spray(SPRAYED, 60), scans(60)])))
    found = {each.offender for each in told.values() if each.kind == "address_scan"}
    recall = len([n for n in range(SCANNERS) if f"198.51.100.{100 + n}" in found]) / SCANNERS
    assert recall >= 0.95
    assert {each.offender for each in told.values()} <= {"198.51.100.66", *(f"198.51.100.{100 + n}" for n in range(SCANNERS))}
    assert spine.decider.conversations.levels.thinned + spine.decider.engine.shed_rows > 0, "nothing was shed: this was no spray"


def test_the_same_spray_alone_accuses_the_sprayer_only():
    told = {}
    fed(whole_net(lambda found: told.update({each.episode: each.finding for each in found})), spray(200_000, 20))
    assert {each.offender for each in told.values()} <= {"198.51.100.66"}


def test_forged_sources_of_ours_from_outside_are_charged_to_nobody_who_sends():
    """Backscatter: somebody forges our addresses; what comes in answers questions that we never asked."""
    lines = [f"{k / 50:.2f} {k / 50:.2f} {host(k)}:80 198.51.100.{1 + k % 14}:{1024 + k} tcp 1 44 SA" for k in range(3000)]
    resets = [f"{k / 50 + 0.001:.3f} {k / 50 + 0.001:.3f} 198.51.100.{1 + k % 14}:{1024 + k} {host(k)}:80 tcp 1 40 R" for k in range(3000)]
    assert rules_of(detections(*lines, *resets)) == []
    assert rules_of(detections(*lines)) == []


def test_a_flow_of_22_hours_told_at_once_makes_no_spike():
    hours = 22 * 3600
    calm = f"0 {hours} {OWN}:4444 {OUT}:9999 udp 7900000 5000000000 ."  # a hundred packets a second
    assert rules_of(detections(calm)) == []
    fierce = f"0 {hours} {OWN}:4444 {OUT}:9999 udp 79000000 5000000000 ."  # a thousand
    assert rules_of(detections(fierce)) == ["udp-flood"]


def test_late_records_are_counted_and_make_no_burst():
    spine = s.pipeline(lambda _: None)
    punctual = [ask(k, OUT, 443) for k in range(0, 600, 5)]
    spine.feed(flows(*punctual))
    before = spine.panes.late_rows
    spine.feed(flows(*s.address_scan(60)))
    told = []
    spine._sink = told.extend
    spine.flush()
    assert spine.panes.late_rows - before == 60
    assert rules_of(told) == []


def test_an_exporter_whose_clock_is_behind_invents_nothing_and_hides_nobody():
    """Ten seconds behind is within the lateness: the scan by the other is found as if alone. An hour behind is late, and counted."""
    scan = flows(*s.address_scan(40))
    other = flows(*[ask(k + 0.5, OUT, 443, src="198.51.100.20") for k in range(60)])
    for behind_secs, late in ((8, False), (3600, True)):
        skewed = other.with_columns(start_us=other.start_us - behind_secs * 1_000_000, end_us=other.end_us - behind_secs * 1_000_000)
        both = concat([scan, skewed]).take(np.argsort(np.concatenate((scan.end_us, other.end_us)), kind="stable"))
        told = {}
        spine = s.pipeline(lambda found, told=told: told.update({each.episode: each for each in found}))
        for n in range(len(both)):
            spine.feed(both.take(slice(n, n + 1)))
        spine.flush()
        assert rules_of(told.values()) == ["address-scan"]
        assert next(iter(told.values())).finding.targets == 40
        assert (spine.panes.late_rows > 0) == late


def test_an_exporter_whose_clock_is_ahead_by_a_day_is_the_one_that_is_believed():
    """Written down, not wished: one record from tomorrow closes today, and what is punctual is late until then. The decoder refuses such clocks."""
    spine = s.pipeline(lambda _: None)
    spine.feed(flows(ask(86_400, OUT, 443)))
    spine.feed(flows(*s.address_scan(40)))
    assert spine.panes.late_rows == 40


def test_what_two_routers_export_counts_once():
    batch = flows(*s.udp_flood(1800))  # twice it would be a flood
    first = batch.with_columns(exporter=np.full(len(batch), 1, np.uint32))
    second = batch.with_columns(exporter=np.full(len(batch), 2, np.uint32))
    assert rules_of(detections(batch=concat([first, second]))) == []
    enough = flows(*s.udp_flood(3600))
    assert rules_of(detections(batch=enough)) == ["udp-flood"]


PERMUTATIONS = [(1, 0), (3, 1), (17, 2), (100, 3), (999, 4), (4096, 5), (20_000, 6), (100_000, 7), (50, 8), (100_000, 9)]


@pytest.fixture(scope="module")
def expected():
    return s.as_bytes(detections(batch=mixture()))


@pytest.mark.parametrize(("size", "seed"), PERMUTATIONS)
def test_ten_orders_and_sizes_find_the_same_to_the_byte(expected, size, seed):
    """Each record up to nine seconds late, which the lateness of ten allows."""
    batch = mixture()
    jitter = np.random.default_rng(seed).integers(0, 9_000_000, len(batch)) if seed else np.zeros(len(batch), np.int64)
    order = np.argsort(batch.end_us + jitter, kind="stable")
    if size == 1:
        order, expected = order[:1500], s.as_bytes(detections(batch=batch.take(order[:1500])))
    assert s.as_bytes(detections(batch=batch, order=order, size=size)) == expected


@pytest.mark.parametrize("form", ["netflow9", "ipfix"])
def test_live_over_udp_finds_what_a_replay_finds(form):
    """The mixture in whole milliseconds and without frame numbers, which exports do not have."""
    batch = mixture()
    batch = batch.with_columns(start_us=batch.start_us // 1000 * 1000, end_us=batch.end_us // 1000 * 1000, frame=np.zeros(len(batch), np.int64))
    replayed = s.as_bytes(detections(batch=batch))
    told = {}
    spine = s.pipeline(lambda found: told.update({each.episode: each for each in found}))
    source = UdpSource(UdpSettings(port=0, allow=("127.0.0.1",), ring_slots=4096), "edge")
    intake = Intake([Feed(source, 0, 0)], spine, Telemetry())
    intake.start()
    try:
        sent = send(encode([batch], form), ("127.0.0.1", source.addresses[0][1]))
        give_up = time.monotonic() + 30
        while spine.records < len(batch) and time.monotonic() < give_up:
            time.sleep(0.02)
    finally:
        intake.stop(20)
    assert sent.records == spine.records == len(batch)
    assert s.as_bytes(told.values()) == replayed


def crowd():
    """A spray, with scans and floods of others in it."""
    return in_time(concat([spray(100_000, 10), scans(10), flows(*s.udp_flood(9000)), flows(*s.http_flood(500)), flows(*s.half_open(900))]))


def found_in(batch, size, *, jitter=0, row_budget=400_000):
    """The findings by rule and offender, each as bytes, and the line that made them."""
    told = {}
    spine = whole_net(lambda found: told.update({each.episode: each for each in found}))
    spine.panes.row_budget = row_budget
    late = np.random.default_rng(jitter).integers(0, 9_000_000, len(batch)) if jitter else 0
    fed(spine, batch.take(np.argsort(batch.end_us + late, kind="stable")), size)
    return {(each.finding.rule, each.finding.offender): s.as_bytes([each]) for each in told.values()}, spine


@pytest.mark.parametrize(("size", "jitter"), [(1000, 1), (7000, 2), (200_000, 3)])
def test_what_is_shed_is_the_same_in_any_order(size, jitter):
    """Levels and windows shed by hash, at the close of whole panes: their overflow changes no byte."""
    batch = crowd()
    expected, plain = found_in(batch, 20_000)
    found, spine = found_in(batch, size, jitter=jitter)
    assert spine.decider.conversations.levels.thinned == plain.decider.conversations.levels.thinned > 0
    assert spine.decider.engine.shed_rows == plain.decider.engine.shed_rows > 0
    assert found == expected


def test_panes_that_close_in_parts_find_the_same_offenders():
    """Over its row budget a pane closes early, with what has come by then: who is found stays, the numbers of a finding may hang on the order of arrival."""
    batch = crowd()
    runs = [found_in(batch, size, jitter=jitter, row_budget=20_000) for size, jitter in ((1000, 0), (7000, 1), (20_000, 2))]
    assert all(spine.panes.split_panes > 0 for _, spine in runs)
    assert len({frozenset(found) for found, _ in runs}) == 1


def closed_in_parts():
    """Whom scans are told of before the end, in a stream of a thousand records a second where each pane closes in five parts and nothing is left of it then."""
    told = {}
    spine = whole_net(lambda found: told.update({each.episode: each.finding for each in found}))
    spine.panes.row_budget = 999
    batch = in_time(concat([spray(58_800, 60), scans(60)]))
    even = T0 * 1_000_000 + np.arange(len(batch)) * 1_000
    batch = batch.with_columns(start_us=even, end_us=even)
    for begin in range(0, len(batch), 100):
        spine.feed(batch.take(slice(begin, begin + 100)))
    assert spine.panes.split_panes == len(batch) / 1_000
    return {finding.offender for finding in told.values()}


def test_outcomes_are_known_in_time_while_panes_close_in_parts(monkeypatch):
    """Who gets no answer has ended nothing: only time decides his conversations, which a pane asks for when it ends, not in its parts."""
    assert len(closed_in_parts()) > SCANNERS / 2
    monkeypatch.setattr(Panes, "advance", lambda panes, watermark_us: (panes._parted.clear(), advance(panes, watermark_us))[1])
    assert not closed_in_parts(), "the control: panes that do not end"


def clients():
    """Sixty machines with two hundred hosts each that answer; twenty of them ask twenty-five more that do not, which is known when those have been waited for."""
    lines = []
    for k in range(60):
        src = f"198.51.100.{16 + k}" if k < 16 else f"[2001:db8:42:{k:x}::1]"
        to = host if k < 16 else "[2001:db8:ff::{:x}]".format
        lines += [line for n in range(200) for line in s.session(n / 25, to(n), 443, src=src, sport=20_000 + n, seconds=1.0)]
        lines += [ask(9 + n / 50, to(1_000 + n), 443, src=src, sport=40_000 + n) for n in range(25 * (k % 3 == 0))]
    return lines


def test_nobody_is_accused_for_want_of_room(monkeypatch):
    """Answered conversations come first and are thinned, the unanswered come together later: what is left of the former still speaks for its sender."""
    monkeypatch.setattr(window, "ROW_BUDGET", 1 << 10)
    monkeypatch.setattr(window, "QUIET_PART", 16)
    found = detections(*clients())
    assert "address-scan" not in rules_of(found)
    monkeypatch.setattr(runner, "_fair", lambda *_: None)
    monkeypatch.setattr(choice.Choice, "known", lambda _, group, weight: np.ones(len(group), np.bool_))
    assert "address-scan" in rules_of(detections(*clients())), "the control: it is these two that keep it from happening"
