"""Each limit stops the next mail and not the one before, and every limit says why it is what it is."""

from dataclasses import fields

import pytest

from abusewatch.outbox.budgets import TABLE, Budgets, Used, over, room

NOTHING = Used(0, 0, 0, 0, 0)
LIMITS = Budgets()


def test_the_table_names_every_limit_with_its_reason():
    assert [line.name for line in TABLE] == [field.name for field in fields(Budgets)]
    assert all(line.counts and line.why and line.span_us for line in TABLE)
    assert (LIMITS.case_recipient_day, LIMITS.recipient_day, LIMITS.customer_day, LIMITS.hour) == (1, 10, 5, 200)  # threats.md T7


@pytest.mark.parametrize(
    ("used", "audience", "name"),
    [
        ({}, "operator", None), ({}, "customer", None),
        ({"case_recipient": 1}, "operator", "case_recipient_day"), ({"case_recipient": 1}, "customer", "case_recipient_day"),
        ({"recipient": 9}, "operator", None), ({"recipient": 10}, "operator", "recipient_day"),
        ({"customer": 4}, "customer", None), ({"customer": 5}, "customer", "customer_day"), ({"customer": 5}, "operator", None),
        ({"hour": 199}, "customer", None), ({"hour": 200}, "customer", "hour"), ({"hour": 200}, "operator", "hour"),
        ({"hour": 150, "hour_operators": 150}, "operator", "hour"), ({"hour": 150, "hour_operators": 150}, "customer", None),
        ({"hour": 180, "hour_operators": 149}, "operator", None),
    ],
)  # fmt: skip
def test_each_limit(used, audience, name):
    assert over(LIMITS, NOTHING._replace(**used), audience) == name


def test_room_is_what_the_hour_leaves_to_operators():
    assert [room(LIMITS, *used) for used in ((0, 0), (150, 150), (190, 100), (200, 0), (999, 999))] == [150, 0, 10, 0, 0]


@pytest.mark.parametrize("wrong", [{"hour": -1}, {"hour": 10, "customer_reserve": 11}])
def test_limits_that_contradict_each_other(wrong):
    with pytest.raises(ValueError, match=r"negative|larger"):
        Budgets(**wrong)
