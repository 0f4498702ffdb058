"""The second check trusts contacts and inventory, not the composer."""

import pytest
from msgspec.structs import replace

from abusewatch.model.contact import Contact
from abusewatch.model.reader import Reader
from abusewatch.reports.leaks import LeakError
from abusewatch.reports.recheck import recheck
from tests.cases import T0, detection, incident, message, own

ONE = incident(detection(["66.1.2.3", "9.9.9.9"]))
OPERATOR = Reader("operator", "abuse@a.example", Contact("abuse@a.example", "A", "table", "66.1.0.0/16"), T0, frozenset({"66.1.2.3"}), frozenset({"66.1.0.0/16"}))
CUSTOMER = Reader("customer", "abuse@a.example", None, T0, frozenset(), frozenset({"66.1.2.0/24"}))


@pytest.mark.parametrize(
    ("reader", "text", "fine"),
    [
        (OPERATOR, "66.1.2.3 by 198.51.100.7", True),
        (OPERATOR, "9.9.9.9", False),
        (OPERATOR, "151587081", False),  # 9.9.9.9 as a number
        (OPERATOR, "C-1042", False),
        (OPERATOR, "somebody@else.example", False),
        (CUSTOMER, "66.1.2.0/24, customer C-1042", True),
        (CUSTOMER, "66.1.2.3", False),
    ],
)
def test_what_a_reader_may_see(reader, text, fine):
    mail = message(1, "abuse@a.example", body=text)
    if fine:
        recheck(mail, [(reader, ONE)], own)
    else:
        with pytest.raises(LeakError):
            recheck(mail, [(reader, ONE)], own)


def test_a_customers_id_that_is_a_mere_word_may_stand_there_by_chance():
    recheck(message(1, "abuse@a.example", body="acme"), [(OPERATOR, replace(ONE, customer="acme"))], own)


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("66.1.2.0/24", True),
        ("attacked: 66.1.2.0/24.", True),
        ("66.1.2.0", False),
        ("66.1.2.0/25", False),
        ("66.1.2.0/240", False),
        ("66-1-2-0", False),
        ("2001:db8:a::/48", True),
        ("2001:db8:a::", False),
    ],
)
def test_the_first_address_of_a_network_is_in_its_name_and_nowhere_else(text, fine):
    """A scan of a whole network hits it too; the customer reads of the network all the same."""
    case = incident(detection(["66.1.2.0", "2001:db8:a::"]))
    reader = CUSTOMER._replace(networks=frozenset({"66.1.2.0/24", "2001:db8:a::/48"}))
    mail = message(1, "abuse@a.example", body=text)
    if fine:
        recheck(mail, [(reader, case)], own)
    else:
        with pytest.raises(LeakError):
            recheck(mail, [(reader, case)], own)
