"""Flow batches to export datagrams, as a router would send them: for the demonstration, for tests and for load.

Nothing here is on the daemon's way. The order is a router's too: sample packets, meter them into flow records, encode.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from abusewatch.model.flow import FlowBatch
from abusewatch.sources.encode.datagram import Datagram
from abusewatch.sources.encode.ipfix import Ipfix
from abusewatch.sources.encode.meter import Meter
from abusewatch.sources.encode.netflow5 import Netflow5
from abusewatch.sources.encode.netflow9 import Netflow9
from abusewatch.sources.encode.sampler import Sampler, spread
from abusewatch.sources.encode.sflow import Sflow

__all__ = ["FORMATS", "Datagram", "Encoding", "encode"]


class Encoder(Protocol):
    """One exporting process with one sampling rate."""

    def encode(self, batch: FlowBatch) -> Iterator[Datagram]:
        """Make datagrams of the batch's records, in order."""


class _MakeEncoder(Protocol):
    def __call__(self, rate: int, domain: int, skipped: Counter[str]) -> Encoder: ...


FORMATS: dict[str, _MakeEncoder] = {"netflow5": Netflow5, "netflow9": Netflow9, "ipfix": Ipfix, "sflow": Sflow}


class Encoding:
    """The datagrams of an export, made while one iterates; `skipped` counts records that could not be said, by reason."""

    def __init__(self, batches: Iterable[FlowBatch], form: str, sampling: int, seed: int) -> None:
        """Take the settings of `encode`; `packets` may be set before the first datagram is asked for."""
        self.skipped: Counter[str] = Counter()
        self._batches = batches
        self._make = FORMATS[form]
        self.packets: bool | None = None
        self._metered = form != "sflow"
        self._sampler = Sampler(sampling, seed)

    def __iter__(self) -> Iterator[Datagram]:
        """Run through the input once."""
        encoders: dict[int, Encoder] = {}
        for batch in self._records():
            for rate in np.unique(batch.sampling_rate).tolist():
                if rate not in encoders:
                    encoders[rate] = self._make(rate, len(encoders) + 1, self.skipped)
                yield from encoders[rate].encode(batch.take(batch.sampling_rate == rate))

    def _records(self) -> Iterator[FlowBatch]:
        sampled = (self._sampler.sample(batch) for batch in self._batches)
        if not self._metered:
            for batch in sampled:
                yield from spread(batch)
            return
        meter = Meter()
        for batch in sampled:
            if self.packets is None and len(batch):
                self.packets = _are_packets(batch)
            yield meter.add(batch) if self.packets else batch
        yield meter.close()


def encode(
    batches: Iterable[FlowBatch], form: str, sampling: int = 1, *, packets: bool | None = None, seed: int = 1
) -> Encoding:
    """Encode batches as `form` (a name in FORMATS), sampled 1:`sampling` first and announced as such.

    `packets` says that a row is a packet, to be metered into flow records (not for sFlow, which exports packets); None:
    look at the first batch. The same seed samples the same packets. ValueError for an unknown format, or a rate that
    the format cannot announce.
    """
    if form not in FORMATS:
        raise ValueError(f"no export format {form!r}; there are {', '.join(FORMATS)}")
    if sampling < 1:
        raise ValueError(f"sampling is 1:N with N of at least 1, not {sampling}")
    FORMATS[form](sampling, 1, Counter())  # refuses a rate it cannot announce now, not in the middle of an export
    encoding = Encoding(batches, form, sampling, seed)
    encoding.packets = packets
    return encoding


def _are_packets(batch: FlowBatch) -> bool:
    return bool((batch.packets == 1).all() and (batch.start_us == batch.end_us).all())
