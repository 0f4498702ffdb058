"""What stands opposite a column: words of closed lists, numbers with units, ranges, prefixes. And what was meant instead."""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches

from abusewatch.detect import units
from abusewatch.detect.columns import ELSEWHERE, Column
from abusewatch.detect.expression import DURATIONS, Item, Name, Node, Number, Prefix, Range, RuleError
from abusewatch.detect.units import Code, Type

_FLAG_LETTERS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}


def suggestion(word: str, known: Collection[str]) -> str:
    """Guess what was meant: `did you mean ...?`, or nothing."""
    if (other := ELSEWHERE.get(word)) in known:
        return f"here it is called {other}"
    close = get_close_matches(word, list(known), 1, 0.6)
    return f"did you mean {close[0]}?" if close else ""


def number_type(node: Number) -> Type:
    """Find the type of a constant."""
    unit = units.SECONDS if node.unit and node.unit in DURATIONS else units.PLAIN
    return Type("number", unit, least=node.amount, constant=True)


def fit(left: Type, right: Type, node: Node | Item) -> Type:
    """Check that two numbers can be added or compared, and say what the sum is; `node` is where a fault stands."""
    if left.unit == right.unit:
        return Type("number", left.unit, constant=left.constant and right.constant)
    for constant, other in ((left, right), (right, left)):
        if constant.constant and constant.unit == units.PLAIN and other.unit != units.SECONDS:
            return Type("number", other.unit, constant=other.constant)
    timed = units.SECONDS in {left.unit, right.unit}
    hint = "write a duration with s, m, h or d" if timed else "divide one by the other to compare them"
    raise RuleError(f"units do not fit: {left} and {right}", node.at, hint)


def value(node: Name | Number, kind: Code, columns: Mapping[str, Column]) -> Number:
    """Read a word or a number as a value of a closed list."""
    if isinstance(node, Name):
        if node.name in kind.words:
            return Number(kind.words[node.name], "", node.at)
        if node.name in columns:
            raise RuleError(f"{kind.name} is not compared with {columns[node.name].type}", node.at)
        hint = suggestion(node.name, kind.words) or ", ".join(kind.words)
        raise RuleError(f"{node.name!r} is no {kind.name}", node.at, hint)
    timed = number_type(node).unit == units.SECONDS
    if timed or node.amount != int(node.amount) or node.amount > kind.top:
        raise RuleError(f"{kind.name} is a whole number up to {kind.top}", node.at)
    return Number(node.amount, "", node.at)


def flag_mask(letters: Name) -> int:
    """Read TCP flags as nfdump writes them (S, SA, FPU); 0 is none."""
    if not re.fullmatch("[FSRPAU]+", letters.name):
        return 0
    return sum(_FLAG_LETTERS[letter] for letter in set(letters.name))


def item(entry: Item, kind: Type, columns: Mapping[str, Column]) -> Item:
    """Read an item of a set that a column of type `kind` is looked up in."""
    if isinstance(entry, Range):
        low, high = item(entry.low, kind, columns), item(entry.high, kind, columns)
        if not isinstance(low, Number) or not isinstance(high, Number) or low.amount > high.amount:
            raise RuleError("a range goes from the smaller number to the greater", entry.at)
        return Range(low, high, entry.at)
    if (kind.kind == "address") != isinstance(entry, Prefix):
        holds = {Prefix: "addresses", Name: "words"}.get(type(entry), "numbers")
        raise RuleError(f"the set does not hold {kind} but {holds}", entry.at)
    if kind.code is not None and isinstance(entry, Name | Number):
        return value(entry, kind.code, columns)
    if isinstance(entry, Name):
        raise RuleError(f"{entry.name!r} is no number", entry.at)
    if isinstance(entry, Number):
        fit(kind, number_type(entry), entry)
    return entry
