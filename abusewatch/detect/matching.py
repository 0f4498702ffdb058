"""Which rows of a pane a rule is about: a chain of conditions, each asked only of the rows that passed those before it.

Rules that begin alike (`initiator and protocol = tcp`) share the beginning of the chain, so forty rules cost a few looks at the whole pane, and a rule on
sampled records costs nothing where none are sampled.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from abusewatch.detect.binding import bind_set
from abusewatch.detect.compile import compile_rows
from abusewatch.detect.expression import Binary, In, Logic, Name, Node, Not, names, text
from abusewatch.detect.measures import Mask
from abusewatch.detect.rule import Rule
from abusewatch.detect.views import Picked, View
from abusewatch.model import rows as r
from abusewatch.windows.order import Index

Holds = Callable[[View], Mask]
START = "rows"
"""The name of the chain that has no link yet."""


class Matching:
    """The chain of one rule. `tacit` is what it asks without saying so, in words and as a condition."""

    def __init__(self, rule: Rule) -> None:
        tacit = list(_tacit(rule))
        self.tacit = tuple((words, holds) for words, holds, _ in tacit)
        links = [*tacit, *((text(part), _compiled(part), _only(part)) for part in sorted(parts(rule.match.where), key=_breadth))]
        if rule.exempt.prefixes:
            # An excepted address counts on neither side: ours is left out when the episode is told (`episodes.exempted`), theirs here.
            spared = In(Name("peer"), bind_set(list(rule.exempt.prefixes)), negated=True)
            links.append((text(spared), _compiled(spared), None))
        self._links: list[tuple[str, Holds, str | None]] = []
        said = START
        for words, holds, column in links:
            said = f"{said}, {words}"
            self._links.append((said, holds, column))

    def rows(self, view: View) -> Index:
        """Which rows of a view fulfil all conditions, in order."""
        at: Index = view.every
        for said, holds, column in self._links:
            if not len(at):
                break
            at = view.once(said, partial(_narrowed, at=at, holds=holds, column=column))
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


def _only(part: Node) -> str | None:
    """The one column that a condition reads, where that is easily seen."""
    inner = part.operand if isinstance(part, Not) else part
    return inner.name if isinstance(inner, Name) else None


def _narrowed(view: View, at: Index, holds: Holds, column: str | None) -> Index:
    if column and r.constant(view[column]):  # nothing is sampled, nothing is in transit: one look answers for all
        return at if holds(Picked(view, at[:1])).all() else at[:0]
    passes = holds(Picked(view, at))
    return at if passes.all() else at.take(np.flatnonzero(passes))


def _tacit(rule: Rule) -> Iterator[tuple[str, Holds, str | None]]:
    match = rule.match
    source = any(key.column == "src" for key in match.per)
    if match.on == "record":
        if not names(match.where) & {"transit", "spoofed"}:
            yield "one end is ours", lambda view: ~view["transit"], "transit"
        if source:  # our side must be the source: nobody is charged with what others send
            yield "our side sent it", lambda view: view.stored("outbound"), None
    elif source:
        yield "our side started it", lambda view: view["initiator"], "initiator"
    if rule.sampled.use in {"none", "rule"}:
        instead = f"; {rule.sampled.rule} judges those" if rule.sampled.rule else ""
        yield f"not sampled (the rule is off for sampled records{instead})", lambda view: view["sampling_rate"] <= 1, "sampling_rate"
