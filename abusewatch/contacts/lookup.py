"""What a source of contacts is, and how one that cannot be asked says so."""

from collections import Counter
from typing import Literal, NamedTuple, Protocol, get_args

from abusewatch.contacts.lpm import Network

Trouble = Literal["budget", "paused", "throttled", "failed", "refused", "unreadable"]
OUTCOMES = ("asked", "found", "nobody", "undeliverable", *get_args(Trouble))
"""What a source counts: questions sent out, what came of every look-up, and mailboxes of domains without a mail server."""


class Found(NamedTuple):
    """A definite answer: who answers for which networks. No `emails`: the source knows nobody."""

    networks: tuple[Network, ...]
    emails: tuple[str, ...]
    name: str


class Unavailable(Exception):  # noqa: N818  # nothing is wrong on our side
    """The source gave no answer now; another time it may. `trouble` is a closed word."""

    def __init__(self, trouble: Trouble) -> None:
        """Take the word."""
        super().__init__(f"look-up not possible: {trouble}")
        self.trouble: Trouble = trouble


class Lookup(Protocol):
    """A source of contacts outside. To ask it discloses whose network is being reported."""

    @property
    def source(self) -> str:
        """`rdap` or `dns`: what the contact's source will say."""

    @property
    def counts(self) -> Counter[str]:
        """`OUTCOMES` since the start, among others."""

    async def lookup(self, address: str) -> Found:
        """Ask about one public address, in bounded time; Unavailable when no answer is to be had now."""
