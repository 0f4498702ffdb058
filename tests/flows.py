"""Small flow batches for tests, written as text a person can check."""

import numpy as np

from abusewatch.model import address
from abusewatch.model.flow import FlowBatch, batch_of

LETTERS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, ".": 0}
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmp6": 58, "sctp": 132, "gre": 47, "esp": 50}
T0 = 1_767_571_200


def flows(*lines: str) -> FlowBatch:
    """Read lines of `start end src:port dst:port protocol packets bytes flags`, times in seconds after T0; IPv6 as [addr]:port."""
    parsed = [line.split() for line in lines]
    src, dst = ([_end(row[n]) for row in parsed] for n in (2, 3))
    return batch_of(
        len(parsed),
        start_us=np.array([round((T0 + float(row[0])) * 1e6) for row in parsed], np.int64),
        end_us=np.array([round((T0 + float(row[1])) * 1e6) for row in parsed], np.int64),
        src_hi=np.array([a[0] for a, _ in src], np.uint64), src_lo=np.array([a[1] for a, _ in src], np.uint64),
        dst_hi=np.array([a[0] for a, _ in dst], np.uint64), dst_lo=np.array([a[1] for a, _ in dst], np.uint64),
        src_port=np.array([p for _, p in src], np.uint16), dst_port=np.array([p for _, p in dst], np.uint16),
        protocol=np.array([PROTOCOLS[row[4]] for row in parsed], np.uint8), packets=np.array([int(row[5]) for row in parsed], np.uint64),
        bytes=np.array([int(row[6]) for row in parsed], np.uint64), flags=np.array([sum(LETTERS[c] for c in row[7]) for row in parsed], np.uint8),
        frame=np.arange(1, len(parsed) + 1),
    )


def _end(text: str):
    host, _, port = text.rpartition(":")
    return address.parse(host.strip("[]")), int(port)
