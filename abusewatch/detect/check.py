"""Bind a tree to columns and refuse what cannot mean anything.

That is: unknown names, units that do not fit, divisions by what can be 0. A bound tree holds columns or measures,
numbers and prefixes only: words of closed lists became numbers, sets became their items, flag tests a mask.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

from abusewatch.detect import functions, literals, units
from abusewatch.detect.columns import SCHEMAS, Column
from abusewatch.detect.expression import (
    COMPARISONS,
    Binary,
    Call,
    Choices,
    In,
    Logic,
    Name,
    Negation,
    Node,
    Not,
    Number,
    Prefix,
    RuleError,
    SetName,
)
from abusewatch.detect.literals import suggestion
from abusewatch.detect.units import BOOLEAN, Code, Type


@dataclass(frozen=True, slots=True)
class Scope:
    """What a text may name: columns (or, in `when`, measures) and the rule's sets; faults call the first `what`."""

    columns: Mapping[str, Column]
    sets: Mapping[str, Choices] = field(default_factory=dict)
    what: str = "column"

    def condition(self, node: Node) -> Node:
        """Bind a condition."""
        bound, kind = self.bind(node)
        if kind.kind != "boolean":
            raise RuleError(f"expected a condition, found {kind}", _start(node))
        return bound

    def number(self, node: Node) -> tuple[Node, Type]:
        """Bind a quantity."""
        bound, kind = self.bind(node)
        if kind.kind != "number":
            raise RuleError(f"expected a number, found {kind}", _start(node))
        return bound, kind

    def bind(self, node: Node) -> tuple[Node, Type]:  # noqa: PLR0911  one line a kind of node
        """Bind any node and find its type."""
        match node:
            case Number():
                return node, literals.number_type(node)
            case Name():
                return node, self._column(node).type
            case Prefix():
                return node, units.ADDRESS
            case Call():
                return self._call(node)
            case Negation(operand=operand):
                bound, kind = self.number(operand)
                return Negation(bound, node.at), Type("number", kind.unit, constant=kind.constant)
            case Not(operand=operand):
                return Not(self.condition(operand), node.at), BOOLEAN
            case Logic(op=op, parts=parts):
                return Logic(op, tuple(self.condition(part) for part in parts), node.at), BOOLEAN
            case In():
                return self._in(node), BOOLEAN
            case Binary(op=op) if op in COMPARISONS:
                return self._comparison(node), BOOLEAN
            case Binary():
                return self._arithmetic(node)

    def _column(self, node: Name) -> Column:
        if node.name in self.columns:
            return self.columns[node.name]
        if node.name in self.sets:
            raise RuleError(f"{node.name} is a set", node.at, f"write: some_{self.what} in ${node.name}")
        for listed in (units.PROTOCOL, units.OUTCOME):
            if node.name in listed.words and listed.name in self.columns:
                raise RuleError(
                    f"{node.name} is a word for {listed.name}", node.at, f"write: {listed.name} = {node.name}"
                )
        raise RuleError(f"there is no {self.what} {node.name!r}", node.at, self._elsewhere(node.name))

    def _elsewhere(self, name: str) -> str:
        """Say where a name would have a meaning, or which one is close."""
        homes = [on for on, schema in SCHEMAS.items() if name in schema]
        if homes and self.what == "measure":
            return f"{name} is a column: compute a measure of it in [measure]"
        return f"it is a column of rules on {homes[0]}" if homes else suggestion(name, self.columns)

    def _call(self, node: Call) -> tuple[Node, Type]:
        if node.function in functions.EXTREMES:
            return self._extreme(node)
        test = functions.FLAG_TESTS.get(node.function)
        if test is None:
            hint = suggestion(node.function, (*functions.EXTREMES, *functions.FLAG_TESTS))
            if node.function in functions.MEASURES:
                hint = "name it in [measure] and use the name here"
            raise RuleError(f"there is no function {node.function}() here", node.at, hint)
        column = Name(test[0], node.at)
        self._column(column)
        mask = 0
        for argument in node.arguments:
            word = argument.name if isinstance(argument, Name) else ""
            if word not in units.FLAG_BITS:
                raise RuleError(
                    "expected a TCP flag",
                    _start(argument),
                    suggestion(word, units.FLAG_BITS) or ", ".join(units.FLAG_BITS),
                )
            mask |= units.FLAG_BITS[word]
        if not mask:
            raise RuleError(f"{node.function}() needs a flag", node.at, test[1])
        return Call(node.function.removeprefix("reply_"), (column, Number(mask, "", node.at)), node.at), BOOLEAN

    def _extreme(self, node: Call) -> tuple[Node, Type]:
        if len(node.arguments) < 2:
            raise RuleError(f"{node.function}() needs two numbers here", node.at, functions.EXTREMES[node.function])
        sides = [self.number(argument) for argument in node.arguments]
        kind = reduce(lambda left, right: literals.fit(left, right, node), (side[1] for side in sides))
        least = (max if node.function == "max" else min)(side[1].least for side in sides)
        return Call(node.function, tuple(side[0] for side in sides), node.at), Type(
            "number", kind.unit, least=least, constant=kind.constant
        )

    def _arithmetic(self, node: Binary) -> tuple[Node, Type]:
        (left, one), (right, two) = self.number(node.left), self.number(node.right)
        bound = Binary(node.op, left, right, node.at)
        constant = one.constant and two.constant
        if node.op in "+-":
            unit = literals.fit(one, two, node).unit
            return bound, Type(
                "number", unit, least=one.least + two.least if node.op == "+" else float("-inf"), constant=constant
            )
        positive = one.least >= 0 and two.least >= 0
        if node.op == "*":
            return bound, Type(
                "number",
                units.times(one.unit, two.unit),
                least=one.least * two.least if positive else float("-inf"),
                constant=constant,
            )
        if two.least <= 0:
            what = f"{node.right.name} can be 0" if isinstance(node.right, Name) else "the divisor can be 0"
            raise RuleError(
                f"{what}: divide by max(..., 1)",
                node.at,
                "count(), distinct() and sums of packets without where never are 0",
            )
        floor = one.least / two.least if two.constant else 0.0
        return bound, Type(
            "number", units.times(one.unit, two.unit, -1), least=floor if positive else float("-inf"), constant=constant
        )

    def _comparison(self, node: Binary) -> Node:
        kind = self._peek(node.left) or self._peek(node.right)
        if kind is not None and kind.code is not None:
            return self._coded(node, kind.code)
        (left, one), (right, two) = self.bind(node.left), self.bind(node.right)
        if one.constant and two.constant:
            raise RuleError("both sides are constants: this never changes", node.at)
        if "address" in {one.kind, two.kind}:
            _addresses(node, one, two)
        elif "boolean" in {one.kind, two.kind}:
            raise RuleError("a condition is not compared", node.at, "join conditions with and, or, not")
        else:
            literals.fit(one, two, node)
        return Binary(node.op, left, right, node.at)

    def _peek(self, node: Node) -> Type | None:
        """Find the type of a column that identifies; a word on the other side can only be read knowing it."""
        if isinstance(node, Name) and node.name in self.columns and self.columns[node.name].type.code:
            return self.columns[node.name].type
        return None

    def _coded(self, node: Binary, kind: Code) -> Node:
        if node.op not in {"=", "!="} and not kind.ordered:
            raise RuleError(f"{kind.name} has no order", node.at, "use = or in")
        if kind is units.FLAGS:
            return self._flags(node)
        return Binary(node.op, self._side(node.left, kind), self._side(node.right, kind), node.at)

    def _side(self, node: Node, kind: Code) -> Node:
        peeked = self._peek(node)
        if peeked is not None:
            if peeked.code is not kind:
                raise RuleError(f"{kind.name} is not compared with {peeked}", node.at)
            return node
        if isinstance(node, Name | Number):
            return literals.value(node, kind, self.columns)
        bound, other = self.bind(node)
        raise RuleError(f"{kind.name} is not compared with {other}", _start(bound))

    def _flags(self, node: Binary) -> Node:
        column, letters = (node.left, node.right) if self._peek(node.left) else (node.right, node.left)
        mask = literals.flag_mask(letters) if isinstance(letters, Name) and letters.name not in self.columns else 0
        if not mask:
            hint = "flags = S, flags = SA (F S R P A U), or flag(syn)"
            raise RuleError("flags are compared with letters", _start(letters), hint)
        test = Call("flags_are", (column, Number(mask, "", letters.at)), node.at)
        return test if node.op == "=" else Not(test, node.at)

    def _in(self, node: In) -> Node:
        choices = self._set(node.choices) if isinstance(node.choices, SetName) else node.choices
        kind = self._peek(node.operand)
        operand, kind = (node.operand, kind) if kind else self.bind(node.operand)
        if kind.kind == "boolean" or kind.constant or isinstance(operand, Prefix) or kind.code is units.FLAGS:
            raise RuleError(f"{kind} is not looked up in a set", _start(node.operand))
        at = node.choices.at
        try:
            items = tuple(literals.item(item, kind, self.columns) for item in choices.items)
        except RuleError as error:  # offsets in a named set are those of its own text
            raise RuleError(error.message, error.at if choices is node.choices else at, error.hint) from None
        return In(operand, Choices(items, at), node.negated, node.at)

    def _set(self, node: SetName) -> Choices:
        if node.name in self.sets:
            return self.sets[node.name]
        listed = node.name in units.PROTOCOL.words or node.name in units.OUTCOME.words
        hint = (
            f"write: in ({node.name})" if listed else suggestion(node.name, self.sets) or "sets are defined in [sets]"
        )
        raise RuleError(f"there is no set {node.name!r}", node.at, hint)


def _start(node: Node) -> int:
    """Find where a node begins; operators know only where they stand."""
    while isinstance(node, Binary | In):
        node = node.left if isinstance(node, Binary) else node.operand
    return node.at


def _addresses(node: Binary, one: Type, two: Type) -> None:
    if one.kind != two.kind or (isinstance(node.left, Prefix) and isinstance(node.right, Prefix)):
        raise RuleError(f"{one} is not compared with {two}", node.at)
    if node.op not in {"=", "!="}:
        raise RuleError("addresses have no order", node.at, "use = or in")
    for side in (node.left, node.right):
        if isinstance(side, Prefix) and not side.network.endswith("/128" if ":" in side.network else "/32"):
            raise RuleError(f"{side.network} is a network", side.at, f"write: in {side.network}")
