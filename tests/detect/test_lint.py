"""What lint warns of; its errors are held by tests/rules/bad."""

from pathlib import Path

import pytest

from abusewatch.detect.lint import ERRORS, WARNINGS
from abusewatch.detect.load import load

GOOD = Path(__file__).resolve().parent.parent / "rules" / "good"


def warnings(tmp_path, name, *changes):
    source = (GOOD / f"{name}.toml").read_text()
    for before, after in changes:
        assert before in source
        source = source.replace(before, after)
    (tmp_path / f"{name}.toml").write_text(source)
    loaded = load([tmp_path])
    assert loaded.faults == ()
    return [f"{warning.line}: {warning.message}" for warning in loaded.warnings]


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("scan-icmp", ('because = "measured on the benchmark"\n', ""), "18: a threshold without a reason"),
        ("scan-icmp", ('lookalikes = ["something harmless"]\n', ""), "30: no look-alikes: what harmless thing resembles this?"),
        ("scan-icmp", ('[[test]]\ncapture = "scan-icmp"\n', ""), "1: no test in which the rule fires"),
        ("scan-icmp", ('expect = "nothing"\n', ""), "1: no test in which the rule must stay silent"),
        ("scan-icmp", ('hosts = "distinct(dst)"', 'hosts = "distinct(dst)"\nrows = "count()"'), "17: no condition uses rows"),
        ("scan-icmp", ("hosts >= 50", "hosts <= 50"), "20: some way to fulfil this needs no measure to reach a number: every group is computed"),
        ("flood-oneway", ("pps >= 300 or", "pps <= 300 or"), "26: some way to fulfil this needs no measure to reach a number: every group is computed"),
        (
            "flood-oneway",
            ('where = "not', 'where = "outbound and not'),
            "21: always 0: match.where lets no row through in which inbound is true",
        ),
    ],
)  # fmt: skip
def test_warnings(tmp_path, name, change, said):
    assert said in warnings(tmp_path, name, change)


def test_every_check_is_listed():
    import abusewatch.detect.lint as module

    checks = {value for name, value in vars(module).items() if name.startswith("_") and getattr(value, "__annotations__", {}).get("return") == module.Iterator[module.Remark]}
    assert checks == {*ERRORS, *WARNINGS}
