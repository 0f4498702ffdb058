"""IPFIX (RFC 7011), with the sampling rate announced in options data."""

import struct
from collections import Counter
from collections.abc import Iterator

import numpy as np

from abusewatch.model.flow import FlowBatch
from abusewatch.sources.encode.datagram import LIMIT_BYTES, Datagram
from abusewatch.sources.encode.template import EPOCH_MS, SAMPLING, Templates, announcement, data_set

HEADER = struct.Struct(">HHIII")
TEMPLATE_SET, OPTIONS_SET = 2, 3
SCOPE = (149, 4)
"""observationDomainId"""
REFRESH = 20
"""Datagrams between two sendings of the templates; a collector that starts late waits no longer."""


class Ipfix:
    """An exporting process with one observation domain."""

    def __init__(self, rate: int, domain: int, skipped: Counter[str]) -> None:
        """Announce `rate` (0: unknown, nothing is announced)."""
        self._rate = rate
        self._domain = domain
        self._skipped = skipped
        self._templates = Templates(EPOCH_MS)
        self._sequence = 0  # counts data records, templates excluded (3.1)
        self._until_refresh = 0

    def encode(self, batch: FlowBatch) -> Iterator[Datagram]:
        """Make messages of the rows, templates among them."""
        fits = (batch.start_us >= 0) & (batch.end_us >= 0)  # IPFIX knows no time before 1970
        self._skipped["times that IPFIX cannot say"] += int(np.count_nonzero(~fits))
        for rows, sets in self._templates.data_sets(batch.take(fits), LIMIT_BYTES - HEADER.size, 0):
            newest_us = int(rows.end_us.max())
            if not self._until_refresh:
                self._until_refresh = REFRESH
                yield Datagram(self._announcement(newest_us), newest_us, 0)
            self._until_refresh -= 1
            yield Datagram(self._message(newest_us, sets, len(rows)), newest_us, len(rows))

    def _message(self, newest_us: int, sets: bytes, data_records: int) -> bytes:
        sequence = self._sequence
        self._sequence = (sequence + data_records) & 0xFFFF_FFFF
        secs = -(-newest_us // 1_000_000)
        return HEADER.pack(10, HEADER.size + len(sets), secs, sequence, self._domain) + sets

    def _announcement(self, newest_us: int) -> bytes:
        """Write the templates and, if the rate is known, its options templates (3.4.2.2) and data."""
        sets = data_set(TEMPLATE_SET, self._templates.definitions())
        announced = SAMPLING if self._rate else {}
        for number, fields in announced.items():
            spec = (SCOPE, *fields)
            definition = struct.pack(">HHH", number, len(spec), 1)
            sets += data_set(OPTIONS_SET, definition + b"".join(struct.pack(">HH", *f) for f in spec))
            sets += data_set(number, struct.pack(">I", self._domain) + announcement(fields, self._rate))
        return self._message(newest_us, sets, len(announced))
