"""How near numbers come to a condition that they do not fulfil, and the condition with its numbers put in: what a person asks of a rule that stays silent."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from abusewatch.detect.compile import compile_groups, compile_values
from abusewatch.detect.expression import COMPARISONS, Binary, Call, In, Logic, Name, Negation, Node, Not, Number, text

F64 = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]
Nearness = Callable[[Columns], F64]

_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
ALMOST = 0.999  # what misses by less than any number written here


class Clause(msgspec.Struct, frozen=True):
    """One of the parts that must all hold: as the rule has it, with the numbers put in, how near it came (1: it holds), and that in words."""

    text: str
    filled: str
    holds: bool
    near: float
    words: str


def nearness(when: Node) -> Nearness:
    """Give the function from measures, one entry a group, to how near each group comes: 1 where `when` holds.

    A comparison is as near as the ratio of its sides; of `and` the parts multiply, since each that is missing is one more thing to
    happen; of `or` the nearest counts.
    """
    return _nearness(when, negated=False)


def clauses(when: Node, values: Mapping[str, float]) -> tuple[Clause, ...]:
    """Take a condition apart into what must all hold, judged for one group."""
    parts = when.parts if isinstance(when, Logic) and when.op == "and" else (when,)
    return tuple(_clause(part, values) for part in parts)


def filled(node: Node, values: Mapping[str, float]) -> str:
    """Write a condition with numbers in the place of names."""
    return text(_put_in(node, values))


def number(value: float) -> str:
    """Write a measured number as people read it: whole, or with four digits behind the point when it is small, else one."""
    if not math.isfinite(value):
        return "undefined"
    return f"{value:.0f}" if value == int(value) else f"{value:.{4 if abs(value) < 10 else 1}f}".rstrip("0").rstrip(".")


def _nearness(node: Node, *, negated: bool) -> Nearness:
    match node:
        case Not(operand=operand):
            return _nearness(operand, negated=not negated)
        case Logic(op=op, parts=parts):
            several = [_nearness(part, negated=negated) for part in parts]
            combine = np.multiply if (op == "and") != negated else np.maximum  # De Morgan
            return lambda columns: reduce(combine, [part(columns) for part in several])
        case Binary(op=op, left=left, right=right) if op in COMPARISONS:
            return _compared(replace(node, op=_OPPOSITE[op]) if negated else node, left, right)
    holds = compile_groups(node)
    return lambda columns: np.asarray(holds(columns) != negated, np.float64)


def _compared(node: Binary, left: Node, right: Node) -> Nearness:
    holds, one, two = compile_groups(node), compile_values(left), compile_values(right)

    def near(columns: Columns) -> F64:
        held = np.asarray(holds(columns))
        low, high = (np.broadcast_to(np.asarray(side(columns), np.float64), held.shape) for side in (one, two))
        if node.op in {"<", "<="}:
            low, high = high, low
        elif node.op == "=":
            low, high = np.minimum(low, high), np.maximum(low, high)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = np.where((low > 0) & (high > 0) & (node.op != "!="), low / high, 0.0)
        return np.where(held, 1.0, np.minimum(ratio, ALMOST))

    return near


def _arrays(values: Mapping[str, float]) -> Columns:
    return {name: np.array([value]) for name, value in values.items()}


def _near(node: Node, values: Mapping[str, float]) -> float:
    return float(nearness(node)(_arrays(values))[0])


def _clause(node: Node, values: Mapping[str, float]) -> Clause:
    near = _near(node, values)
    return Clause(
        text(node), filled(node, values), near >= 1, round(near, 4), "holds" if near >= 1 else _miss(node, values)
    )


def _miss(node: Node, values: Mapping[str, float]) -> str:
    """Say what a part lacks; of alternatives the nearest."""
    match node:
        case Logic(op="or", parts=parts):
            return _miss(max(parts, key=lambda part: _near(part, values)), values)
        case Logic(parts=parts):
            return "; ".join(_miss(part, values) for part in parts if _near(part, values) < 1)
        case Binary(op=op, left=left, right=right) if op in COMPARISONS:
            return _lacking(op, left, right, values)
    return f"{filled(node, values)} does not hold"


def _lacking(op: str, left: Node, right: Node, values: Mapping[str, float]) -> str:
    one, two = (_value(side, values) for side in (left, right))
    limit = number(two) if isinstance(right, Number) else f"{text(right)} = {number(two)}"
    if op in {">", ">="}:
        return f"{text(left)} {number(one)} of {limit}{_part(one, two)}"
    words = {"<": "must be below", "<=": "may be at most"}.get(op, "must not be" if op == "!=" else "must be")
    return f"{text(left)} {number(one)}, {words} {limit}"


def _part(one: float, two: float) -> str:
    percent = 100 * one / two if two else 0.0
    return f" ({percent:.{0 if percent >= 10 else 1}f} %)" if percent > 0 else ""


def _value(node: Node, values: Mapping[str, float]) -> float:
    return float(np.asarray(compile_values(node)(_arrays(values)), np.float64).reshape(-1)[0])


def _put_in(node: Node, values: Mapping[str, float]) -> Node:
    match node:
        case Name(name=name):
            return _literal(values[name]) if math.isfinite(values.get(name, math.nan)) else node
        case Binary(left=left, right=right):
            return replace(node, left=_put_in(left, values), right=_put_in(right, values))
        case Call(arguments=arguments):
            return replace(node, arguments=tuple(_put_in(each, values) for each in arguments))
        case Logic(parts=parts):
            return replace(node, parts=tuple(_put_in(part, values) for part in parts))
        case Not(operand=operand) | Negation(operand=operand) | In(operand=operand):
            return replace(node, operand=_put_in(operand, values))
    return node


def _literal(value: float) -> Node:
    return Number(float(number(value))) if value >= 0 else Negation(Number(float(number(-value))))
