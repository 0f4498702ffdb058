"""The engine over days: nothing grows that nobody needs, and time alone brings what is due."""

from abusewatch.detect.engine import Engine
from abusewatch.windows.panes import SECOND
from tests import scenarios as s
from tests.flows import T0, flows


def spine(told):
    return s.pipeline(told.extend)


def test_rows_of_those_who_fired_once_are_not_held_for_ever():
    told = []
    line = spine(told)
    line.feed(flows(*s.address_scan(40)))
    for minute in range(1, 120):
        line.feed(flows(*s.both(s.session(60 * minute + k, s.host(k), 8443) for k in range(20))))
    held = line.decider.engine._held["address-scan"]
    assert sum(len(rows["group"]) for _, rows in held.parts) < 300
    assert not line.decider.engine._grown


def test_an_attack_is_told_when_its_time_has_come_though_nobody_sends_any_more():
    told = []
    line = spine(told)
    line.feed(flows(*s.address_scan(30)))
    assert told == []
    line.advance((T0 + 100) * SECOND)
    assert {each.finding.rule for each in told} == {"address-scan"}
    line.advance((T0 + 200) * SECOND)
    assert told[-1].finding.targets == 30


def test_after_the_last_pane_nothing_is_left():
    told = []
    line = spine(told)
    line.feed(flows(*s.address_scan(30), *s.udp_flood(9000)))
    line.flush()
    assert told
    assert not line.decider.engine.waits
    assert not line.decider.engine.episodes._open
    assert sum(runner.window.size for runner in line.decider.engine._runners) == 0
    again = len(told)
    line.feed(flows(*s.address_scan(30)))
    line.flush()
    assert told[again:]


def test_an_episode_ends_by_itself():
    told = []
    line = spine(told)
    line.feed(flows(*s.udp_flood(9000)))
    line.advance((T0 + 60) * SECOND)
    assert line.decider.engine.episodes._open
    line.feed(flows(s.ask(8000, s.host(1), 443)))
    line.advance((T0 + 8100) * SECOND)
    assert not line.decider.engine.episodes._open


def test_sandbox_rules_do_not_run():
    assert Engine((), s.inventory()).rules == ()
    assert all(rule.status != "sandbox" for rule in s.pipeline(print).decider.engine.rules)


def test_rules_in_another_order_find_the_same():
    lines = [*s.address_scan(60), *s.login_attack(30), *s.udp_flood(9000)]
    backwards = tuple(reversed(s.shipped()))
    assert s.as_bytes(s.detections(*lines, rules=backwards)) == s.as_bytes(s.detections(*lines))


def test_what_windows_shed_is_counted_over_a_restart_of_the_clock():
    line = spine([])
    line.feed(flows(*[s.ask(k / 5000, s.host(1), 1000 + k % 60_000, sport=1024 + k % 60_000) for k in range(9000)]))
    line.advance((T0 + 60) * SECOND)
    shed = line.decider.engine.shed_rows
    assert shed > 0
    line.flush()
    assert line.decider.engine.shed_rows >= shed
