"""Delivery to a smart host by SMTP: one connection a batch, one recipient a message, every end of a talk an outcome.

Never to remote MXs: MTA-STS, DANE and their retries are a mail server's work (standards.md 1.3).
"""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import aiosmtplib

from abusewatch.model.mailbox import AddressError, addr_spec
from abusewatch.model.message import Message
from abusewatch.outbox.bounces import Verp
from abusewatch.outbox.delivery import DEADLINE_SECS
from abusewatch.outbox.dkim import DkimKey, sign
from abusewatch.outbox.smime import Smime
from abusewatch.outbox.states import Outcome

TEXT_CHARACTERS = 200
"""Of a server's words; enough for the reason, and no room to fill our disk."""

_OURS_TO_MEND = frozenset({503, 530, 534, 535, 538})
"""5xx that speak of our session (sequence, authentication, encryption), not of the message.

Mended by us, so tried again.
"""


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Where mail is handed over.

    `tls`: `required` (STARTTLS, certificate verified), `implicit` (port 465), `none` (loopback).
    """

    host: str
    port: int = 25
    tls: Literal["required", "implicit", "none"] = "required"
    ca_file: Path | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    helo: str | None = None
    command_secs: float = 30.0
    message_secs: float = DEADLINE_SECS


@dataclass(frozen=True, slots=True)
class Seal:
    """How a mail is made ours on its way out: S/MIME within, DKIM above it, and an envelope sender bounces come back to."""

    domain: str = ""
    keys: tuple[DkimKey, ...] = ()
    verp: Verp | None = None
    smime: Smime | None = None

    def sender(self, message: Message) -> str:
        """Choose the envelope sender."""
        return self.verp.sender(message) if self.verp else message.sender

    def sign(self, message: Message) -> bytes:
        """Sign the mail as it leaves."""
        raw = self.smime.sign(message.raw) if self.smime else message.raw
        return sign(raw, self.domain, self.keys, time.time_ns() // 1000) if self.keys else raw


class SmtpTransport:
    """Hands messages to the smart host."""

    def __init__(self, settings: SmtpSettings, seal: Seal | None = None) -> None:
        """Take the settings; nothing is opened before the first message."""
        self._settings = settings
        self._seal = seal or Seal()

    async def send(self, messages: Sequence[Message]) -> AsyncGenerator[Outcome, None]:
        """Send in order.

        A connection that breaks is made anew once for the next message; one that cannot be made ends it.
        """
        client: aiosmtplib.SMTP | None = None
        broken: Outcome | None = None
        try:
            for message in messages:
                if broken is None and (client is None or not client.is_connected):
                    client, broken = await self._connect()
                if broken is not None or client is None:
                    yield broken or Outcome("deferred", 0, "not connected")
                    continue
                yield await self._one(client, message)
        finally:
            if client is not None:
                await _leave(client)

    async def _connect(self) -> tuple[aiosmtplib.SMTP | None, Outcome | None]:
        """Open, greet, encrypt and log in, all within one deadline: (client, None), or (None, why not)."""
        s = self._settings
        client = aiosmtplib.SMTP(
            hostname=s.host,
            port=s.port,
            timeout=s.command_secs,
            local_hostname=s.helo,
            username=s.username,
            password=s.password,
            use_tls=s.tls == "implicit",
            start_tls=s.tls == "required",
            tls_context=None if s.tls == "none" else ssl.create_default_context(cafile=s.ca_file),
        )
        try:
            async with asyncio.timeout(s.message_secs):
                await client.connect()
        except aiosmtplib.SMTPResponseException as error:
            client.close()
            return None, Outcome("deferred", error.code, _clean(error.message))
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:  # ValueError: TLS and the like
            client.close()
            return None, Outcome("deferred", 0, _clean(f"{type(error).__name__}: {error}"))
        return client, None

    async def _one(self, client: aiosmtplib.SMTP, message: Message) -> Outcome:
        """Send one message to its one recipient. `sent` tells a loss before the text from one after it."""
        try:  # aiosmtplib reads leniently: of "a@b.example,victim@c.example" it sends to the first
            sender, recipient = addr_spec(self._seal.sender(message)), addr_spec(message.recipient)
        except AddressError as error:
            return Outcome("refused", 0, f"an envelope address {error}")
        text = await asyncio.to_thread(self._seal.sign, message)  # RSA takes milliseconds
        sent = False
        try:
            async with asyncio.timeout(self._settings.message_secs):
                await client.mail(sender)
                await client.rcpt(recipient)
                sent = True
                response = await client.data(text)
            return Outcome("accepted", response.code, _clean(response.message))
        except aiosmtplib.SMTPResponseException as error:
            await _reset(client)
            permanent = 500 <= error.code < 600 and error.code not in _OURS_TO_MEND
            return Outcome("refused" if permanent else "deferred", error.code, _clean(error.message))
        except aiosmtplib.SMTPNotSupported as error:
            await _reset(client)
            return Outcome("deferred", 0, _clean(str(error)))
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            client.close()
            return Outcome("unknown" if sent else "deferred", 0, _clean(f"{type(error).__name__}: {error}"))
        except ValueError as error:  # what aiosmtplib refuses to send; UnicodeEncodeError is one of them
            await _reset(client)
            return Outcome("refused", 0, _clean(str(error)))


async def _reset(client: aiosmtplib.SMTP) -> None:
    """Forget a half-made envelope; a server that cannot even do that is left."""
    try:
        await client.rset(timeout=5)
    except (aiosmtplib.SMTPException, OSError, TimeoutError):
        client.close()


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Say goodbye if the other side still listens."""
    try:
        if client.is_connected:
            await client.quit(timeout=5)
    except (aiosmtplib.SMTPException, OSError, TimeoutError):
        pass  # every message has its outcome; a goodbye has none
    finally:
        client.close()


def _clean(text: str) -> str:
    """Keep a server's words to one short line of printable ASCII: they are shown on terminals and kept."""
    line = " ".join(text.split())
    return "".join(c if " " <= c <= "~" else "?" for c in line)[:TEXT_CHARACTERS]
