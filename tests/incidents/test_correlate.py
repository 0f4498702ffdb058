"""One incident per customer and kind while it lasts, whatever the order and however often detections come."""

from itertools import count, permutations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.incidents import correlate, identity
from tests.cases import SECOND, T0, detection, detections, incident


def numbered():
    numbers = count(1)
    return lambda now_us: f"AW-2026-{next(numbers):06d}"


def apply(known, some, now_us=T0):
    """Correlate and keep, as pipeline and store do."""
    state = {i.id: i for i in known}
    state |= {c.incident.id: c.incident for c in correlate(known, some, now_us, numbered())}
    return list(state.values())


def test_two_rules_of_one_kind_and_customer_are_one_incident():
    one, two = detection(rule="a"), detection(rule="b", offender="198.51.100.8", severity="critical", basis="syn_only")
    (change,) = correlate([], [one, two], T0, numbered())
    assert change.before is None
    assert change.incident.id == "AW-2026-000001"
    assert change.incident.state == "open"
    assert change.incident.detections == (one, two)
    assert change.incident.severity == "critical"
    assert change.incident.basis == "handshake"  # the strongest of the two


def test_another_kind_or_customer_is_another_incident():
    some = [detection(), detection(kind="worm"), detection(customer="C-2", offender="198.51.100.9")]
    assert len(correlate([], some, T0, numbered())) == 3


def test_an_address_nobody_owns_stands_for_itself():
    assert identity(detection(customer=None)) == ("address:198.51.100.7", "login_attack")


def test_the_same_detection_again_changes_nothing():
    known = apply([], [detection()])
    assert correlate(known, [detection()], T0 + 1, numbered()) == []


def test_a_newer_version_of_an_episode_replaces_the_older():
    old, new = detection(), detection(["203.0.113.9", "203.0.113.10"], last_us=T0 + 400 * SECOND)
    (change,) = correlate(apply([], [old]), [new], T0 + 5, numbered())
    assert change.before == "open"
    assert change.incident.detections == (new,)
    assert change.incident.last_us == T0 + 400 * SECOND
    assert change.incident.opened_us == T0
    assert change.incident.updated_us == T0 + 5
    assert correlate([change.incident], [old], T0 + 6, numbered()) == []


def test_a_sighting_wakes_quiet_and_reopens_resolved_and_leaves_closed_alone():
    later = detection(last_us=T0 + 999 * SECOND)
    for state, after in (("quiet", "active"), ("resolved", "reopened"), ("active", "active")):
        (change,) = correlate([incident(state=state)], [later], T0, numbered())
        assert (change.before, change.incident.state) == (state, after)
    (change,) = correlate([incident(state="closed")], [later], T0, numbered())
    assert change.before is None


def test_marks_survive_a_sighting():
    (change,) = correlate([incident(notified_us=7)], [detection(last_us=T0 + 999 * SECOND)], T0, numbered())
    assert change.incident.notified_us == 7


@given(st.lists(detections(), min_size=1, max_size=5), st.data())
def test_order_and_repeats_do_not_matter(some, data):
    known = apply([], some)
    assert correlate(known, some, T0, numbered()) == []
    repeated = data.draw(st.permutations(some * 2))
    assert canonical(apply([], repeated)) == canonical(known)


def test_every_order_of_three_versions_ends_the_same():
    versions = [detection(["203.0.113.9"] * n, last_us=T0 + n * SECOND) for n in (1, 2, 3)]
    assert len({canonical(apply([], order)) for order in permutations(versions)}) == 1


def test_two_versions_that_reach_equally_far_do_not_depend_on_their_order():
    versions = [detection(severity="low", episode="e"), detection(severity="high", episode="e")]
    assert canonical(apply([], versions)) == canonical(apply([], versions[::-1]))


def canonical(some) -> bytes:
    """Compare incidents without their numbers and the order of their findings: those follow the order of arrival."""
    return msgspec.json.encode(
        sorted(
            (i.customer, i.kind, i.state, i.severity, i.basis, i.confidence, i.first_us, i.last_us, sorted(msgspec.json.encode(d).decode() for d in i.detections))
            for i in some
        )
    )
