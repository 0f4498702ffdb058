"""One incident per customer and kind, and per act, while it lasts, whatever the order and however often detections come."""

from itertools import count, permutations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from abusewatch.incidents import correlate, owner
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
    some = [
        detection(),
        detection(["203.0.113.77"], kind="udp_flood", protocol="udp"),
        detection(customer="C-2", offender="198.51.100.9"),
    ]
    assert len(correlate([], some, T0, numbered())) == 3


def test_an_address_nobody_owns_stands_for_itself():
    assert owner(detection(customer=None)) == "address:198.51.100.7"
    assert owner(detection()) == "C-1042"


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


HOSTS = [f"203.0.113.{n}" for n in range(1, 41)]


def scan(hosts=tuple(HOSTS), **changes):
    return detection(hosts, **{"kind": "address_scan", "rule": "address-scan", "severity": "medium"} | changes)


def worm(hosts=tuple(HOSTS), **changes):
    return detection(hosts, **{"kind": "worm", "rule": "telnet-worm"} | changes)


def test_rules_that_overlap_are_one_incident_under_the_strongest_claim():
    for order in permutations([scan(), worm(), detection(HOSTS[:25])]):
        (change,) = correlate([], order, T0, numbered())
        one = change.incident
        assert (one.kind, one.also, one.severity) == ("worm", ("login_attack", "address_scan"), "high")
        assert len(one.detections) == 3


def test_two_things_done_at_once_stay_two_incidents():
    guess, flood = (
        detection(["203.0.113.9"]),
        detection(["192.0.2.53"], kind="udp_flood", rule="udp-flood", protocol="udp"),
    )
    assert len(apply([], [guess, flood])) == 2
    other_machine = worm(offender="198.51.100.8")
    assert len(apply([], [detection(HOSTS), other_machine])) == 2


def test_a_stronger_claim_that_comes_later_joins_the_case_that_was_told():
    told = incident(scan(), state="active", notified_us=T0 + 1)
    (change,) = correlate([told], [worm(last_us=T0 + 400 * SECOND)], T0 + 400 * SECOND, numbered())
    assert (change.incident.id, change.before) == (told.id, "active")
    assert (change.incident.kind, change.incident.also, change.incident.notified_us) == (
        "worm",
        ("address_scan",),
        T0 + 1,
    )
    assert correlate([change.incident], [worm(last_us=T0 + 400 * SECOND)], T0 + 500 * SECOND, numbered()) == []


def test_what_shows_later_to_be_one_act_becomes_one_case():
    """Both were opened when their findings had nothing in common yet; the one that was told first goes on."""
    first = incident(scan(HOSTS[:10]), ident="AW-2026-000007", opened_us=T0, state="active", notified_us=T0 + 9)
    second = incident(worm(HOSTS[20:]), ident="AW-2026-000008", opened_us=T0 + 5, state="active", notified_us=T0 + 7)
    grown = scan(HOSTS, last_us=T0 + 600 * SECOND)
    kept, gone = correlate([first, second], [grown], T0 + 600 * SECOND, numbered())
    assert (kept.incident.id, kept.incident.kind, kept.incident.notified_us) == ("AW-2026-000008", "worm", T0 + 7)
    assert {d.finding.kind for d in kept.incident.detections} == {"worm", "address_scan"}
    assert (gone.incident.id, gone.incident.state, gone.before, gone.incident.merged_into) == (
        "AW-2026-000007",
        "closed",
        "active",
        "AW-2026-000008",
    )
    again = [detection(["192.0.2.1"], kind="udp_flood", rule="udp-flood", protocol="udp", last_us=T0 + 700 * SECOND)]
    (change,) = correlate([kept.incident, gone.incident], again, T0 + 700 * SECOND, numbered())
    assert change.before is None


def test_two_that_nobody_has_heard_of_become_one_without_a_trace():
    some = [scan(HOSTS[:10]), worm(HOSTS[20:]), scan(HOSTS, last_us=T0 + 600 * SECOND)]
    (change,) = correlate([], some, T0, numbered())
    assert (change.incident.kind, change.before) == ("worm", None)
    assert len(change.incident.detections) == 2


def test_a_rule_on_trial_and_a_lead_never_lead_a_case():
    (change,) = correlate([], [worm(status="observe"), scan()], T0, numbered())
    assert (change.incident.kind, change.incident.also) == ("address_scan", ("worm",))
    (change,) = correlate([], [detection(HOSTS, kind="beacon", rule="beacon"), scan(severity="low")], T0, numbered())
    assert change.incident.kind == "address_scan"


KINDS = st.sampled_from(["worm", "address_scan", "login_attack", "syn_flood", "beacon"])


@given(st.lists(st.tuples(detections(), KINDS), min_size=1, max_size=6), st.data())
def test_acts_come_together_in_any_order(some, data):
    mixed = [replace(d, episode=f"{kind} {d.episode}", finding=replace(d.finding, kind=kind)) for d, kind in some]
    known = apply([], mixed)
    assert correlate(known, mixed, T0, numbered()) == []
    assert len({(i.customer, kind) for i in known for kind in (i.kind, *i.also)}) == sum(1 + len(i.also) for i in known)
    ways = data.draw(st.permutations(mixed * 2))
    by_one = []
    for one in ways:
        state = {i.id: i for i in by_one}
        numbers = iter(range(len(state) + 1, 999))
        for change in correlate(by_one, [one], T0, lambda _: f"AW-2026-{one.episode}-{next(numbers)}"):  # noqa: B023  # called at once
            state[change.incident.id] = change.incident
        by_one = [i for i in state.values() if i.state != "closed"]
    newest = {}
    for one in mixed:
        newest.setdefault(one.episode, []).append(one)
    if all(len(versions) == 1 for versions in newest.values()):
        assert canonical(by_one) == canonical(known) == canonical(apply([], ways))


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
