"""No view contains an address outside its audience, or a field the rule does not list."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.evidence import minimise, without_evidence
from abusewatch.evidence.minimise import NETWORKS_SHOWN, ROWS_A_TARGET, ROWS_SHOWN, TARGETS_SHOWN
from abusewatch.evidence.vocabulary import ALLOWED, READERS
from tests.cases import CUSTOMER, OPERATOR, addresses_in, detection, incident, incidents, networks_of, own, row, target

MINE = ["203.0.113.9", "203.0.113.10"]
MIXED = [*MINE, "192.0.2.77", "192.0.2.78", "66.1.2.3"]


def text(view) -> str:
    return msgspec.json.encode(view).decode()


@given(incidents(), st.data())
def test_an_operators_view_holds_its_own_addresses_and_ours_only(one, data):
    attacked = sorted({t.address for d in one.detections for t in d.targets})
    mine = set(data.draw(st.lists(st.sampled_from(attacked), unique=True)))
    found = addresses_in(text(minimise(one, "operator", own=own, addresses=mine)))
    assert {a for a in found if not own(a)} <= mine
    ours = {d.finding.offender for d in one.detections}
    assert {a for a in found if own(a)} <= ours


@given(incidents())
def test_a_customers_view_holds_no_address_but_ours(one):
    view = minimise(one, "customer", own=own)
    found = addresses_in(text(view))
    assert all(own(a) for a in found)
    named = {r.target_prefix for s in view.sections for r in (*s.by_target, *s.rows)} | set(view.networks)
    assert named - {None} <= networks_of(t.address for d in one.detections for t in d.targets)


@given(incidents())
def test_a_field_the_rule_does_not_list_cannot_appear(one):
    for audience, addresses in (("customer", None), ("desk", None), ("operator", {t.address for d in one.detections for t in d.targets})):
        view = minimise(one, audience, own=own, addresses=addresses)
        by_episode = {name: d for d in one.detections for s in minimise(one, "desk", own=own, episodes={d.episode}).sections for name in (s.episode,)}
        for section in view.sections:
            rule = by_episode[section.episode]
            listed = {"operator": rule.evidence_operator, "customer": rule.evidence_customer, "desk": rule.evidence_operator + rule.evidence_customer}
            may = {READERS[name][0] for name in set(listed[audience]) & ALLOWED[audience]}
            for one_row in (section.total, *section.by_target, *section.rows):
                assert {name for name in one_row.__struct_fields__ if getattr(one_row, name) is not None} <= may


@given(incidents())
def test_the_stripped_incident_names_nobody_else(one):
    bare = without_evidence(one)
    foreign = {a for a in addresses_in(text(bare)) if not own(a)}
    assert foreign <= {d.finding.offender for d in one.detections if not own(d.finding.offender)}
    view = minimise(one, "operator", own=own, addresses={"203.0.113.9"})
    assert all(own(a) for a in addresses_in(text(without_evidence(one, view))))
    bare = without_evidence(one, minimise(one, "customer", own=own))
    assert all(own(a) for a in addresses_in(text(bare)))
    assert len(bare.detections) == len([d for d in one.detections if d.targets])


@given(incidents(), st.randoms(use_true_random=False))
def test_the_digest_is_one_for_all_audiences_and_any_order(one, random):
    shuffled = list(one.detections)
    random.shuffle(shuffled)
    views = [minimise(one, "customer", own=own), minimise(one, "desk", own=own), minimise(one, "operator", own=own, addresses=[])]
    views.append(minimise(incident(*shuffled, customer="C-1042"), "desk", own=own))
    assert len({view.digest for view in views}) == 1


def test_the_digest_changes_with_the_evidence():
    assert minimise(incident(), "desk", own=own).digest != minimise(incident(detection(["203.0.113.10"])), "desk", own=own).digest


def test_an_operator_reads_its_rows_and_a_count_of_the_rest():
    view = minimise(incident(detection(MIXED, shed=4)), "operator", own=own, addresses=MINE)
    (section,) = view.sections
    assert (view.targets, view.elsewhere, view.offenders) == (2, 7, ("198.51.100.7",))
    assert [r.dst for r in section.by_target] == sorted(MINE)
    assert section.total.sessions == 10
    assert (len(section.rows), section.rows_more) == (6, 4)
    first = section.rows[0]
    assert (first.src, first.src_port, first.dst_port, first.protocol) == ("198.51.100.7", 40_000, 22, "tcp")
    assert first.first_seen == "2026-11-01T10:00:03.120Z"
    assert view.networks == ("203.0.113.0/24",)


def test_a_customer_reads_networks_and_totals():
    view = minimise(incident(detection(MIXED, shed=4)), "customer", own=own)
    (section,) = view.sections
    assert (view.targets, view.elsewhere) == (9, 0)
    assert [(r.target_prefix, r.sessions) for r in section.by_target] == [("192.0.2.0/24", 10), ("203.0.113.0/24", 10), ("66.1.2.0/24", 5)]
    assert {r.dst for r in section.rows} == {None}
    assert set(view.networks) == {"192.0.2.0/24", "203.0.113.0/24", "66.1.2.0/24"}


def test_where_targets_were_shed_the_customer_still_reads_the_whole_sum():
    one = detection(MIXED, shed=4, flows=999, packets=9990, bytes=99_900, customers=("sessions", "packets", "bytes", "target_prefixes", "first_seen", "last_seen"))
    for audience in ("customer", "desk"):
        (section,) = minimise(incident(one), audience, own=own).sections
        assert (section.total.sessions, section.total.packets, section.total.bytes) == (999, 9990, 99_900)
    (section,) = minimise(incident(one), "operator", own=own, addresses=MINE).sections
    assert section.total.sessions == 10
    (section,) = minimise(incident(detection(MIXED)), "customer", own=own).sections
    assert section.total.sessions == 25


def test_the_desk_reads_both():
    view = minimise(incident(detection(MIXED)), "desk", own=own)
    assert addresses_in(text(view)) == {*MIXED, "198.51.100.7"}


def test_rows_are_capped_with_the_numbers_of_the_rest():
    many = [target(f"203.0.113.{n}", flows=50, rows=10) for n in range(1, 151)]
    (section,) = minimise(incident(detection(many)), "operator", own=own, addresses={t.address for t in many}).sections
    assert (len(section.rows), section.rows_more) == (ROWS_SHOWN, 150 * 50 - ROWS_SHOWN)
    assert (len(section.by_target), section.by_target_more) == (TARGETS_SHOWN, 50)
    assert len({r.dst for r in section.rows}) == ROWS_SHOWN  # one of each target before a second of any
    (section,) = minimise(incident(detection(many[:2])), "operator", own=own, addresses={t.address for t in many}).sections
    assert len(section.rows) == 2 * ROWS_A_TARGET
    wide = [f"{n}.1.1.1" for n in range(11, 91)]
    view = minimise(incident(detection(wide)), "customer", own=own)
    assert (len(view.networks), view.networks_more) == (NETWORKS_SHOWN, 80 - NETWORKS_SHOWN)


def test_a_forged_source_is_never_shown():
    forged = detection([target("203.0.113.9", rows=2, src="192.0.2.1")], offender="192.0.2.1")
    one = incident(forged, customer="C-1042")
    assert minimise(one, "operator", own=own, addresses=MINE).sections == ()
    view = minimise(one, "customer", own=own)
    assert view.offenders == ()
    assert view.sections[0].offender is None
    assert addresses_in(text(view)) == set()


def test_a_row_under_a_target_is_about_that_target_whatever_it_says():
    wrong = target("203.0.113.9", rows=0)
    wrong = type(wrong)(*[getattr(wrong, n) for n in wrong.__struct_fields__[:-1]], (row("192.0.2.5"),))
    (section,) = minimise(incident(detection([wrong])), "operator", own=own, addresses=MINE).sections
    assert section.rows[0].dst == "203.0.113.9"


def test_our_own_address_is_never_a_third_partys():
    inside = incident(detection(["198.51.100.200", "203.0.113.9"]))
    view = minimise(inside, "operator", own=own, addresses=["198.51.100.200", "203.0.113.9"])
    assert "198.51.100.200" not in text(view)


def test_without_dst_in_the_rule_an_operator_gets_sums_alone():
    fields = tuple(f for f in OPERATOR if f != "dst")
    view = minimise(incident(detection(MIXED, operator=fields, customers=CUSTOMER)), "operator", own=own, addresses=MINE)
    assert addresses_in(text(view)) == {"198.51.100.7"}
    assert view.sections[0].by_target == ()
    assert view.networks == ()


def test_a_view_is_led_by_what_it_shows():
    """An operator whose addresses were only scanned reads of a scan, though the case is about more."""
    case = incident(detection(["203.0.113.9", "66.1.2.3"], kind="address_scan", rule="scan"), detection(["66.1.2.3"]), kind="login_attack")
    scanned, guessed = (minimise(case, "operator", own=own, addresses=[a]) for a in ("203.0.113.9", "66.1.2.3"))
    assert (scanned.kind, [s.kind for s in scanned.sections]) == ("address_scan", ["address_scan"])
    assert (guessed.kind, [s.kind for s in guessed.sections]) == ("login_attack", ["login_attack", "address_scan"])
    assert without_evidence(case, scanned).kind == "address_scan"
    assert without_evidence(case).kind == "login_attack"


def test_policy_limits_the_findings():
    one = incident(detection(episode="a"), detection(episode="b"))
    (section,) = minimise(one, "customer", own=own, episodes={"b"}).sections
    assert section.episode == minimise(one, "desk", own=own).sections[1].episode


def test_who_has_no_view():
    with pytest.raises(ValueError, match="complainant"):
        minimise(incident(), "complainant", own=own)
    with pytest.raises(ValueError, match="addresses"):
        minimise(incident(), "operator", own=own)
