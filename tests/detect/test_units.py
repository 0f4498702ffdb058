"""Names of units and types, as faults show them."""

import pytest

from abusewatch.detect.units import (
    ADDRESS,
    BITS,
    BOOLEAN,
    BYTES,
    PACKETS,
    PLAIN,
    PORT,
    SECONDS,
    code,
    number,
    times,
    unit_text,
)


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        (PLAIN, "a plain number"),
        (BYTES, "bytes"),
        (times(BITS, SECONDS, -1), "bits/seconds"),
        (times(PACKETS, PACKETS), "packets*packets"),
        (times(PLAIN, SECONDS, -1), "1/seconds"),
        (times(BYTES, BYTES, -1), "a plain number"),
    ],
)
def test_units(unit, said):
    assert unit_text(unit) == said


def test_types():
    assert [str(kind) for kind in (number(BYTES), code(PORT), BOOLEAN, ADDRESS)] == ["bytes", "port", "a condition", "an address"]
