"""NetFlow v5: one fixed record, so a template and a layout that never change."""

from abusewatch.wire.templates import Template, make_template

RECORD_OCTETS = 48

RECORD: tuple[tuple[int, int], ...] = (
    (8, 4), (12, 4), (15, 4), (10, 2), (14, 2), (2, 4), (1, 4), (22, 4), (21, 4), (7, 2), (11, 2), (210, 1), (6, 1), (4, 1), (5, 1),
    (16, 2), (17, 2), (9, 1), (13, 1), (210, 2),
)  # fmt: skip
"""The record (Cisco, NetFlow Export Datagram Format, table B-4) in IPFIX element numbers and octets; 210 is padding."""

TEMPLATE: Template = make_template(0, [(0, number, octets) for number, octets in RECORD])
