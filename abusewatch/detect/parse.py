"""Text to tree: the grammar of the rule language (docs/rule-language.md), by recursive descent. Never eval.

Whatever the text, the outcome is a tree or a RuleError with the offset of the first thing that does not fit.
"""

import ipaddress
import re
from typing import NamedTuple

from abusewatch.detect.expression import (
    COMPARISONS,
    SCALES,
    Binary,
    Call,
    Choices,
    In,
    Item,
    Name,
    Negation,
    Node,
    Not,
    Number,
    Prefix,
    Range,
    RuleError,
    SetName,
    joined,
)

MAX_TEXT = 2_000  # the longest rule of the shipped pack is a tenth of it
MAX_DEPTH = 32  # brackets, calls and chains of arithmetic; keeps every walk of a tree far from Python's recursion limit
MAX_DIGITS = 15  # so that every literal is exact in a float64
KEYWORDS = frozenset({"and", "or", "not", "in", "where"})

_TOKEN = re.compile(
    r"(?P<prefix>\d+\.\d+\.\d+\.\d+(?:/\d+)?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(?:/\d+)?)"
    r"|(?P<number>\d+(?:\.\d+)?(?:[A-Za-z_%][A-Za-z0-9_%]*)?)"
    r"|(?P<set>\$[A-Za-z_]\w*)|(?P<name>[A-Za-z_]\w*)|(?P<op><=|>=|!=|==|\.\.|[-+*/()=<>,])",
    re.ASCII,
)
_SPACE = re.compile(r"\s*")


class Token(NamedTuple):
    """A word of the text: `kind` is prefix, number, set, name, op or end."""

    kind: str
    text: str
    at: int


def parse(text: str) -> Node:
    """Read a condition or a value."""
    parser = _Parser(text)
    tree = parser.either()
    parser.end()
    return tree


def parse_measure(text: str) -> tuple[Call, Node | None]:
    """Read `function(arguments) [where condition]`."""
    parser = _Parser(text)
    call = parser.primary()
    if not isinstance(call, Call):
        raise RuleError("a measure is a function of the rows, like count() or distinct(dst)", call.at)
    where = parser.either() if parser.took("where") else None
    parser.end()
    return call, where


def parse_choice(text: str) -> Item:
    """Read one item of a set: a number, a range, a prefix or a word."""
    parser = _Parser(text)
    item = parser.item()
    parser.end()
    return item


def parse_duration(text: str) -> float:
    """Read a duration like 30m or 6h, in seconds."""
    item = parse_choice(text)
    if not isinstance(item, Number) or item.unit not in {"s", "m", "h", "d"}:
        raise RuleError(f"{text!r} is no duration", 0, "write a number with s, m, h or d, like 30m")
    return item.amount


def _tokens(text: str) -> list[Token]:
    if len(text) > MAX_TEXT:
        raise RuleError(f"the text has {len(text)} characters; {MAX_TEXT} are allowed", MAX_TEXT)
    found: list[Token] = []
    at = _SPACE.match(text).end()  # type: ignore[union-attr]  # the pattern matches everywhere
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise RuleError(f"{text[at]!r} has no meaning here", at)
        found.append(Token(match.lastgroup or "", match.group(), at))
        at = _SPACE.match(text, match.end()).end()  # type: ignore[union-attr]
    return [*found, Token("end", "the end", len(text))]


class _Parser:
    """One text being read; a method a rule of the grammar, loosest binding first."""

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.index = 0
        self.depth = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.index]

    def took(self, *texts: str) -> Token | None:
        token = self.next
        if token.kind in {"op", "name"} and token.text in texts:
            self.index += 1
            return token
        return None

    def expect(self, text: str) -> None:
        if not self.took(text):
            raise RuleError(f"expected {text!r}, found {self.next.text!r}", self.next.at)

    def end(self) -> None:
        if self.next.kind == "end":
            return
        hint = {"where": "where stands once, at the end of a measure"}.get(self.next.text, "")
        if self.next.text in {*COMPARISONS, "=="}:
            hint = "comparisons do not chain: join two of them with and"
        raise RuleError(f"expected an operator or the end, found {self.next.text!r}", self.next.at, hint)

    def deeper(self, step: int) -> None:
        self.depth += step
        if self.depth > MAX_DEPTH:
            raise RuleError(f"nested deeper than {MAX_DEPTH}", self.next.at)

    def either(self) -> Node:
        at = self.next.at
        self.deeper(1)
        parts = [self.both()]
        while self.took("or"):
            parts.append(self.both())
        self.deeper(-1)
        return joined("or", tuple(parts), at)

    def both(self) -> Node:
        at = self.next.at
        parts = [self.opposite()]
        while self.took("and"):
            parts.append(self.opposite())
        return joined("and", tuple(parts), at)

    def opposite(self) -> Node:
        token = self.took("not")
        if token is None:
            return self.comparison()
        self.deeper(1)
        operand = self.opposite()
        self.deeper(-1)
        return Not(operand, token.at)

    def comparison(self) -> Node:
        left = self.sum()
        if token := self.took(*COMPARISONS, "=="):
            return Binary("=" if token.text == "==" else token.text, left, self.sum(), token.at)
        if token := self.took("in"):
            return In(left, self.choices(), negated=False, at=token.at)
        if self.next.text == "not" and self.tokens[self.index + 1].text == "in":
            token = self.next
            self.index += 2
            return In(left, self.choices(), negated=True, at=token.at)
        return left

    def sum(self) -> Node:
        return self.chain("+", "-")

    def chain(self, *ops: str) -> Node:
        """Read a left-associative chain of one level; its length counts as depth, since its tree is as deep."""
        below = self.factor if "*" in ops else lambda: self.chain("*", "/")
        node = below()
        links = 0
        while token := self.took(*ops):
            self.deeper(1)
            links += 1
            node = Binary(token.text, node, below(), token.at)
        self.depth -= links
        return node

    def factor(self) -> Node:
        token = self.took("-")
        if token is None:
            return self.primary()
        self.deeper(1)
        operand = self.factor()
        self.deeper(-1)
        return Negation(operand, token.at)

    def primary(self) -> Node:
        token = self.next
        if token.kind == "number":
            return self.number()
        if token.kind == "prefix":
            return self.prefix()
        if token.kind == "name" and token.text not in KEYWORDS:
            self.index += 1
            return Call(token.text, self.arguments(), token.at) if self.took("(") else Name(token.text, token.at)
        if self.took("("):
            node = self.either()
            self.expect(")")
            return node
        hint = "a set stands after in: dst_port in $name" if token.kind == "set" else ""
        raise RuleError(f"expected a name or a number, found {token.text!r}", token.at, hint)

    def arguments(self) -> tuple[Node, ...]:
        if self.took(")"):
            return ()
        found = [self.either()]
        while self.took(","):
            found.append(self.either())
        self.expect(")")
        return tuple(found)

    def choices(self) -> Choices | SetName:
        token = self.next
        if token.kind == "set" or (token.kind == "name" and token.text not in KEYWORDS):
            self.index += 1
            return SetName(token.text.removeprefix("$"), token.at)
        if not self.took("("):
            return Choices((self.item(),), token.at)
        items = [self.item()]
        while self.took(","):
            items.append(self.item())
        self.expect(")")
        return Choices(tuple(items), token.at)

    def item(self) -> Item:
        token = self.next
        if token.kind == "prefix":
            return self.prefix()
        if token.kind == "name" and token.text not in KEYWORDS:
            self.index += 1
            return Name(token.text, token.at)
        low = self.number()
        return Range(low, self.number(), token.at) if self.took("..") else low

    def number(self) -> Number:
        token = self.next
        if token.kind != "number":
            raise RuleError(f"expected a number, found {token.text!r}", token.at)
        self.index += 1
        digits = re.match(r"[\d.]+", token.text, re.ASCII).group()  # type: ignore[union-attr]  # a number token starts with digits
        unit = token.text[len(digits) :]
        if unit not in SCALES:
            raise RuleError(f"{unit!r} is no unit", token.at + len(digits), "k, M, G (decimal), s, m, h, d or %")
        if len(digits) > MAX_DIGITS:
            raise RuleError(f"a number has at most {MAX_DIGITS} digits", token.at)
        return Number(float(digits), unit, token.at)

    def prefix(self) -> Prefix:
        token = self.next
        self.index += 1
        try:
            return Prefix(str(ipaddress.ip_network(token.text)), token.at)
        except ValueError as error:
            raise RuleError(f"{token.text!r} is no address or prefix: {error}", token.at) from None
