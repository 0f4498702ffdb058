"""A source as the worker knows it: with the decoder that remembers its exporters, and what it has counted."""

from dataclasses import dataclass, field

import numpy as np

from abusewatch.model.flow import FlowBatch
from abusewatch.sources.live.source import CaptureSource
from abusewatch.sources.tcp import TcpSource
from abusewatch.sources.udp import UdpSource
from abusewatch.telemetry import Meter
from abusewatch.wire.datagrams import FlowDecoder

SOURCE_BITS = 20
"""Exporters are numbered by each source from 1; the source's own number stands above these bits."""


@dataclass(slots=True)
class Feed:
    """A source with the decoder that remembers its exporters. `sampling` is used for records that do not tell their rate."""

    source: UdpSource | TcpSource | CaptureSource
    sampling: int
    number: int
    decoder: FlowDecoder = field(init=False)
    decoded: int = 0
    records: int = 0
    received_us: int = 0
    full: bool = False
    lost: int = 0
    meters: dict[str, Meter] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the decoder, which is told the rate too: of NetFlow v5 only it sees that none was named."""
        self.decoder = FlowDecoder(self.sampling)

    def completed(self, batch: FlowBatch) -> FlowBatch:
        """Fill in what the configuration knows better: the sampling rate, and which source an exporter belongs to."""
        if self.sampling:
            unknown = batch.sampling_rate == 0
            if unknown.any():
                rate = np.where(unknown, np.uint32(self.sampling), batch.sampling_rate)
                batch = batch.with_columns(sampling_rate=rate)
        if self.number:
            batch = batch.with_columns(exporter=batch.exporter + np.uint32(self.number << SOURCE_BITS))
        return batch
