"""NetFlow v9 (RFC 3954), with the sampling rate announced in options data."""

import struct
from collections import Counter
from collections.abc import Iterator

from abusewatch.model.flow import FlowBatch
from abusewatch.sources.encode.datagram import LIMIT_BYTES, Datagram
from abusewatch.sources.encode.template import SAMPLING, UPTIME_MS, Templates, announcement, data_set
from abusewatch.sources.encode.uptime import by_boot, clock

HEADER = struct.Struct(">HHIIII")
TEMPLATE_SET, OPTIONS_SET = 0, 1
SCOPE_SYSTEM = 1
REFRESH = 20
"""Datagrams between two sendings of the templates; a collector that starts late waits no longer."""


class Netflow9:
    """An exporter of version 9."""

    def __init__(self, rate: int, domain: int, skipped: Counter[str]) -> None:
        """Announce `rate` (0: unknown, nothing is announced); `domain` becomes the source id."""
        self._rate = rate
        self._domain = domain
        self._skipped = skipped
        self._templates = Templates(UPTIME_MS)
        self._sequence = 0  # counts datagrams (5.1)
        self._until_refresh = 0

    def encode(self, batch: FlowBatch) -> Iterator[Datagram]:
        """Make datagrams of the rows, templates among them."""
        for boot_ms, part in by_boot(batch, self._skipped):
            for rows, sets in self._templates.data_sets(part, LIMIT_BYTES - HEADER.size, boot_ms):
                newest_us = int(rows.end_us.max())
                if not self._until_refresh:
                    self._until_refresh = REFRESH
                    yield Datagram(self._announcement(newest_us, boot_ms), newest_us, 0)
                self._until_refresh -= 1
                yield Datagram(self._header(newest_us, boot_ms, len(rows)) + sets, newest_us, len(rows))

    def _header(self, newest_us: int, boot_ms: int, count: int) -> bytes:
        now = clock(newest_us, boot_ms)
        sequence = self._sequence
        self._sequence = (sequence + 1) & 0xFFFF_FFFF
        return HEADER.pack(9, count, now.uptime_ms, now.unix_secs, sequence, self._domain)

    def _announcement(self, newest_us: int, boot_ms: int) -> bytes:
        """Write the templates and, if the rate is known, its options templates (6.1) and data."""
        sets = data_set(TEMPLATE_SET, self._templates.definitions())
        count = 2
        for number, fields in SAMPLING.items() if self._rate else ():
            scope, spec = struct.pack(">HH", SCOPE_SYSTEM, 4), b"".join(struct.pack(">HH", *f) for f in fields)
            sets += data_set(OPTIONS_SET, struct.pack(">HHH", number, len(scope), len(spec)) + scope + spec)
            sets += data_set(number, struct.pack(">I", self._domain) + announcement(fields, self._rate))
            count += 2
        return self._header(newest_us, boot_ms, count) + sets
