"""A bounce is believed only about a mail of ours, only when it says in the standard's words that it is for good."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.model.mailbox import addr_spec
from abusewatch.outbox import Outcome, settle
from abusewatch.outbox.bounces import LARGEST, Bounce, Verp, read
from tests.cases import SECOND, T0, message

VERP = Verp(b"0123456789abcdef", "provider.example")
OTHER = Verp(b"fedcba9876543210", "provider.example")
MAIL = message(1)
SENDER = VERP.sender(MAIL)


def dsn(to=SENDER, action="failed", status="5.1.1", folded=False):
    """As Postfix 3.7 writes it."""
    gap = "\r\n " if folded else " "
    return (
        f"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.operator.example\r\nSubject: Undelivered Mail\r\nTo:{gap}<{to}>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="b"\r\n\r\n--b\r\nContent-Description: Notification\r\n\r\nThis is the mail system.\r\n\r\n'
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.operator.example\r\nArrival-Date: Sun, 1 Nov 2026 10:00:00 +0000\r\n\r\n"
        f"Final-Recipient: rfc822; abuse@operator.example\r\nOriginal-Recipient: rfc822;abuse@operator.example\r\nAction:{gap}{action}\r\nStatus: {status}\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: x\r\n\r\n--b--\r\n"
    ).encode()


def test_an_envelope_sender_is_a_plain_address_that_names_its_mail():
    assert addr_spec(SENDER) == SENDER
    assert len(SENDER.partition("@")[0]) <= 64
    assert VERP.message_id(SENDER) == MAIL.message_id
    assert VERP.message_id(SENDER.upper()) == MAIL.message_id  # some relays change the case
    assert OTHER.message_id(SENDER) is None


@pytest.mark.parametrize("folded", [False, True])
def test_a_bounce_for_good(folded):
    assert read(dsn(folded=folded), VERP) == Bounce(MAIL.message_id, "failed", "5.1.1")
    assert read(dsn().replace(b"\r\n", b"\n"), VERP) == Bounce(MAIL.message_id, "failed", "5.1.1")
    assert read(dsn(to="postmaster@provider.example"), VERP, recipient=SENDER).kind == "failed"


@pytest.mark.parametrize(("action", "status"), [("delayed", "4.4.1"), ("failed", "4.2.2"), ("delivered", "2.0.0"), ("relayed", "2.0.0"), ("failed", "nonsense"), ("", "5.1.1")])
def test_what_is_not_for_good_changes_nothing(action, status):
    assert read(dsn(action=action, status=status), VERP) == Bounce(MAIL.message_id, "other", "")


def test_an_absence_note_is_no_failure():
    assert read(f"To: {SENDER}\r\nSubject: out of office\r\n\r\nI am away.\r\n".encode(), VERP).kind == "other"


def test_a_forged_bounce_is_about_nothing():
    forged = SENDER.replace("bounce+0", "bounce+1", 1)
    for raw in (dsn(to=forged), dsn(to=OTHER.sender(MAIL)), dsn(to="bounce@provider.example"), b"", b"\xff" * 99, dsn(to="x@y.example") + SENDER.encode()):
        assert read(raw, VERP) is None


def test_a_name_that_is_not_ours_keeps_the_plain_sender():
    assert VERP.sender(message(2).__class__(**{n: getattr(message(2), n) for n in message(2).__struct_fields__} | {"message_id": "<x@y.example>"})) == "abuse@provider.example"


@given(st.binary(max_size=400))
def test_nothing_that_comes_in_raises(garbage):
    read(garbage, VERP)
    assert read(dsn()[:300] + garbage, VERP) in {Bounce(MAIL.message_id, "other", ""), None, Bounce(MAIL.message_id, "failed", "5.1.1")}


def test_a_huge_one_is_read_up_to_a_size():
    assert read(dsn() + b"x" * 10 * LARGEST, VERP).kind == "failed"
    assert read(b"To: " + SENDER.encode() + b"\r\n\r\n" + b"(" * 10**6, VERP).kind == "other"


def test_a_mail_that_came_back_lies_with_the_desk_once(store):
    store.enqueue([MAIL], None, T0)
    bounce = read(dsn(), VERP)
    assert store.bounced(bounce, T0) is None  # it has not even left
    (entry,) = store.lease(T0, 1, SECOND)
    store.settled(entry, settle(Outcome("accepted"), 1, T0, T0), T0)
    assert store.bounced(bounce._replace(kind="other"), T0) is None
    parked = store.bounced(bounce, T0 + 9)
    assert (parked.state, parked.reason) == ("parked", "bounced: 5.1.1")
    assert store.bounced(bounce, T0 + 10) is None
    assert not store.told(MAIL.incident)[("operator", "abuse@operator.example")].sent
