"""Every rule says what its table of examples says, and no rule broken in one place still does."""

import pytest

from abusewatch.detect.load import load
from tests.rules.boundaries import RULES, read, verdicts
from tests.rules.mutants import mutants, places

TABLE = read()
SHIPPED = {rule.id: rule for rule in load([RULES]).rules}
EQUAL = {("smtp-spam", "where: part 2 of and: part 2 of or: part 1 of and left out")}
"""Mutants that mean the same: what is said twice there is asked for by lint (every way must say who started)."""

every_rule = pytest.mark.parametrize("rule", SHIPPED.values(), ids=SHIPPED.keys())


def right(condition, example):
    return bool(verdicts(condition, example.columns(), 1)[0]) == example.holds


@every_rule
def test_the_rule_holds_where_its_examples_say(rule):
    for place in places(rule):
        for example in TABLE[rule.id][place.name]:
            assert right(place.condition, example), f"{place.name}: {example}"


@every_rule
def test_every_mutant_is_killed(rule):
    alive = [
        f"{place.name}: {mutant.name}"
        for place in places(rule)
        for mutant in mutants(place.condition)
        if (rule.id, f"{place.name}: {mutant.name}") not in EQUAL
        and all(right(mutant.condition, example) for example in TABLE[rule.id][place.name])
    ]
    assert not alive


def test_the_table_speaks_of_shipped_rules_only():
    assert TABLE.keys() == SHIPPED.keys()
