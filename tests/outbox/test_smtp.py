"""Whatever the server does, each message has an outcome in bounded time, and one recipient."""

import asyncio
import ssl
import time

import pytest
from aiosmtpd.smtp import SMTP
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec.structs import replace

from abusewatch.outbox import Seal, SmtpSettings, SmtpTransport, Verp
from abusewatch.outbox.dkim import load_key
from abusewatch.outbox.states import settle
from tests.cases import message
from tests.outbox.servers import Server, serving


def transport(port, **changes):
    values = {"host": "127.0.0.1", "port": port, "tls": "none", "helo": "client.example", "command_secs": 0.3, "message_secs": 1.0}
    return SmtpTransport(SmtpSettings(**values | changes))


async def send(server, *messages, **changes):
    async with serving(server) as port:
        return [o async for o in transport(port, **changes).send(messages or (message(1),))]


async def test_the_wire_sees_what_was_composed():
    server = Server()
    (outcome,) = await send(server)
    assert outcome == ("accepted", 250, "2.0.0 taken")
    assert server.taken == [(("RCPT TO:<abuse@operator.example>",), message(1).raw.replace(b"\r\n.dots", b"\r\n..dots"))]
    assert "EHLO client.example" in server.lines
    assert "MAIL FROM:<abuse@provider.example>" in server.lines[1]
    assert server.lines[-1] == "QUIT"


async def test_one_connection_and_one_recipient_each_for_a_batch():
    server = Server()
    outcomes = await send(server, *[message(n, f"r{n}@operator.example") for n in range(5)])
    assert [o.kind for o in outcomes] == ["accepted"] * 5
    assert server.connections == 1
    assert [envelope for envelope, _ in server.taken] == [(f"RCPT TO:<r{n}@operator.example>",) for n in range(5)]


MATRIX = {
    "greeting 421": ({"greeting": b"421 busy\r\n"}, "deferred", 421),
    "greeting 554": ({"greeting": b"554 go away\r\n"}, "deferred", 554),
    "greeting drop": ({"greeting": "drop"}, "deferred", 0),
    "greeting hang": ({"greeting": "hang"}, "deferred", 0),
    "greeting garbage": ({"greeting": b"\x00\xff\xfe garbage\r\n"}, "deferred", None),
    "greeting without end": ({"greeting": b"220-x\r\n" * 100_000}, "deferred", None),
    "greeting of one long line": ({"greeting": b"220 " + b"x" * 4_000_000 + b"\r\n"}, "deferred", None),
    "EHLO 4xx": ({"EHLO": b"451 x\r\n", "HELO": b"451 x\r\n"}, "deferred", 451),
    "EHLO hang": ({"EHLO": "hang"}, "deferred", 0),
    "MAIL 4xx": ({"MAIL": b"452 full\r\n"}, "deferred", 452),
    "MAIL 5xx": ({"MAIL": b"553 no\r\n"}, "refused", 553),
    "MAIL 530 is our login": ({"MAIL": b"530 authenticate first\r\n"}, "deferred", 530),
    "MAIL drop": ({"MAIL": "drop"}, "deferred", 0),
    "RCPT 450": ({"RCPT": b"450 greylisted\r\n"}, "deferred", 450),
    "RCPT 550": ({"RCPT": b"550 5.1.1 no such user\r\n"}, "refused", 550),
    "RCPT 421": ({"RCPT": b"421 closing\r\n"}, "deferred", 421),
    "RCPT reset": ({"RCPT": "reset"}, "deferred", 0),
    "RCPT hang": ({"RCPT": "hang"}, "deferred", 0),
    "DATA 451": ({"DATA": b"451 x\r\n"}, "deferred", 451),
    "DATA 554": ({"DATA": b"554 x\r\n"}, "refused", 554),
    "dropped in the text": ({"during": "drop"}, "unknown", 0),
    "end 451": ({"end": b"451 x\r\n"}, "deferred", 451),
    "end 552": ({"end": b"552 too large\r\n"}, "refused", 552),
    "end drop": ({"end": "drop"}, "unknown", 0),
    "end hang": ({"end": "hang"}, "unknown", 0),
    "end garbage": ({"end": b"hello\r\n"}, None, None),
}


@pytest.mark.parametrize("case", MATRIX)
async def test_matrix(case):
    replies, kind, code = MATRIX[case]
    begun = time.monotonic()
    (outcome,) = await send(Server(**replies))
    assert time.monotonic() - begun < 30
    assert kind is None or outcome.kind == kind, outcome
    assert outcome.kind != "accepted"
    assert code is None or outcome.code == code, outcome
    assert outcome.text
    assert outcome.text.isprintable()
    assert len(outcome.text) <= 200


VERBS = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "end")
FAULTS = {
    "4xx": b"451 4.3.0 later\r\n", "421": b"421 4.3.2 closing\r\n", "5xx": b"554 5.7.1 no\r\n", "drop": "drop", "reset": "reset", "hang": "hang",
    "garbage": b"\xff\xfe\x00 what\r\n", "no code": b"ok\r\n", "empty line": b"\r\n", "half a reply": b"250-more\r\n", "a long line": b"451 " + b"x" * 1_000_000 + b"\r\n",
    "two replies": b"451 a\r\n451 b\r\n",
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", VERBS)
async def test_every_fault_at_every_verb_has_an_outcome(verb, fault):
    """Whatever the server does, the mail ends up tried again or with the desk, in bounded time and without an exception."""
    replies = {verb: FAULTS[fault]} | ({"HELO": FAULTS[fault]} if verb == "EHLO" else {})
    begun = time.monotonic()
    outcomes = await send(Server(**replies), message(1), message(2))
    assert time.monotonic() - begun < 30
    assert len(outcomes) == 2
    for outcome in outcomes:
        assert outcome.kind in {"refused", "deferred", "unknown"}, outcome
        assert outcome.kind != "unknown" or verb in {"DATA", "end"}  # whether the text went out is not known then
        assert settle(outcome, 1, 0, 0).state in {"retrying", "parked"}


async def test_nobody_listens():
    outcomes = [o async for o in transport(1).send([message(1), message(2)])]
    assert [o.kind for o in outcomes] == ["deferred"] * 2


async def test_one_refused_recipient_does_not_harm_the_next():
    server = Server(RCPT=lambda line: b"550 no\r\n" if "r1@" in line else b"250 ok\r\n")
    outcomes = await send(server, *[message(n, f"r{n}@operator.example") for n in range(3)])
    assert [o.kind for o in outcomes] == ["accepted", "refused", "accepted"]
    assert server.connections == 1
    assert [envelope for envelope, _ in server.taken] == [("RCPT TO:<r0@operator.example>",), ("RCPT TO:<r2@operator.example>",)]


async def test_a_broken_connection_is_made_anew_for_the_next_message():
    server = Server(end=["drop", b"250 taken\r\n"])
    outcomes = await send(server, message(1), message(2), message(3))
    assert [o.kind for o in outcomes] == ["unknown", "accepted", "accepted"]
    assert server.connections == 2


class Dripping(Server):
    async def talk(self, reader, writer):
        while True:
            writer.write(b"2")
            await writer.drain()
            await asyncio.sleep(0.05)


async def test_a_server_that_drips_does_not_outlive_the_deadline():
    begun = time.monotonic()
    (outcome,) = await send(Dripping(), command_secs=60, message_secs=0.5)
    assert outcome.kind == "deferred"
    assert time.monotonic() - begun < 30


async def test_a_hostile_envelope_is_refused_and_nothing_of_it_is_sent():
    server = Server()
    hostile = ["a@b.example>\r\nRCPT TO:<victim@c.example", "ä@b.example", "a@b.example,victim@c.example", "a@b.example victim@c.example", "", "victim", "<a@b.example>"]
    outcomes = await send(server, *[replace(message(0), recipient=h) for h in hostile], replace(message(0), sender="a@b.example,victim@c.example"), message(9))
    assert [o.kind for o in outcomes] == ["refused"] * (len(hostile) + 1) + ["accepted"]
    assert server.lines[1:3] == ["MAIL FROM:<abuse@provider.example>", "RCPT TO:<abuse@operator.example>"]
    assert len(server.taken) == 1


async def test_without_starttls_nothing_is_sent_where_it_is_required():
    server = Server()
    (outcome,) = await send(server, tls="required")
    assert outcome.kind == "deferred"
    assert not any(line.startswith("MAIL") for line in server.lines)


class Taker:
    def __init__(self):
        self.taken = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  # aiosmtpd's name
        self.taken.append(envelope)
        return "250 taken"


@pytest.mark.parametrize(("name", "kind"), [("localhost", "accepted"), ("other.example", "deferred")])
async def test_starttls_is_verified(certificates, name, kind):
    """The certificate must be of our authority and of the host we meant; nothing is said to another."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem")
    taker = Taker()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: SMTP(taker, hostname="mx", tls_context=context, require_starttls=True, loop=loop), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    smtp = transport(port, host="localhost", tls="required", ca_file=certificates / "ca.pem", command_secs=5, message_secs=10)
    (outcome,) = [o async for o in smtp.send([message(1)])]
    listening.close()
    await asyncio.sleep(0.1)  # lets aiosmtpd end its side of the talk; the outcome stands already
    assert outcome.kind == kind, outcome
    assert len(taker.taken) == (kind == "accepted")


async def test_mail_leaves_signed_and_under_an_envelope_of_its_own():
    key = load_key("ed1", Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    verp, server = Verp(b"0123456789abcdef", "provider.example"), Server()
    async with serving(server) as port:
        sealed = SmtpTransport(SmtpSettings("127.0.0.1", port, tls="none", helo="client.example"), Seal("provider.example", (key,), verp))
        assert [outcome.kind async for outcome in sealed.send([message(1)])] == ["accepted"]
    assert f"MAIL FROM:<{verp.sender(message(1))}>" in server.lines[1]
    ((_, text),) = server.taken
    assert text.startswith(b"DKIM-Signature: v=1; a=ed25519-sha256;")
    assert text.count(b"\r\nFrom: abuse@provider.example\r\n") == 1
