"""How a rule of a running engine stands: what its window holds, and nothing changed by looking."""

import pytest

from abusewatch.detect import standing as module
from abusewatch.detect.explain import FIRED, NEAR, NOTHING, OFF, SILENCED
from abusewatch.detect.standing import standing
from abusewatch.model import address
from tests import scenarios as s
from tests.flows import T0, flows


def spine_after(*lines, roles=(), rules=None, told=None):
    spine = s.pipeline((told if told is not None else []).extend, roles=roles, rules=rules)
    spine.feed(flows(*lines))
    spine.advance((T0 + 90) * 1_000_000)
    return spine


def stands(spine, rule, offender=s.OWN):
    slot = spine.inventory.slots.find(*address.parse(offender))
    return standing(spine.decider.engine, spine.inventory, next(each for each in s.shipped() if each.id == rule), offender, slot)


def test_a_near_miss():
    found = stands(spine_after(*s.address_scan(17)), "address-scan")
    assert (found.verdict, found.matched, found.gate) == (NEAR, 17, "failed 17, needs 20")
    assert found.best.clauses[0].words == "failed 17 of 20 (85 %)"


def test_an_open_episode():
    found = stands(spine_after(*s.ssh_login_attack(40)), "ssh-login-attack")
    assert found.verdict == FIRED
    assert found.best.near == 1


def test_a_role():
    found = stands(spine_after(*s.address_scan(40), roles=["monitor"]), "address-scan")
    assert (found.verdict, found.because) == (SILENCED, "role monitor is excepted")


@pytest.mark.parametrize("offender", [s.OWN, "198.51.100.9"])
def test_of_who_did_nothing_of_the_kind_nothing_is_kept(offender):
    assert stands(spine_after(*s.address_scan(17)), "ssh-login-attack", offender).verdict == NOTHING


def test_a_rule_that_does_not_run():
    spine = spine_after(*s.address_scan(17), rules=s.shipped()[:1])
    assert stands(spine, "udp-flood").verdict == OFF


def test_looking_changes_nothing():
    told, looked = [], []
    plain, watched = spine_after(*s.address_scan(30), told=told), spine_after(*s.address_scan(30), told=looked)
    for rule in s.shipped():
        stands(watched, rule.id)
    more = flows(*[s.ask(100 + k, s.host(50 + k), 8443) for k in range(30)])
    for spine in (plain, watched):
        spine.feed(more)
        spine.flush()
    assert s.as_bytes(looked) == s.as_bytes(told)


def test_what_is_too_much_to_weigh_beside_the_work_is_said(monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 10)
    found = stands(spine_after(*s.address_scan(17)), "address-scan")
    assert (found.verdict, found.best) == (NEAR, None)
    assert "17 rows" in found.because
