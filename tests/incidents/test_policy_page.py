"""docs/policy.md is what the lines and floors say."""

from abusewatch.incidents import Policy
from abusewatch.incidents.policy import FLOORS, Line
from abusewatch.incidents.policy_page import COLUMNS, document, floors, table


def test_the_page_is_the_one_the_lines_make(root):
    assert (root / "docs/policy.md").read_text() == document()


def test_own_lines_stand_first_and_every_row_is_whole():
    rows = table(Policy((Line("desk", customer=("C-1",), least_flows=9, why="by telephone"),)))
    assert rows[0] == ("1", "any", "any", "any", "C-1", "flows 9", "desk", "nobody", "by telephone")
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert len(floors()) == len(FLOORS) + 1
