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
    found = [branch for condition in conditions for branch in _branches(condition)]
    bounds = [{name: bound for name, bound in branch.items() if name in usable and bound > 0} for branch in found]
    return () if len(bounds) > MOST or not all(bounds) else tuple(bounds)


def _branches(node: Node) -> list[dict[str, float]]:
    if isinstance(node, Logic) and node.op == "or":
        return [branch for part in node.parts for branch in _branches(part)]
    if not isinstance(node, Logic):
        return [necessary(node)]
    joined: list[dict[str, float]] = [{}]
    for part in node.parts:
        pairs = [(one, two) for one in joined for two in _branches(part)]
        if len(pairs) > MOST:
            return [necessary(node)]
        joined = [one | {name: max(bound, one.get(name, bound)) for name, bound in two.items()} for one, two in pairs]
    return joined


def reached(gates: Sequence[Mapping[str, float]], totals: Mapping[str, F64], share: float = 1.0) -> NDArray[np.bool_]:
    """Which entries of the totals reach `share` of every bound of one alternative. A rounding error of a running sum is forgiven."""
    some = [np.logical_and.reduce([totals[name] >= bound * share * (1 - 1e-9) for name, bound in gate.items()]) for gate in gates]
    result: NDArray[np.bool_] = np.logical_or.reduce(some)
    return result
