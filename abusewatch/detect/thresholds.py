"""What must at least be there for a rule to raise: alternatives of lower bounds, so that quiet customers cost one counter and no rows.

`gate.necessary` keeps what every branch of a condition needs; a rule like `pps >= 300 or bps >= 40M` has no such measure, so branches are kept apart here.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from abusewatch.detect.expression import Logic, Node
from abusewatch.detect.gate import necessary

F64 = NDArray[np.float64]
MOST = 16  # branches; a condition with more is not worth a gate


def alternatives(conditions: Sequence[Node], usable: frozenset[str]) -> tuple[dict[str, float], ...]:
    """List for each way to fulfil one of the conditions the bounds of usable measures that it needs. Empty when some way needs none: then there is no gate."""
    bounds = _weakest([branch for condition in conditions for branch in _branches(condition, usable)])
    return () if len(bounds) > MOST or not all(bounds) else tuple(bounds)


def _branches(node: Node, usable: frozenset[str]) -> list[dict[str, float]]:
    if not isinstance(node, Logic):
        return [{name: bound for name, bound in necessary(node).items() if name in usable and bound > 0}]
    if node.op == "or":
        return _weakest([branch for part in node.parts for branch in _branches(part, usable)])
    joined: list[dict[str, float]] = [{}]
    for part in node.parts:
        branches = _branches(part, usable)
        if len(joined) * len(branches) > MOST:  # the other parts are needed all the same
            continue
        both = [one | {name: max(bound, one.get(name, bound)) for name, bound in two.items()} for one in joined for two in branches]
        joined = _weakest(both)
    return joined


def _weakest(branches: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Leave out each branch that asks for all that another asks for: where one way needs nothing, only that one is left."""
    kept: list[dict[str, float]] = []
    for branch in branches:
        if not any(_asks_no_more(other, branch) for other in kept):
            kept = [other for other in kept if not _asks_no_more(branch, other)] + [branch]
    return kept


def _asks_no_more(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return all(name in other and bound <= other[name] for name, bound in one.items())


def reached(gates: Sequence[Mapping[str, float]], totals: Mapping[str, F64], share: float = 1.0) -> NDArray[np.bool_]:
    """Which entries of the totals reach `share` of every bound of one alternative. A rounding error of a running sum is forgiven."""
    some = [np.logical_and.reduce([totals[name] >= bound * share * (1 - 1e-9) for name, bound in gate.items()]) for gate in gates]
    result: NDArray[np.bool_] = np.logical_or.reduce(some)
    return result
