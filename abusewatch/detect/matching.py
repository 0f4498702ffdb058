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
FEW = 4  # times fewer than there are: these are told by their index
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
        self._links = links

    def rows(self, view: View) -> Index:
        """Which rows of a view fulfil all conditions, in order."""
        passed: Mask | Index = view.every
        said = START
        for words, holds, column in self._links:
            if not len(passed):
                break
            if column and r.constant(view[column]):  # nothing is sampled, nothing is in transit: one look answers for all, and the chain stays what it is
                passed = passed if view.once(f"{words}, of all", partial(_first, holds=holds)).all() else view.every[:0]
                continue
            said = f"{said}, {words}"
            passed = view.once(said, partial(_narrowed, before=passed, holds=holds))
        at: Index = view.once(f"{said}, by index", lambda _: np.flatnonzero(passed)) if passed.dtype == np.bool_ else passed  # type: ignore[assignment]
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


def _first(view: View, holds: Holds) -> Mask:
    return holds(Picked(view, view.every[:1]))


def _narrowed(view: View, before: Mask | Index, holds: Holds) -> Mask | Index:
    """Those of the rows that passed before: as a mask over all while they are many, since to ask all in order costs less than to gather most; then by index."""
    every: Index = view.every
    if before is not every and before.dtype != np.bool_:
        passes = holds(Picked(view, before))
        return before if passes.all() else before.take(np.flatnonzero(passes))
    passes = holds(view) if before is every else np.logical_and(holds(view), before)
    count = int(np.count_nonzero(passes))
    if count == len(every):
        return every
    return passes if count * FEW >= len(every) else np.flatnonzero(passes)


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
