"""Promise: nobody outside is asked unless the operator says so."""

import pytest

from abusewatch.contacts import ContactSettings, OperatorTable, chain


@pytest.mark.parametrize(("settings", "sources"), [(ContactSettings(), []), (ContactSettings(rdap=True), ["rdap"]), (ContactSettings(dns=True), ["dns"]), (ContactSettings(rdap=True, dns=True), ["rdap", "dns"])])
def test_look_ups_are_off_by_default(settings, sources):
    made = chain(settings, OperatorTable(), lambda _: False)
    assert [lookup.source for lookup in made.lookups] == sources


def test_the_budget_is_the_operators():
    made = chain(ContactSettings(rdap=True, lookups_per_day=7), OperatorTable(), lambda _: False)
    assert made.lookups[0]._inner._budget._per_day == 7
