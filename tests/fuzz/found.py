"""Inputs to begin with that are not ours: the exports and captures of ABUSEWATCH_CORPUS, where that is set. Read at run time, never kept."""

import os
from pathlib import Path

from tests.fuzz.targets import joined
from tests.wire.test_corpus_exports import datagrams, sets

MOST_OCTETS = 8_192
VERSIONS = {b"\0\5": "netflow5", b"\0\x09": "netflow9", b"\0\x0a": "ipfix", b"\0\0": "sflow"}


def found():
    """Inputs by target; none without a corpus."""
    place = os.environ.get("ABUSEWATCH_CORPUS")
    seeds: dict[str, list[bytes]] = {}
    if not place:
        return seeds
    corpus = Path(place)
    for files, _, _ in sets(corpus).values():
        parts = [part for part in datagrams(files) if len(part) <= 2_040]
        for head, name in VERSIONS.items():
            mine = [part for part in parts if part[:2] == head][:8]
            if name == "sflow":
                seeds.setdefault(name, []).extend(part[8:] for part in mine)
            elif mine:
                seeds.setdefault(name, []).append(joined(part[2:] for part in mine))
    for path in sorted((corpus / "format").iterdir()):
        kind = {".pcap": "pcap", ".pcapng": "pcapng"}.get(path.suffix)
        if kind:
            seeds.setdefault(kind, []).append(path.read_bytes()[:MOST_OCTETS])
    return seeds
