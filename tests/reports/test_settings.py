"""Promise: what would stop each mail is refused at start."""

import pytest

from abusewatch.reports.settings import ReportSettings

GOOD = {"evidence_days": 7, "organisation": "Example Hosting", "sender": "abuse@provider.example", "message_id_key": b"0123456789abcdef"}


def test_the_domain_is_the_senders_unless_given():
    assert ReportSettings(**GOOD).domain == "provider.example"
    assert ReportSettings(**GOOD, domain="mail.provider.example").domain == "mail.provider.example"


@pytest.mark.parametrize("fault", [{"sender": "A <a@b.example>"}, {"sender": "abuse@localhost"}, {"organisation": ""}, {"organisation": "a\nb"}, {"organisation": "x" * 201}, {"message_id_key": b"short"}, {"domain": "a b"}, {"phone": "1\r\n2"}])
def test_what_is_refused(fault):
    with pytest.raises(ValueError):
        ReportSettings(**(GOOD | fault))
