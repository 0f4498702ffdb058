"""Bounces: which of our mails a server gave back. Envelope senders that only we can make, and an RFC 3464 reader.

Everything in a bounce is written by a stranger. It is read up to a size, by hand and without the mail library (whose
parser fails on 2 kB of nesting, threats.md 0.4), and all it can do is say "your mail with this token did not arrive": the
token is an HMAC, so nobody can say that of a mail he did not get.
"""

import hashlib
import hmac
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from abusewatch.model.message import Message

LARGEST = 256 * 1024
"""Bytes of a bounce that are read; the returned mail behind the report is of no interest."""
_TAG_CHARACTERS = 12
_ID = re.compile(r"[0-9a-f]{32}")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


class Bounce(NamedTuple):
    """What a bounce says of one of our mails.

    `kind`: `failed` (for good: action failed, class 5), or `other` (delayed, relayed, a full mailbox), which changes
    nothing.
    """

    message_id: str
    kind: Literal["failed", "other"]
    status: str


class Verp:
    """Makes and reads envelope senders: bounce+ID-TAG@domain, where ID is that of the Message-ID and TAG an HMAC of it."""

    def __init__(self, key: bytes, domain: str, local: str = "bounce") -> None:
        """Take the key, the domain of our mail and the mailbox that bounces come to."""
        self._key, self._domain, self._local = key, domain.lower(), local
        self._pattern = re.compile(
            rf"{re.escape(local)}\+([0-9a-f]{{32}})-([0-9a-f]{{{_TAG_CHARACTERS}}})@{re.escape(self._domain)}", re.IGNORECASE
        )

    def sender(self, message: Message) -> str:
        """Make the envelope sender of a mail; its plain sender when its name is not one of ours."""
        name = message.message_id.strip("<>").partition("@")[0]
        if not _ID.fullmatch(name):
            return message.sender
        return f"{self._local}+{name}-{self._tag(name)}@{self._domain}"

    def message_id(self, text: str) -> str | None:
        """Find our own address in a text and give the Message-ID it was made for; None when there is none we made."""
        for match in self._pattern.finditer(text):
            name, tag = match[1].lower(), match[2].lower()
            if hmac.compare_digest(tag, self._tag(name)):
                return f"<{name}@{self._domain}>"
        return None

    def _tag(self, name: str) -> str:
        return hmac.digest(self._key, b"bounce\0" + name.encode("ascii"), hashlib.sha256).hex()[:_TAG_CHARACTERS]


def read(raw: bytes, verp: Verp, recipient: str = "") -> Bounce | None:
    """Read a bounce; None when it is not about a mail of ours.

    `recipient` is the envelope recipient when the mail server told it (Delivered-To); else the address is looked for in
    the header. Without a report that says so in RFC 3464's words, a bounce is `other`: an absence note is no failure.
    """
    text = raw[:LARGEST].decode("latin-1").replace("\r\n", "\n")
    header, _, body = text.partition("\n\n")
    ident = verp.message_id(recipient) or verp.message_id(re.sub(r"\n[ \t]+", " ", header))
    if ident is None:
        return None
    for fields in _reports(body):
        status = _STATUS.match(fields.get("status", ""))
        if fields.get("action", "").lower() == "failed" and status and status[0].startswith("5"):
            return Bounce(ident, "failed", status[0])
    return Bounce(ident, "other", "")


def _reports(body: str) -> Iterator[dict[str, str]]:
    """Yield the blocks of header lines that carry an Action (RFC 3464 2.3.3), wherever in the mail they stand."""
    for block in re.split(r"\n[ \t]*\n", body):
        if not re.search(r"^action:", block, re.IGNORECASE | re.MULTILINE):
            continue
        fields: dict[str, str] = {}
        for line in re.sub(r"\n[ \t]+", " ", block).split("\n"):
            name, colon, value = line.partition(":")
            if colon:
                fields.setdefault(name.strip().lower(), value.strip())
        yield fields
