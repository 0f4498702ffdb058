"""One mail of several cases: whole, the same each time, and to a customer without what belongs to others."""

from email import message_from_bytes

import pytest

from abusewatch.evidence import minimise, without_evidence
from abusewatch.model.contact import Contact
from abusewatch.model.customer import Customer
from abusewatch.reports.digest import DOCUMENTS, Case, DigestComposer
from abusewatch.reports.leaks import LeakError
from abusewatch.reports.settings import ReportSettings
from tests.cases import T0, detection, incident, own, target, text_of

COMPOSER = DigestComposer(ReportSettings("Provider", "abuse@provider.example", b"0123456789abcdef0123456789abcdef", 7, phone="+1 555 0100"))
OPERATOR = Contact("abuse@a.example", "A", "rdap", "66.1.0.0/16")
CUSTOMER = Customer("C-1042", ("198.51.100.0/24",), ("security@customer.example",))


def case(number, audience="operator", stage="first", kind="login_attack", targets=3, **more):
    mine = [f"66.1.{number}.{k}" for k in range(1, targets + 1)]
    one = incident(detection([target(a) for a in [*mine, "9.9.9.9"]], kind=kind, **more), ident=f"AW-2026-{number:06d}")
    view = minimise(one, audience, own=own, addresses=mine if audience == "operator" else None)
    return Case(without_evidence(one, view), view, stage)


def write(cases, who=OPERATOR, **which):
    return COMPOSER.compose_digest(cases, who, T0, **{"sequence": 7, "previous": None} | which)


def test_an_operator_reads_each_case_and_gets_the_facts_for_his_machines():
    mail = write([case(1), case(2, kind="worm"), case(3, stage="closing")])
    text = text_of(mail.raw)
    assert [f"AW-2026-00000{n}" in text for n in (1, 2, 3)] == [True] * 3
    assert "AW-2026-000003 (has stopped since)" in text
    assert "9.9.9.9" not in text
    parts = [part.get_filename() for part in message_from_bytes(mail.raw).walk() if part.get_filename()]
    assert len(parts) == 6  # three addresses of each case that goes on
    assert "+1 555 0100" in text
    assert (mail.stage, mail.sequence, mail.incident) == ("digest", 7, "AW-2026-000001")


def test_the_same_again_is_the_same_mail_and_the_next_answers_it():
    some = [case(1), case(2)]
    assert write(some) == write(some)
    one, other = message_from_bytes(write(some).raw), message_from_bytes(write(some, sequence=9, previous=7).raw)
    assert other["In-Reply-To"] == one["Message-ID"] != other["Message-ID"]


def test_a_customer_reads_networks_what_to_do_and_what_is_not_sure():
    text = text_of(write([case(1, "customer"), case(2, "customer", kind="worm", basis="syn_only")], CUSTOMER).raw)
    assert "66.1.1.0/24" in text
    assert "66.1.1.1" not in text
    assert "NOT VERIFIED" in text
    assert text.count("WHAT YOU CAN DO:") == 2
    assert "STOP" not in text


def test_many_documents_are_bounded():
    mail = write([case(n, targets=9) for n in range(1, 12)])
    names = [part.get_filename() for part in message_from_bytes(mail.raw).walk() if part.get_filename()]
    assert len(names) == DOCUMENTS


def test_what_belongs_to_another_operator_stops_it():
    foreign = case(1)
    wrong = incident(detection(["66.1.2.1", "9.9.9.9"]), ident="AW-2026-000002")
    view = minimise(wrong, "desk", own=own)
    with pytest.raises(LeakError):
        write([case(3, "customer"), Case(without_evidence(wrong, view), view, "first"), foreign], CUSTOMER)
