"""docs/outbox.md is what the tables say."""

from abusewatch.outbox.document import document
from abusewatch.outbox.states import MEANING, STATES


def test_the_page_is_the_one_the_tables_make(root):
    assert (root / "docs/outbox.md").read_text() == document()


def test_every_state_has_a_meaning():
    assert set(MEANING) == set(STATES)
