"""A table of moves finds its lines, knows no others, and refuses to say two things about one pair."""

import pytest

from abusewatch.model.transitions import Move, Transitions

LINES = [Move("on", "press", "off", "hand"), Move("off", "press", "on", "hand")]


def test_a_line_is_found_and_nothing_else_is():
    table = Transitions({"on": "lit", "off": "dark"}, LINES)
    assert table.find("on", "press").next == "off"
    assert table.find("on", "kick") is table.find("broken", "press") is None
    assert table.page().splitlines()[2:] == ["| on | press | off | hand |", "| off | press | on | hand |"]


def test_a_pair_stands_once():
    with pytest.raises(ValueError, match="twice"):
        Transitions({}, [*LINES, Move("on", "press", "on", "wind")])
