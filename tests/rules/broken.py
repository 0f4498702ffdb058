"""Whole rules broken in one place: numbers a half more and a third less, parts left out or turned round, windows, keys, tolerances and measures changed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from abusewatch.detect.expression import COMPARISONS, Binary, Choices, In, Logic, Node, Not, Number
from abusewatch.detect.rule import Rule

FACTORS = {"half more": 1.5, "a third less": 1 / 1.5}
LEAST_WINDOW_SECS = 5


class Broken(NamedTuple):
    """A rule with one thing changed, and what."""

    place: str
    what: str
    rule: Rule

    @property
    def name(self) -> str:
        """The place and what was done there."""
        return f"{self.place}: {self.what}"


def broken(rule: Rule) -> Iterator[Broken]:
    """Every way in which a rule is broken, one at a time."""
    match = rule.match
    if match.where is not None:
        for what, tree in _conditions(match.where):
            yield Broken("where", what, replace(rule, match=replace(match, where=tree)))
    for what, secs in (("twice", 2 * match.window_secs), ("half", match.window_secs // 2)):
        if secs >= LEAST_WINDOW_SECS:
            yield Broken("window", what, replace(rule, match=replace(match, window_secs=secs)))
    for n, key in enumerate(match.per):
        rest = match.per[:n] + match.per[n + 1 :]
        if rest and key not in rule.identity:
            yield Broken("per", f"without {key.text}", replace(rule, match=replace(match, per=rest)))
    for name, measure in rule.measures.items():
        for what, changed in _measures(measure):
            yield Broken(f"measure {name}", what, replace(rule, measures=dict(rule.measures) | {name: changed}))
    for n, entry in enumerate(rule.raises):
        for what, tree in _conditions(entry.when):
            if tree is not None:
                raises = (*rule.raises[:n], replace(entry, when=tree), *rule.raises[n + 1 :])
                yield Broken(f"when {n}", what, replace(rule, raises=raises))
        if len(rule.raises) > 1:
            yield Broken(f"when {n}", "left out", replace(rule, raises=rule.raises[:n] + rule.raises[n + 1 :]))


def _measures(measure) -> Iterator[tuple[str, object]]:
    if measure.where is not None:
        for what, tree in _conditions(measure.where):
            yield f"where: {what}", replace(measure, where=tree)
    if measure.function == "share":
        for what, tree in _conditions(measure.value):
            if tree is not None:
                yield f"share: {what}", replace(measure, value=tree)
    plus, part = measure.tolerance
    for what, by in FACTORS.items():
        if plus:
            yield f"tolerance {plus:g} {what}", replace(measure, tolerance=(plus * by, part))
        if part:
            yield f"tolerance {part:g} {what}", replace(measure, tolerance=(plus, part * by))
        if measure.percent:
            yield f"percent {what}", replace(measure, percent=min(measure.percent * by, 99))
    if len(measure.keys) > 1:
        for n, key in enumerate(measure.keys):
            yield f"without {key.text}", replace(measure, keys=measure.keys[:n] + measure.keys[n + 1 :])


def _conditions(condition: Node) -> Iterator[tuple[str, Node | None]]:
    if not isinstance(condition, Logic):
        yield "left out", None
    yield from _trees(condition, compared=False)


def _trees(node: Node, *, compared: bool) -> Iterator[tuple[str, Node]]:
    """As `tests.rules.mutants`, with numbers moved by less: these run on tables that stand just on either side of them."""
    if isinstance(node, Logic):
        for n, part in enumerate(node.parts):
            rest = (*node.parts[:n], *node.parts[n + 1 :])
            yield f"part {n + 1} of {node.op} left out", rest[0] if len(rest) == 1 else replace(node, parts=rest)
            for what, tree in _trees(part, compared=False):
                yield f"part {n + 1} of {node.op}: {what}", replace(node, parts=(*node.parts[:n], tree, *node.parts[n + 1 :]))
    elif isinstance(node, Not):
        yield from ((what, Not(tree)) for what, tree in _trees(node.operand, compared=compared))
    elif isinstance(node, Number):
        if compared and node.value:
            yield from ((f"{node.value:g}{node.unit} {what}", replace(node, value=node.value * by)) for what, by in FACTORS.items())
    else:
        if not compared:
            yield "turned round", Not(node)
        if isinstance(node, In) and isinstance(node.choices, Choices) and len(node.choices.items) > 1:
            for n, item in enumerate(node.choices.items):
                yield f"{item} out of the set", replace(node, choices=replace(node.choices, items=node.choices.items[:n] + node.choices.items[n + 1 :]))
        if isinstance(node, Binary) and node.op not in {"=", "!="}:
            inside = compared or node.op in COMPARISONS
            yield from ((what, replace(node, left=tree)) for what, tree in _trees(node.left, compared=inside))
            yield from ((what, replace(node, right=tree)) for what, tree in _trees(node.right, compared=inside))
