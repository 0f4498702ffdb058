"""The columns a rule may name are there when it runs, and in the documentation."""

import numpy as np
import pytest

from abusewatch.detect import units
from abusewatch.detect.columns import ELSEWHERE, GROUP, SCHEMAS
from abusewatch.detect.views import conversations, records
from abusewatch.model import rows
from abusewatch.windows import outcomes, pairs


def arrays(schema):
    return [half for name, column in schema.items() for half in ([f"{name}_hi", f"{name}_lo"] if column.type is units.ADDRESS else [name])]


def test_every_record_column_is_supplied():
    view = records(rows.empty())
    assert {name for name in arrays(SCHEMAS["record"]) if len(view[name])} == set()


def test_every_conversation_column_is_supplied():
    names = {*pairs.IDENTITY, *pairs.SUMS, *pairs.MINIMA, *pairs.MAXIMA, *pairs.BITS}
    view = conversations(outcomes.view({name: np.zeros(0, np.uint16) for name in names}))
    assert {name for name in arrays(SCHEMAS["conversation"]) if len(view[name])} == set()


@pytest.mark.parametrize("on", SCHEMAS)
def test_the_documentation_lists_every_column(on, root):
    text = (root / "docs" / "rule-language.md").read_text()
    section = text.partition(f"### On `{on}`")[2].partition("\n#")[0]
    for name, column in SCHEMAS[on].items():
        assert f"| `{name}` | {column.type} | {column.says} |" in section
    assert sum(line.startswith("| `") for line in section.splitlines()) == len(SCHEMAS[on])


def test_the_documentation_knows_the_group(root):
    text = (root / "docs" / "rule-language.md").read_text()
    for name, column in GROUP.items():
        assert f"| `{name}` | {column.type} | {column.says} |" in text


def test_other_tools_words_lead_to_columns():
    known = {name for schema in SCHEMAS.values() for name in schema}
    assert set(ELSEWHERE.values()) <= known
    assert not set(ELSEWHERE) & known
