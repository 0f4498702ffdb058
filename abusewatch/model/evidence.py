"""The view: what one audience may see of an incident, and nothing besides.

The vocabulary is closed twice: `Row` has no field for anything else, and a field the rule does not list stays None.
"""

import msgspec

from abusewatch.model.message import Audience


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One record, or the sum of several. None: not disclosed to this audience, or not one value.

    `first_seen` and `last_seen` are RFC 3339 UTC; `sessions` and `flows` both count conversations or records;
    `target_prefix` is the /24 or /48.
    """

    src: str | None = None
    src_port: int | None = None
    dst: str | None = None
    target_prefix: str | None = None
    dst_port: int | None = None
    protocol: str | None = None
    first_seen: str | None = None
    last_seen: str | None = None
    sessions: int | None = None
    flows: int | None = None
    packets: int | None = None
    bytes: int | None = None
    flags: int | None = None
    outcome: str | None = None


class Section(msgspec.Struct, frozen=True):
    """One finding as this audience may see it.

    `episode` is an opaque name, the same in every view. `fields` are the names the rule lets out to this audience.
    `total` sums the targets of this view and `targets` counts them; `by_target` sums each (operator, desk: an address;
    customer: a network), the most attacked first; `rows` shows single records in order of time; the `_more` numbers
    count what the caps left out. `resembles` are the benign classes it may be; none for an operator, who is not to learn
    what the customer runs. `offender` is None where it is not ours: a forged source is somebody else's address.
    """

    episode: str
    rule: str
    kind: str
    title: str
    because: str
    severity: str
    confidence: float
    basis: str
    resembles: tuple[str, ...]
    offender: str | None
    protocol: str
    ports: tuple[int, ...]
    src_ports: tuple[int, ...]
    sampling_rate: int
    coverage: float
    peak_pps: float
    peak_bps: float
    fields: tuple[str, ...]
    total: Row
    targets: int
    by_target: tuple[Row, ...]
    by_target_more: int
    rows: tuple[Row, ...]
    rows_more: int


class View(msgspec.Struct, frozen=True):
    """An incident for one audience. `kind` is what leads the findings shown here, which stand in the order of their claims.

    `offenders` are our own addresses only. `targets` counts the attacked addresses this view speaks of, `elsewhere`
    those it must not name. `networks` are the attacked networks (/24, /48), the most attacked first, and
    `networks_more` counts those over the cap. `digest` is the same in every view of one state of the incident, so that
    both sides can be shown to have been told of the same evidence.
    """

    incident: str
    audience: Audience
    kind: str
    first_us: int
    last_us: int
    offenders: tuple[str, ...]
    sections: tuple[Section, ...]
    targets: int
    elsewhere: int
    networks: tuple[str, ...]
    networks_more: int
    digest: str
