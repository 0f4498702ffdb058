"""Bound trees to numpy: one closure a node, columns in, a column out. Nothing is evaluated that `check` has not bound.

Comparisons work on the columns as they are; arithmetic is done in float64, so that unsigned columns never wrap. A
quotient by 0 (an exporter that counts no packets) is NaN, which no comparison but != accepts.
"""

import ipaddress
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abusewatch.detect.expression import (
    COMPARISONS,
    Binary,
    Call,
    Choices,
    In,
    Item,
    Logic,
    Name,
    Negation,
    Node,
    Not,
    Number,
    Prefix,
    Range,
)
from abusewatch.model import address
from abusewatch.model.compiled import kernel

KERNEL = kernel("abusewatch.detect._passes")

Columns = Mapping[str, NDArray[Any]]
Condition = Callable[[Columns], NDArray[np.bool_]]
Value = Callable[[Columns], Any]

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
_FLAG_MASK = 0x3F  # ECE and CWR aside, see units.FLAG_BITS
_TABLE_FROM = 3
"""From so many items on, a set of ports is one look-up in a table of booleans instead of a comparison each."""


def compile_rows(condition: Node | None) -> Condition | None:
    """Compile a bound `where`: columns of shape (n,) to a mask of shape (n,). None stays None: every row."""
    return None if condition is None else _condition(condition)


def compile_groups(condition: Node) -> Condition:
    """Compile a bound `when`: arrays of measures, one entry a group, to a mask of groups."""
    return _condition(condition)


def compile_values(value: Node) -> Value:
    """Compile a bound quantity, as in sum(bytes / packets): columns of shape (n,) to an array of shape (n,).

    A mere name gives the column itself, not a copy.
    """
    return _value(value)


def _condition(node: Node) -> Condition:
    match node:
        case Name(name=name):
            return lambda columns: columns[name]
        case Not(operand=operand):
            inner = _condition(operand)
            return lambda columns: np.logical_not(inner(columns))
        case Logic(op=op, parts=parts):
            return _logic(op, [_condition(part) for part in parts])
        case Call(function=function, arguments=(Name(name=column), Number(amount=mask))):
            return _flags(column, int(mask), _FLAG_MASK if function == "flags_are" else int(mask))
        case In(operand=operand, choices=Choices(items=items), negated=negated):
            return _negate(_membership(operand, items), negated=negated)
        case Binary(op=op, left=left, right=right) if op in COMPARISONS:
            return _comparison(op, left, right)
    raise TypeError(f"not a bound condition: {node}")


def _logic(op: str, parts: list[Condition]) -> Condition:
    combine = np.logical_and if op == "and" else np.logical_or

    def evaluate(columns: Columns) -> NDArray[np.bool_]:
        result = combine(parts[0](columns), parts[1](columns))
        for part in parts[2:]:
            combine(result, part(columns), out=result)
        return result

    return evaluate


def _membership(operand: Node, items: tuple[Item, ...]) -> Condition:
    networks = [item.network for item in items if isinstance(item, Prefix)]
    if networks and isinstance(operand, Name):
        return _any_of([_network(operand.name, network) for network in networks])
    return _members(_value(operand), items)


def _any_of(parts: list[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else _logic("or", parts)


def _negate(condition: Condition, *, negated: bool) -> Condition:
    return (lambda columns: np.logical_not(condition(columns))) if negated else condition


def _flags(column: str, wanted: int, mask: int) -> Condition:
    return lambda columns: (columns[column] & mask) == wanted


def _comparison(op: str, left: Node, right: Node) -> Condition:
    if isinstance(left, Prefix):
        left, right = right, left
    if isinstance(left, Name) and isinstance(right, Prefix):
        return _negate(_network(left.name, right.network), negated=op == "!=")
    compare, one, two = _COMPARE[op], _value(left), _value(right)
    if isinstance(left, Name) and isinstance(right, Name):
        return _columns(left.name, right.name, op)
    return lambda columns: compare(one(columns), two(columns))


def _columns(left: str, right: str, op: str) -> Condition:
    """Compare two columns; addresses, which have two halves, only for equality."""
    compare = _COMPARE[op]

    def evaluate(columns: Columns) -> NDArray[np.bool_]:
        if f"{left}_hi" not in columns or left in columns:
            return compare(columns[left], columns[right])  # type: ignore[no-any-return]
        same: NDArray[np.bool_] = (columns[f"{left}_lo"] == columns[f"{right}_lo"]) & (
            columns[f"{left}_hi"] == columns[f"{right}_hi"]
        )
        return same if op == "=" else ~same

    return evaluate


def _network(column: str, network: str) -> Condition:
    """Test an address column against a prefix, on the halves that the mask touches."""
    parsed = ipaddress.ip_network(network)
    hi, lo = address.parse(str(parsed.network_address))
    bits = parsed.prefixlen + (96 if parsed.version == 4 else 0)
    mask = (1 << 128) - (1 << (128 - bits))
    upper, lower = np.uint64(mask >> 64), np.uint64(mask & 0xFFFF_FFFF_FFFF_FFFF)
    high, low = np.uint64(hi), np.uint64(lo)

    def evaluate(columns: Columns) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = (columns[f"{column}_hi"] & upper) == high
        if lower:
            inside &= (columns[f"{column}_lo"] & lower) == low
        return inside

    return evaluate


def _members(operand: Value, items: tuple[Item, ...]) -> Condition:
    spans = [
        (i.low.amount, i.high.amount) if isinstance(i, Range) else (i.amount, i.amount)
        for i in items
        if isinstance(i, Range | Number)
    ]
    table = _table(spans) if len(spans) >= _TABLE_FROM else None

    def evaluate(columns: Columns) -> NDArray[np.bool_]:
        values = operand(columns)
        if table is not None and values.dtype in {np.dtype(np.uint16), np.dtype(np.uint8)}:
            return looked_up(table, values)
        return reduce(
            np.logical_or,
            ((values == low) if low == high else (values >= low) & (values <= high) for low, high in spans),
        )

    return evaluate


def looked_up(table: NDArray[np.bool_], values: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.bool_]:
    """What a table of 65,536 says of each value (uint8 or uint16)."""
    out: NDArray[np.bool_] = np.empty(len(values), np.bool_)
    if KERNEL is None:
        out[:] = table[values]
    else:
        KERNEL.looked_up(out.view(np.uint8), table.view(np.uint8), values)
    return out


def _table(spans: list[tuple[float, float]]) -> NDArray[np.bool_]:
    table = np.zeros(65_536, np.bool_)
    for low, high in spans:
        table[int(np.ceil(low)) : int(min(high, 65_535)) + 1] = True
    return table


def _value(node: Node) -> Value:
    match node:
        case Number(amount=amount):
            constant = int(amount) if amount == int(amount) else amount
            return lambda _: constant
        case Name(name=name):
            return lambda columns: columns[name]
        case Negation(operand=operand):
            inner = _value(operand)
            return lambda columns: -_real(inner(columns))
        case Call(function=function, arguments=arguments):
            pick, parts = np.maximum if function == "max" else np.minimum, [_value(a) for a in arguments]
            return lambda columns: reduce(pick, [_real(part(columns)) for part in parts])
        case Binary(op=op, left=left, right=right):
            return _arithmetic(op, _value(left), _value(right))
    raise TypeError(f"not a bound value: {node}")


def _real(value: Any) -> Any:
    return np.asarray(value, np.float64)


def _arithmetic(op: str, left: Value, right: Value) -> Value:
    if op == "/":
        return lambda columns: _quotient(_real(left(columns)), _real(right(columns)))
    operate = {"+": np.add, "-": np.subtract, "*": np.multiply}[op]
    return lambda columns: operate(_real(left(columns)), _real(right(columns)))


def _quotient(dividend: NDArray[np.float64], divisor: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(divisor == 0, np.nan, dividend / divisor)
