"""Compiled conditions say what a reader, row by row, would say."""

import ipaddress
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abusewatch.detect.check import Scope
from abusewatch.detect.columns import CONVERSATION, RECORD, Column
from abusewatch.detect.compile import compile_groups, compile_rows, compile_values
from abusewatch.detect.expression import Binary, Call, In, Logic, Name, Negation, Not, Number, Prefix, Range
from abusewatch.detect.parse import parse
from abusewatch.detect.units import number
from abusewatch.model import address

from .trees import conditions

WORDS = {"tcp": 6, "udp": 17, "S": 2, "SA": 18, "RA": 20, "syn": 2, "ack": 16, "fin": 1, "rst": 4, "psh": 8, "urg": 32}
COMPARE = {
    "=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


def naive(node, row):  # noqa: PLR0911  one line a kind of node
    """The language as a person would explain it, one row at a time, on the tree as written."""
    match node:
        case Number():
            return node.value / 100 if node.unit == "%" else node.value * {"": 1, "k": 1000, "s": 1}[node.unit]
        case Name(name=name):
            return row[name] if name in row else WORDS[name]
        case Prefix(network=network):
            return network
        case Negation(operand=operand):
            return -naive(operand, row)
        case Not(operand=operand):
            return not naive(operand, row)
        case Logic(op=op, parts=parts):
            return (all if op == "and" else any)(naive(part, row) for part in parts)
        case Call(function="max" | "min" as function, arguments=arguments):
            return (max if function == "max" else min)(naive(a, row) for a in arguments)
        case Call(function="flag", arguments=arguments):
            return all(row["flags"] & naive(a, row) for a in arguments)
        case Call(function="flags_are", arguments=arguments):
            return row["flags"] & 63 == sum({naive(a, row) for a in arguments})
        case Binary(op=op, left=Name(name="flags"), right=right):
            return COMPARE[op](row["flags"] & 63, naive(right, row))
        case Binary(op=op, left=left, right=right) if op in COMPARE:
            return COMPARE[op](naive(left, row), naive(right, row))
        case Binary(op=op, left=left, right=right):
            a, b = naive(left, row), naive(right, row)
            return {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else math.nan}[op]
        case In(operand=operand, choices=choices, negated=negated):
            value = naive(operand, row)
            return any(_holds(item, value, row) for item in choices.items) != negated
    raise AssertionError(node)


def _holds(item, value, row):
    if isinstance(item, Range):
        return naive(item.low, row) <= value <= naive(item.high, row)
    if isinstance(item, Prefix):
        net, ip = ipaddress.ip_network(item.network), ipaddress.ip_address(value)
        if net.prefixlen == 0 and net.version == 6:
            return True  # ::/0 holds the mapped IPv4 addresses as well
        return ip.version == net.version and ip in net
    return value == naive(item, row)


rows = st.lists(
    st.fixed_dictionaries(
        {
            "src": st.sampled_from(["10.1.2.3", "192.0.2.7", "2001:db8::1", "2001:db8:0:1::9", "198.51.100.1"]),
            "dst": st.sampled_from(["10.1.2.3", "192.0.2.7", "2001:db8::1", "203.0.113.1"]),
            "src_port": st.sampled_from([0, 22, 1024, 65535]),
            "dst_port": st.sampled_from([0, 22, 80, 1024, 65535]),
            "protocol": st.sampled_from([1, 6, 17, 50]),
            "flags": st.integers(0, 255),
            "packets": st.sampled_from([1, 2, 5, 1000, 2**40]),
            "bytes": st.sampled_from([0, 40, 1500, 2**50]),
            "outbound": st.booleans(),
            "internal": st.booleans(),
        }
    ),
    min_size=1,
    max_size=6,
)
DTYPES = {"src_port": np.uint16, "dst_port": np.uint16, "protocol": np.uint8, "flags": np.uint8, "packets": np.uint64, "bytes": np.uint64}


def columns_of(found):
    columns = {name: np.array([row[name] for row in found], DTYPES.get(name, np.bool_)) for name in found[0] if name not in {"src", "dst"}}
    for name in ("src", "dst"):
        halves = [address.parse(row[name]) for row in found]
        columns[f"{name}_hi"], columns[f"{name}_lo"] = (np.array(half, np.uint64) for half in zip(*halves, strict=True))
    return columns


@given(conditions, rows)
@settings(deadline=None)
def test_columns_agree_with_a_reader(tree, found):
    mask = compile_rows(Scope(RECORD).condition(tree))(columns_of(found))
    assert mask.dtype == np.bool_
    assert mask.tolist() == [bool(naive(tree, row)) for row in found]


@given(conditions, rows)
@settings(deadline=None)
def test_columns_are_left_as_they_were(tree, found):
    columns = columns_of(found)
    before = {name: column.copy() for name, column in columns.items()}
    for column in columns.values():
        column.flags.writeable = False
    compile_rows(Scope(RECORD).condition(tree))(columns)
    assert all((columns[name] == before[name]).all() for name in before)


def test_no_condition_is_every_row():
    assert compile_rows(None) is None


def test_unsigned_columns_never_wrap():
    condition = Scope(CONVERSATION).condition(parse("packets - reply_packets > 0"))
    columns = {"packets": np.array([1, 3], np.uint64), "reply_packets": np.array([2, 2], np.uint64)}
    assert compile_rows(condition)(columns).tolist() == [False, True]


def test_a_record_of_no_packets_is_neither_small_nor_large():
    columns = {"packets": np.array([0], np.uint64), "bytes": np.array([100], np.uint64)}
    for text in ("bytes / packets < 400", "bytes / packets >= 400"):
        assert not compile_rows(Scope(RECORD).condition(parse(text)))(columns).any()


def test_conditions_over_measures():
    measures = {name: Column(number(), "") for name in ("sessions", "typical")} | {"span_minutes": Column(number(least=0.5), "")}
    when = Scope(measures, {}, "measure").condition(parse("sessions >= 20 and sessions / span_minutes >= 1.5 and typical <= 60"))
    values = {"sessions": np.array([20.0, 20.0, 19.0]), "typical": np.array([10.0, 10.0, 10.0]), "span_minutes": np.array([10.0, 20.0, 0.5])}
    assert compile_groups(when)(values).tolist() == [True, False, False]


def test_values():
    ratio, _ = Scope(RECORD).number(parse("bytes / packets"))
    columns = {"packets": np.array([1, 4], np.uint64), "bytes": np.array([100, 100], np.uint64)}
    assert compile_values(ratio)(columns).tolist() == [100.0, 25.0]
    plain, _ = Scope(RECORD).number(parse("packets"))
    assert compile_values(plain)(columns) is columns["packets"]


@pytest.mark.parametrize("tree", [Number(1.0), Binary("+", Name("packets"), Number(1.0))])
def test_what_is_no_condition_is_not_compiled(tree):
    with pytest.raises(TypeError, match="not a bound condition"):
        compile_rows(tree)
