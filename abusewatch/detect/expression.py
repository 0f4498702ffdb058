"""The tree of an expression in a rule, and how it is written back as text.

A tree comes from `parse`, is bound to columns and types by `check`, and becomes numpy operations in `compile`. It is
data: nothing here runs. `at` is the offset of a node in its text; it takes no part in equality, so that
`parse(text(tree)) == tree`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

SCALES = {"": 1.0, "%": 0.01, "k": 1e3, "M": 1e6, "G": 1e9, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
"""What one of each suffix is worth; k, M and G are decimal, durations are seconds."""
DURATIONS = frozenset("smhd")


class RuleError(ValueError):
    """A rule says what it cannot mean: `message` says what, `at` where in its text (an offset), `hint` what to do."""

    def __init__(self, message: str, at: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Number:
    """A literal: `value` as written, `unit` one of SCALES."""

    value: float
    unit: str = ""
    at: int = field(default=0, compare=False)

    @property
    def amount(self) -> float:
        """The value in plain numbers or in seconds."""
        return self.value / 100 if self.unit == "%" else self.value * SCALES[self.unit]


@dataclass(frozen=True, slots=True)
class Name:
    """A column, a measure, or a word of a closed list (`tcp`, `answered`)."""

    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Prefix:
    """An address or a network, canonical text; `network` of one address ends in /32 or /128."""

    network: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Range:
    """`low..high` in a set, both included."""

    low: Number
    high: Number
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class SetName:
    """A set of the rule's `[sets]` table, written `$name` or, after `in`, just `name`."""

    name: str
    at: int = field(default=0, compare=False)


Item = Number | Name | Prefix | Range


@dataclass(frozen=True, slots=True)
class Choices:
    """The set after `in`."""

    items: tuple[Item, ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    function: str
    arguments: tuple["Node", ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Negation:
    """Minus something."""

    operand: "Node"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a condition."""

    operand: "Node"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic (+ - * /) or a comparison (= != < <= > >=) of two sides."""

    op: str
    left: "Node"
    right: "Node"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Logic:
    """`and` or `or` over two or more conditions; no part is a Logic of the same `op` (see `joined`)."""

    op: str
    parts: tuple["Node", ...]
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class In:
    """Membership of a set."""

    operand: "Node"
    choices: Choices | SetName
    negated: bool = False
    at: int = field(default=0, compare=False)


Node = Number | Name | Prefix | Call | Negation | Not | Binary | Logic | In

COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_LEVEL = {"or": 1, "and": 2, "not": 3, "=": 4, "+": 5, "*": 6, "-x": 7, "atom": 8}


def joined(op: str, parts: tuple[Node, ...], at: int = 0) -> Node:
    """Join conditions by `and` or `or`, flat: long chains then cost no depth."""
    flat: list[Node] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Logic) and part.op == op else (part,))
    return flat[0] if len(flat) == 1 else Logic(op, tuple(flat), at)


def children(node: Node) -> tuple[Node, ...]:
    """List the nodes directly below one; the items of a set are not nodes."""
    match node:
        case Call(arguments=parts) | Logic(parts=parts):
            return parts
        case Negation(operand=operand) | Not(operand=operand) | In(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """Visit a tree, parents first."""
    yield node
    for child in children(node):
        yield from walk(child)


def names(node: Node | None) -> frozenset[str]:
    """List the columns or measures that a bound tree reads (words of closed lists are numbers by then)."""
    return frozenset(part.name for part in walk(node) if isinstance(part, Name)) if node is not None else frozenset()


def text(node: Node | Choices | SetName | Item) -> str:
    """Write a tree in the language, with no more brackets than needed."""
    return _write(node)[0]


def _decimal(value: float) -> str:
    return format(Decimal(int(value) if value == int(value) else repr(value)), "f")


def _within(node: Node, level: int) -> str:
    written, own = _write(node)
    return written if own >= level else f"({written})"


def _write(node: Node | Choices | SetName | Item) -> tuple[str, int]:  # noqa: C901, PLR0911, PLR0912  a line or two a kind of node
    match node:
        case Number(value=value, unit=unit):
            return _decimal(value) + unit, _LEVEL["atom"]
        case Name(name=name):
            return name, _LEVEL["atom"]
        case Prefix(network=network):
            return network, _LEVEL["atom"]
        case SetName(name=name):
            return f"${name}", _LEVEL["atom"]
        case Range(low=low, high=high):
            return f"{text(low)}..{text(high)}", _LEVEL["atom"]
        case Choices(items=items):
            return f"({', '.join(text(item) for item in items)})", _LEVEL["atom"]
        case Call(function=function, arguments=arguments):
            return f"{function}({', '.join(text(argument) for argument in arguments)})", _LEVEL["atom"]
        case Negation(operand=operand):
            return f"-{_within(operand, _LEVEL['-x'])}", _LEVEL["-x"]
        case Not(operand=operand):
            return f"not {_within(operand, _LEVEL['not'])}", _LEVEL["not"]
        case Logic(op=op, parts=parts):
            return f" {op} ".join(_within(part, _LEVEL[op] + 1) for part in parts), _LEVEL[op]
        case In(operand=operand, choices=choices, negated=negated):
            return f"{_within(operand, _LEVEL['+'])} {'not ' if negated else ''}in {text(choices)}", _LEVEL["="]
        case Binary(op=op, left=left, right=right) if op in COMPARISONS:
            return f"{_within(left, _LEVEL['+'])} {op} {_within(right, _LEVEL['+'])}", _LEVEL["="]
        case Binary(op=op, left=left, right=right):
            level = _LEVEL["+" if op in "+-" else "*"]
            return f"{_within(left, level)} {op} {_within(right, level + 1)}", level
