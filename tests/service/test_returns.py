"""The folder of bounces is read once, emptied, and parks only what really came back."""

from abusewatch.outbox import Outcome, Verp, settle
from abusewatch.retention import limits
from abusewatch.service.returns import BATCH, Returns
from abusewatch.storage import SqliteStore
from tests.cases import SECOND, T0, message

VERP = Verp(b"0123456789abcdef", "provider.example")


def dsn(to):
    return f"To: {to}\r\n\r\nFinal-Recipient: rfc822; x@y.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n".encode()


def test_what_came_back_is_parked_and_the_folder_emptied(tmp_path):
    store = SqliteStore(tmp_path / "cases.db", limits())
    mails = [message(n, f"r{n}@operator.example") for n in range(3)]
    store.enqueue(mails, None, T0)
    for entry in store.lease(T0, 9, SECOND):
        store.settled(entry, settle(Outcome("accepted"), 1, T0, T0), T0)
    new = tmp_path / "bounces" / "new"
    returns = Returns(tmp_path / "bounces", VERP, store)
    assert returns.collect(T0) == []
    new.mkdir(parents=True)
    (new / "1").write_bytes(dsn(VERP.sender(mails[1])))
    (new / "2").write_bytes(dsn(Verp(b"another key 1234", "provider.example").sender(mails[0])))
    (new / "3").write_bytes(b"")
    outside = tmp_path / "outside"
    outside.write_bytes(dsn(VERP.sender(mails[2])))
    (new / "4").symlink_to(outside)
    assert [e.message for e in returns.collect(T0 + 1)] == [mails[1]]
    assert [path.name for path in new.iterdir()] == ["4"]
    assert outside.exists()
    assert store.counts() == store.counts() | {"sent": 2, "parked": 1}
    for n in range(BATCH + 5):
        (new / f"9{n}").write_bytes(b"junk")
    returns.collect(T0 + 2)
    returns.collect(T0 + 3)
    assert len(list(new.iterdir())) == 1
    store.close()
