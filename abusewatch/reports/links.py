"""The customer's link to the page of his case: a name that only we can make, that ends, and that says nothing by itself.

TOKEN is base64url of year, number and end (11 bytes) and the first 16 bytes of an HMAC over them. It is the whole
authority: who has the mail has the page. So it stands in mail to the customer and nowhere else, not even in our log.
"""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass, field

from abusewatch.reports.identity import keyed

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
TOKEN_CHARACTERS = 36
LEAST_KEY_BYTES = 16
FORM_US = 12 * HOUR_US
"""How long a form that was shown may be sent: a working day, so that a page left open still works."""

_CASE = re.compile(r"AW-(\d{4})-(\d{6,})")
_MAC_BYTES = 16
_BODY_BYTES = 11


class UnknownLinkError(ValueError):
    """Not a link of ours."""


class ExpiredLinkError(ValueError):
    """A link of ours whose time is over; `case` is what it led to."""

    def __init__(self, case: str) -> None:
        """Keep the case, in whose language the page may say so."""
        super().__init__("this link has ended")
        self.case = case


@dataclass(frozen=True, slots=True)
class Links:
    """Makes and reads links. `url` is what the public calls the page, ending in a slash; `days` is how long a link works."""

    url: str
    key: bytes = field(repr=False)
    days: int = 30

    def __post_init__(self) -> None:
        """Refuse a key that can be guessed."""
        if len(self.key) < LEAST_KEY_BYTES:
            raise ValueError(f"the key of the customer page is shorter than {LEAST_KEY_BYTES} bytes")

    def until_us(self, now_us: int) -> int:
        """Tell when a link made now ends: a whole hour, so that one hour's links to a case are one link."""
        return (now_us // HOUR_US + 1) * HOUR_US + self.days * DAY_US

    def link(self, case: str, now_us: int) -> str:
        """Make the link to a case."""
        return self.url + self.token(case, self.until_us(now_us))

    def token(self, case: str, until_us: int) -> str:
        """Make the last part of a link."""
        year, number = self._numbers(case)
        body = year.to_bytes(2) + number.to_bytes(5) + (until_us // HOUR_US).to_bytes(4)
        return base64.urlsafe_b64encode(body + self._mac(body)).decode("ascii").rstrip("=")

    def case(self, token: str, now_us: int) -> str:
        """Read a link: the case it leads to. UnknownLinkError, or ExpiredLinkError for one that was ours and has ended.

        A wrong token takes as long as a right one: the code is compared before anything is looked up.
        """
        try:
            raw = base64.b64decode(token.ljust(TOKEN_CHARACTERS, "="), b"-_", validate=True)
        except (ValueError, binascii.Error):
            raw = b""
        sound = len(token) == TOKEN_CHARACTERS and len(raw) == _BODY_BYTES + _MAC_BYTES
        body, code = (raw[:_BODY_BYTES], raw[_BODY_BYTES:]) if sound else (bytes(_BODY_BYTES), bytes(_MAC_BYTES))
        if not hmac.compare_digest(code, self._mac(body)) or not sound:
            raise UnknownLinkError("not a link of ours")
        case = f"AW-{int.from_bytes(body[:2]):04d}-{int.from_bytes(body[2:7]):06d}"
        if now_us >= int.from_bytes(body[7:]) * HOUR_US:
            raise ExpiredLinkError(case)
        return case

    def form(self, token: str, now_us: int) -> str:
        """Make what a form of this page must bring back: only a page that was shown has it, for `FORM_US`."""
        stamp = f"{now_us // HOUR_US:x}"
        return f"{stamp}.{keyed(self.key, 'form', token, stamp).hex()[:32]}"

    def form_is_ours(self, token: str, shown: str, now_us: int) -> bool:
        """Whether a form was made here, for this link, and not too long ago."""
        stamp = shown.partition(".")[0]
        hours = int(stamp, 16) if re.fullmatch(r"[0-9a-f]{1,8}", stamp) else 0
        ours = hmac.compare_digest(self.form(token, hours * HOUR_US).encode(), shown.encode(errors="replace"))
        return ours and -HOUR_US <= now_us - hours * HOUR_US <= FORM_US

    def _mac(self, body: bytes) -> bytes:
        return keyed(self.key, "page", body.hex())[:_MAC_BYTES]

    @staticmethod
    def _numbers(case: str) -> tuple[int, int]:
        found = _CASE.fullmatch(case)
        if found is None:
            raise ValueError(f"{case!r} is not the number of a case")
        return int(found[1]), int(found[2])
