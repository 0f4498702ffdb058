"""Watching one rule over one address: what it takes, why not the rest, and the window that came nearest."""

import pytest

from tests import scenarios as s
from tests.detect.explaining import account
from tests.flows import T0, flows


def test_a_near_miss_says_how_near():
    found = account("address-scan", *s.address_scan(17))
    assert (found.verdict, found.seen, found.matched) == ("near", 17, 17)
    assert [clause.words for clause in found.best.clauses] == ["failed 17 of 20 (85 %)", "holds", "holds"]
    assert found.gate == "failed 17, needs 20"
    assert found.best.near == 0.85
    assert found.best.rows == 17
    assert found.best.frames == (1, 17)
    assert found.best.group == {"src": s.OWN, "dst_port": "8443"}
    assert sum(count for _, count in found.best.panes) == 17


def test_the_window_that_came_nearest_is_told_and_not_the_last():
    """Fifteen a minute apart from eight: the five minutes with the fifteen count."""
    later = [s.ask(1000 + k, s.host(100 + k), 8443) for k in range(8)]
    found = account("address-scan", *s.address_scan(15), *later)
    assert found.best.measures["failed"] == 15
    assert found.best.last_us == (T0 + 14) * 1_000_000


def test_what_fired_has_its_first_and_its_furthest_window():
    found = account("address-scan", *s.address_scan(40))
    assert found.verdict == "fired"
    assert found.first.measures["failed"] <= found.best.measures["failed"] == 40
    assert found.findings[0].measures == {"failed": 40, "hosts": 40, "equals": 0, "span_minutes": pytest.approx(found.best.measures["span_minutes"], abs=1e-4)}
    assert found.best.filled.startswith("40 >= 20 and 40 / 40 >= 0.75")


def test_rows_are_counted_by_the_first_part_they_fail():
    lines = [*s.address_scan(5), *s.sip_scan(7), f"1 1 {s.OUT}:999 {s.OWN}:80 tcp 1 60 S"]
    found = account("address-scan", *lines)
    assert found.failed == {"protocol = tcp": 7, "initiator": 1}
    assert (found.seen, found.matched) == (13, 5)


def test_words_of_the_author_are_kept():
    assert account("smtp-spam", *s.address_scan(3)).failed == {
        "initiator and dst_port in (25, 465, 587) or not initiator and dst_port = 25 and outcome = answered and packets >= 8": 3
    }


def test_sampled_rows_say_who_judges_them():
    batch = flows(*s.address_scan(30))
    sampled = batch.with_columns(sampling_rate=batch.sampling_rate * 0 + 10)
    found = account("address-scan", batch=sampled)
    assert found.verdict == "nothing"
    assert found.failed == {"not sampled (the rule is off for sampled records; address-scan-sampled judges those)": 30}
    assert account("address-scan-sampled", batch=sampled).verdict == "fired"


def test_what_a_sample_proves_stands_beside_what_it_makes_likely():
    batch = flows(*s.udp_flood(200))
    sampled = batch.with_columns(sampling_rate=batch.sampling_rate * 0 + 20)
    best = account("udp-flood", batch=sampled).best
    assert best.estimates["pps"] == pytest.approx(400)
    assert best.measures["pps"] < 400
    assert best.sampling_rate == 20


def test_a_gate_that_opened_is_not_spoken_of():
    assert account("ssh-login-attack", *s.ssh_login_attack(40)).gate == ""


def test_a_key_that_names_the_other_end():
    found = account("carpet-flood", *s.carpet_flood(8000))
    assert found.best.group == {"own": s.OWN, "net(peer, 24, 48)": s.host(0)}
