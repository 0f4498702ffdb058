"""Promise: where the abuse is mail, the report is ARF as RFC 5965 has it, and holds nothing of any mail."""

import re
from email import message_from_bytes
from email.utils import parsedate_to_datetime

import pytest
from msgspec.structs import replace

ONCE = {"feedback-type", "user-agent", "version"}
AT_MOST_ONCE = {"original-envelope-id", "original-mail-from", "arrival-date", "received-date", "reporting-mta", "source-ip", "incidents", "source-port"}
MANY = {"authentication-results", "original-rcpt-to", "reported-domain", "reported-uri"}
TYPES = {"abuse", "fraud", "virus", "other", "not-spam", "auth-failure", "opt-out", "miscategorized"}


def read(raw):
    """A reader of ARF as section 2 and 3 want it: the fields of the second part, and the type of the third."""
    mail = message_from_bytes(raw)
    assert mail.get_content_type() == "multipart/report"
    assert mail.get_param("report-type").lower() == "feedback-report"
    text, report, original = mail.get_payload()
    assert text.get_content_maintype() == "text"
    assert report.get_content_type() == "message/feedback-report"
    assert original.get_content_type() in {"message/rfc822", "text/rfc822-headers"}
    block = report.get_payload(0) if report.is_multipart() else message_from_bytes(report.get_payload(decode=True))
    names = [name.lower() for name in block]
    assert all(names.count(name) == 1 for name in ONCE), names
    assert all(names.count(name) <= 1 for name in AT_MOST_ONCE), names
    assert block["Feedback-Type"].lower() in TYPES
    return block, original


@pytest.mark.corpus
def test_the_reader_reads_what_others_send(corpus):
    reports = [path.read_bytes() for path in sorted((corpus.parent / "arf/set-of-emails").glob("arf-*.eml"))]
    usual = [raw for raw in reports if re.search(rb"(?im)^feedback-type: *abuse", raw)]
    assert len(usual) >= 4
    good = 0
    for raw in usual:
        try:
            read(raw)
        except (AssertionError, ValueError, TypeError):
            continue  # the set holds malformed ones on purpose
        good += 1
    assert good >= 3


def spam(made, **more):
    return made.incident(made.detection("spam", port=25, title="Spam run", **more), kind="spam")


@pytest.mark.parametrize(("offender", "written"), [("198.51.100.7", "198.51.100.7"), ("2001:db8:42::7", "IPv6:2001:db8:42::7")])
def test_spam_is_arf(made, composer, offender, written):
    message = composer.compose_operator(*made.operator_view(spam(made, offender=offender)), made.CONTACT, made.NOW)
    block, original = read(message.raw)
    assert (block["Feedback-Type"], block["Version"], block["Source-IP"], block["Incidents"]) == ("abuse", "1", written, "45")
    assert parsedate_to_datetime(block["Arrival-Date"]).isoformat() == "2026-11-01T10:00:03+00:00"
    assert "Source-Port" not in block  # two ports: neither is certain
    assert original.get_content_type() == "text/rfc822-headers"
    assert original.get_payload().count(":") == 1
    assert b"json" not in message.raw
    assert not {name.lower() for name in block} & MANY


def test_one_source_port_is_told(made, composer):
    case = spam(made, src_ports=(51514,))
    assert read(composer.compose_operator(*made.operator_view(case), made.CONTACT, made.NOW).raw)[0]["Source-Port"] == "51514"


def test_two_offenders_are_no_arf_report(made, composer):
    one = made.detection("spam", port=25, title="Spam run")
    case = made.incident(one, made.detection("spam", port=25, offender="198.51.100.8", episode="other", title="Spam run"), kind="spam")
    raw = composer.compose_operator(*made.operator_view(case), made.CONTACT, made.NOW).raw
    assert b"Feedback-Type: xarf" in raw


def test_a_closing_mail_reports_nothing_anew(made, composer):
    message = composer.compose_operator(*made.operator_view(spam(made)), made.CONTACT, made.NOW, stage="closing", sequence=1)
    assert b"feedback" not in message.raw.lower()


@pytest.mark.parametrize("kind", ["login_attack", "syn_flood", "worm"])
def test_what_is_no_mail_is_never_arf(made, composer, kind):
    raw = composer.compose_operator(*made.operator_view(made.incident(made.detection(kind), kind=kind)), made.CONTACT, made.NOW).raw
    assert b"Feedback-Type: abuse" not in raw


def test_no_recipient_and_no_sender_of_a_mail_can_be_in_it(made, composer):
    """Even if somebody wrote addresses where a rule's words go, they would be stopped: the report has no field for them."""
    case = spam(made)
    case = replace(case, detections=tuple(replace(d, because="to kunde@other.example") for d in case.detections))
    raw = composer.compose_operator(*made.operator_view(case), made.CONTACT, made.NOW).raw
    assert b"kunde@" not in raw
