"""Datagrams that tell what was told before, read together: one in twenty of an exporter's, and each of them walked would cost as much as the other nineteen."""

from dataclasses import dataclass

import numpy as np

from abusewatch.model.flow import I64, U8, Bool
from abusewatch.wire.domains import MAX_RECORDS, Domain
from abusewatch.wire.headers import HEADER_OCTETS, IPFIX
from abusewatch.wire.templates import Template


@dataclass(frozen=True, slots=True)
class Again:
    """Each holds `before` options records and then has nothing or, where `more` (n,), one set of records of a template.

    Of those the sets begin at `start` and have `octets`, as many numbers as there are in `more`.
    """

    before: int
    more: Bool
    template: Template | None = None
    start: int = 0
    octets: I64 | None = None


def told_again(domain: Domain, octets: U8, length: I64) -> Again | None:
    """Read datagrams of one domain, (n, width) octets of which `length` (n,) are theirs; None unless all of them repeat its refrain, octet for octet."""
    refrain, version = domain.refrain, domain.key[1]
    before = refrain.records if refrain is not None and refrain.stands(domain) else None
    if refrain is None or before is None:
        return None
    start, end = HEADER_OCTETS[version], HEADER_OCTETS[version] + len(refrain.octets)
    if int(length.min()) < end or (octets[:, start:end] != np.frombuffer(refrain.octets, np.uint8)).any():
        return None
    if version == IPFIX and (_number(octets, 2) != length).any():
        return None
    more = length > end
    return _with_sets(domain, octets[more], length[more], Again(before, more, start=end), MAX_RECORDS - refrain.limit) if more.any() else Again(before, more)


def _with_sets(domain: Domain, octets: U8, length: I64, again: Again, limit: int) -> Again | None:
    """Add the sets that lie behind, `limit` records at most each; None unless all are of one template that is known, of fixed length, and fill the rest."""
    if int(length.min()) < again.start + 4:
        return None
    number, size = _number(octets, again.start), _number(octets, again.start + 2)
    template = domain.templates.get(int(number[0]))
    alike = bool((number == number[0]).all() and (again.start + size == length).all())
    if template is None or not template.plain or not alike or (int(size.max()) - 4) // template.length > limit:
        return None
    return Again(again.before, again.more, template, again.start + 4, size - 4)


def _number(octets: U8, at: int) -> I64:
    return octets[:, at].astype(np.int64) << 8 | octets[:, at + 1]
