"""What is written now and what waits: for room, for the morning, for a contact, for its day."""

from abusewatch.incidents.due import Due, plan
from abusewatch.incidents.lifecycle import DAY_US
from abusewatch.incidents.mailing import ASK_US, WAIT_US
from abusewatch.incidents.policy import everyone
from abusewatch.incidents.readers import Found
from abusewatch.model.contact import Contact
from abusewatch.model.message import Extent, Told
from abusewatch.model.reader import Reader
from tests.cases import T0, incident

ONE = incident(state="active")
EXTENT = Extent("login_attack", "high", 1, 500, 500)


def reader(name, audience="operator"):
    who = Contact(f"{name}@a.example", name, "table", "66.1.0.0/16") if audience == "operator" else None
    return Reader(audience, f"{name}@A.example", who, ONE.last_us, frozenset({"66.1.2.3"}), frozenset(), EXTENT)


SOME = (reader("customer", "customer"), reader("one"), reader("two"))


def planned(told=None, room=9, now_us=T0, missing=False, decision=None):
    return plan(ONE, decision or everyone(ONE), Found(SOME, missing), told or {}, room, now_us)


def test_who_was_never_told_is_told_now():
    assert planned() == (tuple(Due(one, "first", 0, "", EXTENT) for one in SOME), 0, None)


def test_without_room_operators_wait_and_the_customer_does_not():
    found = planned(room=1)
    assert [mail.reader.recipient for mail in found.mails] == ["customer@A.example", "one@A.example"]
    assert (found.waiting, found.again_us) == (1, T0 + WAIT_US)


def test_who_is_left_in_peace_is_looked_at_when_it_ends():
    found = planned(decision=everyone(ONE)._replace(quiet={"operator": T0 + 7}))
    assert [mail.reader.audience for mail in found.mails] == ["customer"]
    assert (found.waiting, found.again_us) == (0, T0 + 7)


def test_an_unknown_contact_is_asked_for_again():
    assert planned(missing=True).again_us == T0 + ASK_US


def test_the_next_mail_goes_on_where_the_thread_began_and_keeps_its_ladder():
    told = {("operator", "one@a.example"): Told(3, "update", T0, sent=True, thread="AW-2026-000009", extent=Extent("login_attack", "high", 1, 50, 5))}
    mail = next(mail for mail in planned(told, now_us=T0 + DAY_US).mails if mail.reader.recipient == "one@A.example")
    assert (mail.stage, mail.sequence, mail.thread, mail.extent) == ("update", 4, "AW-2026-000009", EXTENT._replace(first=5))
    assert planned(told, now_us=T0 + 5).again_us == T0 + DAY_US
