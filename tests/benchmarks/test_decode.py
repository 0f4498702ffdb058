"""The benchmark of decoding decodes what it means to: every record comes out, and nothing is passed over or mended on the way."""

from benchmarks import decode


def test_every_case_is_measured():
    rows = list(decode.figures(60, 2))
    assert [row["case"] for row in rows] == list(decode.CASES)
    assert all(row["ns_per_record"] > 0 and row["records"] > 60 for row in rows)
    assert [row["bar"] for row in rows] == [60, 100, 100, 100, 135, 250, 650]
    assert "MISSED" in decode.line({"case": "x", "ns_per_record": 2.0, "bar": 1, "us_per_datagram": 0.0})
