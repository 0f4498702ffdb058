"""Somebody who may be told of a case, and what of it concerns him."""

from typing import NamedTuple

from abusewatch.model.contact import Contact
from abusewatch.model.customer import Customer
from abusewatch.model.message import Audience, Extent


class Reader(NamedTuple):
    """One recipient of one audience. `who` is the operator's contact, or the customer (None: nobody is known, our own desk reads).

    `addresses` are the attacked addresses that are an operator's own, `networks` those he or the customer may read of,
    `last_us` is the last sighting that concerns him, `extent` how far it has gone as he may read of it.
    """

    audience: Audience
    recipient: str
    who: Contact | Customer | None
    last_us: int
    addresses: frozenset[str]
    networks: frozenset[str]
    extent: Extent | None = None

    @property
    def shown(self) -> frozenset[str] | None:
        """The attacked addresses he may see; None where no address is shown but networks."""
        return self.addresses if self.audience == "operator" else None
