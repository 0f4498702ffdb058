"""What we have learned of mailboxes: which bounce, and who said "no more".

An opt-out holds for the whole network until a person lifts it (RFC 6650 5): no other mailbox of the same operator is
tried instead. A mailbox that keeps bouncing is passed over for a month; the operator's next one is tried.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

BOUNCES = 3
"""Hard bounces without a delivery between them. One can be a full mailbox or a mistake of a gateway."""
PASSED_OVER_US = 30 * 86_400_000_000


class Standing(msgspec.Struct, frozen=True):
    """What is known of one mailbox. `opted_out_us` None: never said no; `bounces` since the last delivery."""

    bounces: int = 0
    bounced_us: int | None = None
    opted_out_us: int | None = None

    def bounced(self, now_us: int) -> "Standing":
        """Count one more bounce; one that is a month old no longer counts with it."""
        recent = self.bounced_us is not None and now_us - self.bounced_us < PASSED_OVER_US
        return msgspec.structs.replace(self, bounces=self.bounces * recent + 1, bounced_us=now_us)

    def bouncing(self, now_us: int) -> bool:
        """Whether it is to be passed over for its bounces."""
        return self.bounces >= BOUNCES and self.bounced_us is not None and now_us - self.bounced_us < PASSED_OVER_US


GOOD = Standing()


class ContactHealth(Protocol):
    """Remembers mailboxes. Any thread may call; mailboxes are compared without regard to case."""

    def standing(self, emails: Iterable[str]) -> Mapping[str, Standing]:
        """Give what is known of mailboxes, by lower-case mailbox; one that nothing is known of is left out."""

    def bounced(self, email: str, now_us: int) -> None:
        """Note a hard bounce (RFC 3464 Action: failed, class 5)."""

    def delivered(self, email: str) -> None:
        """Note that a mail was taken for good; bounces before it no longer count."""

    def opted_out(self, email: str, now_us: int) -> None:
        """Note that the reader of our mails wants no more."""

    def restore(self, email: str) -> None:
        """Forget all about a mailbox: a person has cleared it up."""


class MemoryHealth:
    """Health that forgets with the process."""

    def __init__(self) -> None:
        """Start with nothing known."""
        self._known: dict[str, Standing] = {}

    def standing(self, emails: Iterable[str]) -> Mapping[str, Standing]:
        """Give what is known of mailboxes."""
        return {key: self._known[key] for email in emails if (key := email.lower()) in self._known}

    def bounced(self, email: str, now_us: int) -> None:
        """Note a hard bounce."""
        self._known[email.lower()] = self._known.get(email.lower(), GOOD).bounced(now_us)

    def delivered(self, email: str) -> None:
        """Forget bounces."""
        one = self._known.get(email.lower())
        if one:
            self._known[email.lower()] = msgspec.structs.replace(one, bounces=0, bounced_us=None)

    def opted_out(self, email: str, now_us: int) -> None:
        """Note an opt-out; the first one counts."""
        one = self._known.get(email.lower(), GOOD)
        self._known[email.lower()] = msgspec.structs.replace(one, opted_out_us=one.opted_out_us or now_us)

    def restore(self, email: str) -> None:
        """Forget all about a mailbox."""
        self._known.pop(email.lower(), None)
