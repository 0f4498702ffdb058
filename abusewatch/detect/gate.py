"""What must hold for a condition to hold: cheap tests that the engine makes before the dear ones.

`necessary` gives lower bounds of measures: a group below one of them cannot fulfil the condition, so its rows need not
be kept or computed. `implied` gives the boolean columns whose value a condition fixes: how lint knows that a rule is
about our side.
"""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import TypeVar

from abusewatch.detect.expression import Binary, Choices, In, Logic, Name, Node, Not, Number, Range

_T = TypeVar("_T")
_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_MIRROR = {"=": "=", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}


def necessary(when: Node) -> dict[str, float]:
    """List lower bounds that every group fulfilling a bound `when` reaches: measure >= bound.

    From `and` the greatest bound of any part, from `or` the smallest where all parts have one.
    """
    return _collect(when, _bound, max, min)


def implied(where: Node | None) -> dict[str, bool]:
    """List the boolean columns that have one value in every row that a bound `where` lets through.

    A condition that no row fulfils implies what it names last.
    """
    return (
        {}
        if where is None
        else _collect(where, _flag, lambda _, last: last, lambda one, two: one if one == two else None)
    )


def _collect(
    node: Node,
    leaf: Callable[[Node, bool], Mapping[str, _T]],
    both: Callable[[_T, _T], _T],
    either: Callable[[_T, _T], _T | None],
    *,
    negated: bool = False,
) -> dict[str, _T]:
    if isinstance(node, Not):
        return _collect(node.operand, leaf, both, either, negated=not negated)
    if not isinstance(node, Logic):
        return dict(leaf(node, negated))
    parts = [_collect(part, leaf, both, either, negated=negated) for part in node.parts]
    if (node.op == "and") != negated:  # De Morgan: a negated `or` is an `and`
        return reduce(lambda a, b: a | {k: both(a[k], v) if k in a else v for k, v in b.items()}, parts)
    return reduce(lambda a, b: {k: joint for k in a if k in b and (joint := either(a[k], b[k])) is not None}, parts)


def _bound(node: Node, negated: bool) -> dict[str, float]:  # noqa: FBT001  the shape of a leaf
    match node:
        case Binary(op=op, left=Name(name=name), right=Number(amount=amount)):
            pass
        case Binary(op=op, left=Number(amount=amount), right=Name(name=name)):
            op = _MIRROR[op]
        case In(operand=Name(name=name), choices=Choices(items=items), negated=without) if without == negated:
            lows = [
                item.low.amount if isinstance(item, Range) else item.amount
                for item in items
                if isinstance(item, Number | Range)
            ]
            return {name: min(lows)} if len(lows) == len(items) else {}
        case _:
            return {}
    op = _OPPOSITE[op] if negated else op
    return {name: amount} if op in {"=", ">", ">="} else {}


def _flag(node: Node, negated: bool) -> dict[str, bool]:  # noqa: FBT001
    return {node.name: not negated} if isinstance(node, Name) else {}
