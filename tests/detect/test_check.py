"""What binds, and what is refused; the texts of faults are held by tests/rules/bad."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.detect.check import Scope
from abusewatch.detect.columns import CONVERSATION, GROUP, RECORD, Column
from abusewatch.detect.expression import Choices, Number, RuleError, text
from abusewatch.detect.parse import parse
from abusewatch.detect.units import BYTES, PACKETS, SECONDS, number, times

from .trees import conditions

SETS = {"ports": Choices((Number(22), Number(2222))), "nets": parse("a in (10.0.0.0/8, ::1)").choices}
ROWS = Scope(CONVERSATION, SETS)
MEASURES = {
    "sessions": Column(number(least=1), ""),
    "failed": Column(number(), ""),
    "typical": Column(number(PACKETS, 1), ""),
    "volume": Column(number(BYTES), ""),
    "pps": Column(number(times(PACKETS, SECONDS, -1)), ""),
}
GROUPS = Scope(MEASURES | GROUP, {}, "measure")

BOUND = {
    "protocol = tcp": "protocol = 6",
    "udp = protocol": "17 = protocol",
    "protocol = 50": "protocol = 50",
    "protocol in (icmp, icmp6)": "protocol in (1, 58)",
    "outcome != answered": "outcome != 2",
    "dst_port in $ports": "dst_port in (22, 2222)",
    "dst in nets": "dst in (10.0.0.0/8, ::1/128)",
    "dst_port in 1..1k": "dst_port in (1..1000)",
    "dst_port >= 1024": "dst_port >= 1024",
    "src_port = dst_port": "src_port = dst_port",
    "src = dst": "src = dst",
    "dst = 192.0.2.1": "dst = 192.0.2.1/32",
    "flags = SA": "flags_are(flags, 18)",
    "flags != S": "not flags_are(flags, 2)",
    "flag(syn, ack)": "flag(flags, 18)",
    "reply_flag(rst)": "flag(reply_flags, 4)",
    "duration >= 20s": "duration >= 20s",
    "bytes / packets < 400": "bytes / packets < 400",
    "reply_bytes / max(reply_packets, 1) < 400": "reply_bytes / max(reply_packets, 1) < 400",
    "packets in (3, 5..10)": "packets in (3, 5..10)",
    "bytes > 3 * reply_bytes": "bytes > 3 * reply_bytes",
    "packets > 2 + 15%": "packets > 2 + 15%",
    "bytes / max(duration, 1s) > 1k": "bytes / max(duration, 1s) > 1k",
    "initiator and not internal": "initiator and not internal",
}


@pytest.mark.parametrize(("source", "bound"), BOUND.items(), ids=str)
def test_rows(source, bound):
    assert text(ROWS.condition(parse(source))) == bound


@pytest.mark.parametrize(
    "source",
    [
        "sessions / span_minutes >= 1.5",
        "failed / sessions >= 75%",
        "sessions - failed >= 3",
        "volume / typical > 400",
        "pps >= 300",
        "volume / max(failed, 1) > 3k",
        "volume / (sessions * 2) > 3k",
        "volume / (sessions + failed) > 3k",
        "span_minutes in 1..5",
        "volume / min(sessions, 5) > 3",
    ],
)
def test_groups(source):
    assert text(GROUPS.condition(parse(source))) == text(parse(source))


REFUSED = {
    "initiator = internal": (10, "a condition is not compared"),
    "protocol + 1 = 7": (0, "expected a number, found protocol"),
    "protocol = outcome": (11, "protocol is not compared with outcome"),
    "protocol = packets": (11, "protocol is not compared with packets"),
    "dst_port = packets + 1": (11, "port is not compared with packets"),
    "dst_port = 22.5": (11, "port is a whole number up to 65535"),
    "src > dst": (4, "addresses have no order"),
    "src = packets": (4, "an address is not compared with packets"),
    "10.0.0.1 = 10.0.0.2": (9, "an address is not compared with an address"),
    "initiator in (1)": (0, "a condition is not looked up in a set"),
    "5 in (1, 5)": (0, "a plain number is not looked up in a set"),
    "flags in (1)": (0, "TCP flags is not looked up in a set"),
    "flags = 2": (8, "flags are compared with letters"),
    "flags = X": (8, "flags are compared with letters"),
    "flag()": (0, "flag() needs a flag"),
    "packets in (tcp)": (12, "'tcp' is no number"),
    "packets in (5s)": (12, "units do not fit: packets and seconds"),
    "packets in 10.0.0.0/8": (11, "the set does not hold packets but addresses"),
    "max(packets) > 1": (0, "max() needs two numbers here"),
    "max(packets, bytes) > 1": (0, "units do not fit: packets and bytes"),
    "duration + 5 > 1m": (9, "units do not fit: seconds and a plain number"),
    "bytes / (packets - 1) > 4": (6, "the divisor can be 0"),
    "bytes / 0 > 4": (6, "the divisor can be 0"),
    "bytes / duration > 4": (6, "duration can be 0"),
    "ports": (0, "ports is a set"),
    "answered": (0, "answered is a word for outcome"),
    "dst_port in tcp": (12, "there is no set 'tcp'"),
    "dst_port = src": (11, "port is not compared with an address"),
    "not packets": (4, "expected a condition, found packets"),
}


@pytest.mark.parametrize(("source", "fault"), REFUSED.items(), ids=str)
def test_refused(source, fault):
    with pytest.raises(RuleError) as caught:
        ROWS.condition(parse(source))
    assert (caught.value.at, caught.value.message[: len(fault[1])]) == fault


@pytest.mark.parametrize("source", ["sessions / failed > 1", "sessions / (failed * sessions) > 1", "sessions / (sessions - failed) > 1"])
def test_divisors_that_can_be_zero(source):
    with pytest.raises(RuleError, match="can be 0"):
        GROUPS.condition(parse(source))


def test_a_fault_in_a_named_set_is_found_where_the_set_is_used():
    with pytest.raises(RuleError) as caught:
        ROWS.condition(parse("initiator and protocol in ports and protocol in $ports and dst in ports"))
    assert (caught.value.at, caught.value.message) == (26, "protocol is a whole number up to 255")


@given(conditions)
@settings(deadline=None)
def test_bound_trees_name_columns_only(tree):
    bound = Scope(RECORD).condition(tree)
    assert parse(text(bound))  # still a sentence of the language


COLUMN_WORDS = st.sampled_from(
    ["packets", "bytes", "duration", "dst_port", "protocol", "src", "dst", "flags", "outcome", "initiator", "internal", "tcp", "answered", "1", "20s", "15%", "10.0.0.0/8", "S"]
)
OPERATORS = st.sampled_from(["+", "-", "*", "/", "=", "!=", "<", "<=", ">", ">=", "and", "or", "in"])


@given(st.lists(st.tuples(COLUMN_WORDS, OPERATORS), min_size=1, max_size=6), COLUMN_WORDS)
@settings(deadline=None)
def test_binding_raises_nothing_but_rule_errors(pairs, last):
    source = " ".join(f"{word} {operator}" for word, operator in pairs) + f" {last}"
    at = 0
    try:
        ROWS.condition(parse(source))
    except RuleError as error:
        at = error.at
    assert 0 <= at <= len(source)
