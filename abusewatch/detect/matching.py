"""Which rows of a pane a rule is about: a chain of conditions, each asked only of the rows that passed those before it.

Rules that begin alike (`initiator and protocol = tcp`) share the beginning of the chain, so forty rules cost a few looks at the whole pane, and a rule on
sampled records costs nothing where none are sampled.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from abusewatch.detect.binding import bind_set
from abusewatch.detect.compile import compile_rows
from abusewatch.detect.expression import Binary, In, Logic, Name, Node, names, text
from abusewatch.detect.measures import Mask
from abusewatch.detect.rule import Rule
from abusewatch.detect.views import Picked, View
from abusewatch.windows.order import Index

Holds = Callable[[View], Mask]
START = "rows"
"""The name in a view of the chain that has no link yet."""


class Matching:
    """The chain of one rule. `tacit` is what it asks without saying so, in words and as a condition."""

    def __init__(self, rule: Rule) -> None:
        self.tacit = tuple(_tacit(rule))
        links: list[tuple[str, Holds]] = [*self.tacit, *((text(part), _compiled(part)) for part in sorted(parts(rule.match.where), key=_breadth))]
        if rule.exempt.prefixes:
            # An excepted address counts on neither side: ours is left out when the episode is told (`episodes.exempted`), theirs here.
            spared = In(Name("peer"), bind_set(list(rule.exempt.prefixes)), negated=True)
            links.append((text(spared), _compiled(spared)))
        self._links: list[tuple[str, Holds]] = []
        said = START
        for words, holds in links:
            said = f"{said}, {words}"
            self._links.append((said, holds))

    def rows(self, view: View) -> Index:
        """Which rows of a view fulfil all conditions, in order."""
        at: Index = view.once(START, lambda v: np.arange(v.rows))
        for said, holds in self._links:
            if not len(at):
                break
            at = view.once(said, partial(_narrowed, at=at, holds=holds))
        return at


def parts(where: Node | None) -> tuple[Node, ...]:
    """The conditions that must all hold."""
    if where is None:
        return ()
    return where.parts if isinstance(where, Logic) and where.op == "and" else (where,)


def _breadth(part: Node) -> int:
    """What many rules ask comes first, to be shared; then what lets few rows through; what most rows fulfil last."""
    if isinstance(part, Name) or (isinstance(part, Binary) and part.left == Name("protocol")):
        return 0
    narrow = (isinstance(part, In) and not part.negated) or (isinstance(part, Binary) and part.op == "=")
    return 1 if narrow else 2


def _compiled(node: Node) -> Holds:
    condition = compile_rows(node)
    assert condition is not None  # noqa: S101  only no node compiles to none
    return condition


def _narrowed(view: View, at: Index, holds: Holds) -> Index:
    passes = holds(Picked(view, at))
    return at if passes.all() else at.take(np.flatnonzero(passes))


def _tacit(rule: Rule) -> Iterator[tuple[str, Holds]]:
    match = rule.match
    source = any(key.column == "src" for key in match.per)
    if match.on == "record":
        if not names(match.where) & {"transit", "spoofed"}:
            yield "one end is ours", lambda view: ~view["transit"]
        if source:  # our side must be the source: nobody is charged with what others send
            yield "our side sent it", lambda view: view.stored("outbound")
    elif source:
        yield "our side started it", lambda view: view["initiator"]
    if rule.sampled.use in {"none", "rule"}:
        instead = f"; {rule.sampled.rule} judges those" if rule.sampled.rule else ""
        yield f"not sampled (the rule is off for sampled records{instead})", lambda view: view["sampling_rate"] <= 1
