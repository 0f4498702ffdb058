"""The view: what one audience may see of an incident, and nothing besides.

A value the rule does not let out is empty: "" for a text, 0 for a number, () for a list. There is no field for
anything else.
"""

import msgspec

from abusewatch.model.finding import EvidenceRow
from abusewatch.model.message import Audience


class Seen(msgspec.Struct, frozen=True):
    """One attacked address of the reader's, with totals for it alone and a few of its records.

    Times are microseconds since the epoch, UTC. Each row is an `EvidenceRow` in which only the fields the rule listed
    are filled.
    """

    address: str
    flows: int
    packets: int
    bytes: int
    first_us: int
    last_us: int
    ports: tuple[int, ...]
    rows: tuple[EvidenceRow, ...]


class Sighting(msgspec.Struct, frozen=True):
    """One finding as this audience may see it.

    Operator: `targets` are its own addresses, the totals are sums over them, `networks` is empty and `others` counts
    the attacked addresses of other networks. Customer: `targets` is empty, `networks` names the attacked networks
    (/24, /48), the totals are those of the whole finding and `others` counts all attacked addresses. Desk: both.
    `targets_more` and `networks_more` count what the caps left out. `offender` is "" where it is not ours: a forged
    source is somebody else's address.
    """

    episode: str
    rule: str
    title: str
    because: str
    severity: str
    offender: str
    protocol: str
    src_ports: tuple[int, ...]
    target_ports: tuple[int, ...]
    first_us: int
    last_us: int
    flows: int
    packets: int
    bytes: int
    sampling_rate: int
    coverage: float
    confidence: float
    basis: str
    measures: dict[str, float | int]
    peak_pps: float
    peak_bps: float
    targets: tuple[Seen, ...]
    targets_more: int
    networks: tuple[str, ...]
    networks_more: int
    others: int


class View(msgspec.Struct, frozen=True):
    """An incident for one audience.

    `digest` (sha256, hex) is the same in every view of one state of the incident, so that both sides can be shown to
    have been told of the same evidence.
    """

    incident: str
    audience: Audience
    sightings: tuple[Sighting, ...]
    digest: str
