"""Measures, keys and sets, bound."""

import pytest

from abusewatch.detect.binding import bind_key, bind_measure, bind_set
from abusewatch.detect.check import Scope
from abusewatch.detect.columns import CONVERSATION, RECORD
from abusewatch.detect.expression import Name, RuleError, text
from abusewatch.detect.functions import MEASURES
from abusewatch.detect.parse import parse
from abusewatch.detect.rule import Key
from abusewatch.detect.units import BITS, PACKETS, PLAIN, SECONDS, times

SCOPE = Scope(CONVERSATION)


def measure(source, scope=SCOPE, above=None):
    return bind_measure("m", source, scope, above or {})


@pytest.mark.parametrize("usage", [function.usage for name, function in MEASURES.items() if name != "baseline"])
def test_every_usage_in_the_table_is_right(usage):
    assert measure(usage).function == usage.partition("(")[0]


def test_parts():
    assert measure("distinct(dst, net(dst, 24, 48), dst_port)").keys == (
        Key("dst", "dst"), Key("net(dst, 24, 48)", "dst", 24, 48), Key("dst_port", "dst_port"),
    )  # fmt: skip
    assert measure("share_within(packets, 3 + 15%)").tolerance == (3, 0.15)
    assert measure("share_within(packets, 15%)").tolerance == (0, 0.15)
    assert measure("share_within(packets, 3)").tolerance == (3, 0)
    assert measure("percentile(bytes, 95)").percent == 95
    assert text(measure("share(bytes / packets < 400 and duration >= 20s)").value) == "bytes / packets < 400 and duration >= 20s"
    assert text(measure("count() where outcome != answered").where) == "outcome != 2"
    assert measure("sum(bytes)").value == Name("bytes")


def test_units():
    assert measure("rate(packets)").type.unit == times(PACKETS, SECONDS, -1)
    assert bind_measure("m", "rate(bits)", Scope(RECORD), {}).type.unit == times(BITS, SECONDS, -1)
    assert measure("median(packets)").type.unit == PACKETS
    assert measure("distinct(dst)").type.unit == PLAIN


@pytest.mark.parametrize(
    ("source", "least"),
    [
        ("count()", 1),
        ("distinct(dst)", 1),
        ("sum(packets)", 1),
        ("median(packets)", 1),
        ("count() where internal", 0),
        ("sum(bytes)", 0),
        ("rate(packets)", 0),
        ("share(internal)", 0),
        ("min(packets) where internal", 0),
    ],
)
def test_what_can_be_zero(source, least):
    assert measure(source).type.least == least


def test_baseline_names_a_measure_above():
    usual = measure("baseline(servers, 14d, same_hour)", above={"servers": measure("sum(packets)")})
    assert (usual.of, usual.history_secs, usual.season, usual.type.unit) == ("servers", 14 * 86400, "same_hour", PACKETS)
    for wrong in ("baseline(other, 14d, same_hour)", "baseline(servers, 14, same_hour)", "baseline(servers, 14d, tuesday)", "baseline(servers, 2d, same_hour)"):
        with pytest.raises(RuleError):
            measure(wrong, above={"servers": measure("count()")})
    with pytest.raises(RuleError, match="a baseline of a baseline"):
        measure("baseline(usual, 14d, same_hour)", above={"usual": usual})


@pytest.mark.parametrize(
    "source", ["net(dst)", "net(dst, 33, 48)", "net(dst, 24, 129)", "net(dst, 24.5, 48)", "net(dst_port, 8, 8)", "packets + 1", "nothing", "f(dst)"]
)
def test_what_is_no_key(source):
    with pytest.raises(RuleError):
        bind_key(parse(source), CONVERSATION)


def test_sets():
    assert text(bind_set([22, "1..1k", "10.0.0.0/8", "tcp"])) == "(22, 1..1k, 10.0.0.0/8, tcp)"
    for wrong in ([], [1.5], [True], [[1]], ["1.."], [-1]):
        with pytest.raises(RuleError):
            bind_set(wrong)
