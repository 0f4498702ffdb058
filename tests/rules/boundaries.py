"""boundaries.json: for every condition of every rule, examples on both sides of it. `draft.py` drafts it, people read it."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from abusewatch.detect.compile import compile_groups, compile_rows
from abusewatch.detect.expression import Call, Node, names, walk
from abusewatch.detect.functions import FLAG_TESTS
from tests.rules.mutants import Place

RULES = Path(__file__).resolve().parents[2] / "rules"
FILE = Path(__file__).parent / "boundaries.json"


class Example(NamedTuple):
    """The columns of one row, or the measures of one group, and whether the condition holds there."""

    values: dict[str, float | bool]
    holds: bool

    def columns(self) -> dict[str, np.ndarray]:
        """As arrays of one entry, typed as the engine has them."""
        return {name: np.array([value]) for name, value in self.values.items()}

    def text(self) -> dict[str, object]:
        """As it stands in the file."""
        return {"holds": self.holds} | self.values


def read() -> dict[str, dict[str, list[Example]]]:
    """The file by rule and condition; empty when there is none."""
    if not FILE.exists():
        return {}
    table = json.loads(FILE.read_text())
    return {
        rule: {
            place: [Example({k: v for k, v in e.items() if k != "holds"}, e["holds"]) for e in examples]
            for place, examples in found.items()
        }
        for rule, found in table.items()
    }


def columns_of(place: Place) -> list[str]:
    """What a condition reads."""
    found = set(names(place.condition)) - {"syn", "ack", "fin", "rst", "psh", "urg"}
    found |= {
        FLAG_TESTS[node.function][0]
        for node in walk(place.condition)
        if isinstance(node, Call) and node.function in FLAG_TESTS
    }
    return sorted(found)


def verdicts(condition: Node | None, columns: dict[str, np.ndarray], rows: int) -> np.ndarray:
    """Whether a condition holds, row by row or group by group; None always does."""
    if condition is None:
        return np.ones(rows, bool)
    held = (compile_rows(condition) or compile_groups(condition))(columns)
    return np.broadcast_to(np.asarray(held, bool), (rows,))
