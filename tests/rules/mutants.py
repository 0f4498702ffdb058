"""Rules broken on purpose: every number of a condition ten times as large and as small, every part of it left out or turned round."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from abusewatch.detect.expression import COMPARISONS, Binary, Logic, Node, Not, Number
from abusewatch.detect.rule import Rule

FACTORS = {"times ten": 10.0, "a tenth": 0.1}


class Place(NamedTuple):
    """A condition of a rule: `when 0`, `where`, `measure failed`, `share tiny`."""

    name: str
    condition: Node

    @property
    def of_groups(self) -> bool:
        """Whether it is about measures, not about rows."""
        return self.name.startswith("when")


class Mutant(NamedTuple):
    """A condition after it was broken; None lets everything pass."""

    name: str
    condition: Node | None


def places(rule: Rule) -> Iterator[Place]:
    """Every condition of a rule."""
    if rule.match.where is not None:
        yield Place("where", rule.match.where)
    for name, measure in rule.measures.items():
        if measure.where is not None:
            yield Place(f"measure {name}", measure.where)
        if measure.function == "share" and measure.value is not None:
            yield Place(f"share {name}", measure.value)
    for number, entry in enumerate(rule.raises):
        yield Place(f"when {number}", entry.when)


def mutants(condition: Node) -> Iterator[Mutant]:
    """Every way to break a condition in one place."""
    yield Mutant("always", None)
    for what, tree in _broken(condition, compared=False):
        yield Mutant(what, tree)


def _broken(node: Node, *, compared: bool) -> Iterator[tuple[str, Node]]:
    if isinstance(node, Logic):
        yield from _logic(node)
        return
    if isinstance(node, Not):
        yield from ((what, Not(tree)) for what, tree in _broken(node.operand, compared=compared))
        return
    if isinstance(node, Number):
        if compared and node.value:
            yield from (
                (f"{node.value:g}{node.unit} {what}", replace(node, value=node.value * by))
                for what, by in FACTORS.items()
            )
        return
    # Nothing below a function is broken: the 1 of max(x, 1) only keeps a divisor from being 0.
    if not compared:
        yield "turned round", Not(node)
    if isinstance(node, Binary) and node.op not in {"=", "!="}:
        inside = compared or node.op in COMPARISONS
        yield from ((what, replace(node, left=tree)) for what, tree in _broken(node.left, compared=inside))
        yield from ((what, replace(node, right=tree)) for what, tree in _broken(node.right, compared=inside))


def _logic(node: Logic) -> Iterator[tuple[str, Node]]:
    for n, part in enumerate(node.parts):
        rest = (*node.parts[:n], *node.parts[n + 1 :])
        yield f"part {n + 1} of {node.op} left out", rest[0] if len(rest) == 1 else replace(node, parts=rest)
        for what, tree in _broken(part, compared=False):
            yield (
                f"part {n + 1} of {node.op}: {what}",
                replace(node, parts=(*node.parts[:n], tree, *node.parts[n + 1 :])),
            )
