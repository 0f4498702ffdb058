"""The folder of mail that came back: read once and emptied; bounces park, answers with a token act, and all else does not."""

from types import SimpleNamespace

import pytest

from abusewatch.incidents import Change
from abusewatch.outbox import Outcome, Verp, settle
from abusewatch.reports.identity import fixed_token, optout_token
from abusewatch.retention import limits
from abusewatch.service.returns import BATCH, Returns
from abusewatch.storage import SqliteStore
from tests.cases import SECOND, T0, incident, message

KEY = b"0123456789abcdef"
VERP = Verp(KEY, "provider.example")
CASE, CUSTOMER, OPERATOR = "AW-2026-000001", "security@customer.example", "abuse@operator.example"


def dsn(to):
    return f"To: {to}\r\n\r\nFinal-Recipient: rfc822; x@y.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n".encode()


@pytest.fixture
def desk(tmp_path):
    """A case that both sides were told of, and the folder of answers."""
    store = SqliteStore(tmp_path / "cases.db", limits())
    notice, report = message(1, CUSTOMER, "customer"), message(2, OPERATOR)
    store.save([Change(incident(), None)])
    store.commit(CASE, 1, [notice, report], [], hold=None, now_us=T0)
    new, stopped = tmp_path / "replies" / "new", []
    new.mkdir(parents=True)
    returns = Returns([tmp_path / "replies"], store, KEY, opted_out=stopped.append)

    def answer(text="fixed", sender=CUSTOMER, subject="Re: x", to=notice, **headers):
        fields = {"From": sender, "Subject": subject} | ({"In-Reply-To": to.message_id} if to else {}) | headers
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        (new / "1").write_bytes(f"{head}\r\n{text}".encode())
        collected = returns.collect(T0 + 1)
        assert list(new.iterdir()) == []
        ((outcome, times),) = collected.replies.items()
        assert times == 1
        return outcome, store.incident(CASE).state, [(n.author, n.text) for n in store.notes(CASE)]

    yield SimpleNamespace(store=store, answer=answer, report=report, notice=notice, stopped=stopped, returns=returns, new=new)
    store.close()


def test_what_came_back_is_parked_and_the_folder_emptied(tmp_path):
    store = SqliteStore(tmp_path / "cases.db", limits())
    mails = [message(n, f"r{n}@operator.example") for n in range(3)]
    store.enqueue(mails, None, T0)
    for entry in store.lease(T0, 9, SECOND):
        store.settled(entry, settle(Outcome("accepted"), 1, T0, T0), T0)
    new = tmp_path / "bounces" / "new"
    returns = Returns([tmp_path / "bounces"], store, KEY, verp=VERP)
    assert returns.collect(T0).parked == ()
    new.mkdir(parents=True)
    (new / "1").write_bytes(dsn(VERP.sender(mails[1])))
    (new / "2").write_bytes(dsn(Verp(b"another key 1234", "provider.example").sender(mails[0])))
    (new / "3").write_bytes(b"")
    outside = tmp_path / "outside"
    outside.write_bytes(dsn(VERP.sender(mails[2])))
    (new / "4").symlink_to(outside)
    assert [e.message for e in returns.collect(T0 + 1).parked] == [mails[1]]
    assert [path.name for path in new.iterdir()] == ["4"]
    assert outside.exists()
    assert store.counts() == store.counts() | {"sent": 2, "parked": 1}
    for n in range(BATCH + 5):
        (new / f"9{n}").write_bytes(b"junk")
    returns.collect(T0 + 2)
    returns.collect(T0 + 3)
    assert len(list(new.iterdir())) == 1
    store.close()


def test_fixed_from_the_customer_moves_his_case(desk):
    assert desk.answer("Fixed, it was a cron job.") == ("fixed", "resolved", [("customer (mail)", "Fixed, it was a cron job.")])
    assert desk.answer("fixed")[0] == "late"


def test_a_new_mail_with_the_token_does_too(desk):
    assert desk.answer("", subject=f"FIXED {fixed_token(KEY, CASE, CUSTOMER)}", to=None) == ("fixed", "resolved", [])


def test_any_other_answer_is_a_note(desk):
    assert desk.answer("Which port?\n\x1b[31m") == ("note", "active", [("customer (mail)", "Which port?\n[31m")])


@pytest.mark.parametrize("sender", ["other@customer.example", f"{CUSTOMER}.evil.example"])
def test_from_another_address_it_is_noted_and_moves_nothing(desk, sender):
    outcome, state, ((author, _),) = desk.answer("fixed, all of it", sender)
    assert (outcome, state, author) == ("note", "active", "customer (mail from another address)")


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"to": None}, "unknown"),
        ({"to": None, "subject": f"[{CASE}] FIXED"}, "unknown"),
        ({"to": None, "subject": f"FIXED {'0' * 16}"}, "unknown"),
        ({"to": None, "subject": f"FIXED {fixed_token(KEY, 'AW-2026-000002', CUSTOMER)}"}, "unknown"),
        ({"to": None, "subject": f"FIXED {fixed_token(b'another key 1234', CASE, CUSTOMER)}"}, "unknown"),
        ({"to": message(9)}, "unknown"),
        ({"Auto_Submitted": "auto-replied"}, "automatic"),
        ({"Precedence": "bulk"}, "automatic"),
        ({"Return_Path": "<>"}, "automatic"),
        ({"sender": "MAILER-DAEMON@customer.example"}, "automatic"),
    ],
)
def test_without_a_token_or_a_person_nothing_happens(desk, change, outcome):
    assert desk.answer(**change) == (outcome, "active", [])
    assert desk.stopped == []


def test_stop_ends_reports_to_one_operator(desk):
    token = optout_token(KEY, OPERATOR)
    assert desk.answer("", "noc-person@operator.example", f"STOP {token}", to=None)[0] == "stop"
    assert desk.answer("STOP", OPERATOR, to=desk.report)[0] == "stop"
    assert desk.stopped == [OPERATOR, OPERATOR]
    assert desk.answer("Stop attacking us", OPERATOR, to=desk.report)[0] == "people"
    assert desk.answer("fixed", OPERATOR, to=desk.report) == ("people", "active", [])
    assert desk.answer("", CUSTOMER, f"STOP {optout_token(KEY, CUSTOMER)}", to=None)[0] == "unknown"  # service mail has no end
    assert desk.stopped == [OPERATOR, OPERATOR]


def test_notes_of_one_case_are_bounded(desk):
    for n in range(120):
        desk.answer(f"note {n}")
    outcome, _, kept = desk.answer("x" * 9000)
    assert (outcome, len(kept)) == ("people", 100)
    assert max(len(text) for _, text in kept) <= 2000


def test_a_file_that_cannot_be_acted_on_stays(desk, monkeypatch):
    (desk.new / "1").write_bytes(f"From: {CUSTOMER}\r\nIn-Reply-To: {desk.notice.message_id}\r\n\r\nfixed\r\n".encode())

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(desk.store, "move_incident", full)
    with pytest.raises(OSError, match="full"):
        desk.returns.collect(T0)
    assert len(list(desk.new.iterdir())) == 1


def test_one_folder_for_both_is_read_once(desk, tmp_path):
    both = Returns([tmp_path / "replies", tmp_path / "replies"], desk.store, KEY, verp=VERP)
    (desk.new / "1").write_bytes(b"From: x@y.example\r\n\r\nhello")
    assert both.collect(T0).replies == {"unknown": 1}
