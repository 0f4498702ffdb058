"""An incident: one per customer and kind while it lasts, and one per act. It carries what several findings have in common."""

import msgspec

from abusewatch.model.finding import Detection


class Incident(msgspec.Struct, frozen=True):
    """`id` is what people quote (AW-2026-000123); `customer` is the customer's id, or `address:ADDR` when no inventory names one.

    `state` is one of `incidents.lifecycle.STATES`. `detections` holds the newest version of each finding, by episode.
    `kind` is the strongest claim of its findings (`model.claims`). `also` are the other kinds in it, of the same act or of
    cases that were merged into this one: findings of these kinds come here while it lasts. `merged_into` is the case that
    took over this one.
    """

    id: str
    customer: str
    kind: str
    state: str
    severity: str
    confidence: float
    basis: str
    first_us: int
    last_us: int
    detections: tuple[Detection, ...]
    opened_us: int
    updated_us: int
    notified_us: int | None = None
    also: tuple[str, ...] = ()
    merged_into: str = ""
