"""The test mail is one plain mail to one plain address."""

from email import message_from_bytes

import pytest

from abusewatch.model.mailbox import AddressError
from abusewatch.reports.trial import trial
from tests.cases import T0


def test_it_says_who_sent_it_and_nothing_of_any_case():
    mail = trial("Provider", "abuse@provider.example", "me@provider.example", "0" * 32, T0)
    parsed = message_from_bytes(mail.raw)
    assert (parsed["To"], parsed["From"], parsed["Message-ID"]) == ("me@provider.example", "abuse@provider.example", f"<{'0' * 32}@provider.example>")
    assert "\r\n-- \r\n" in parsed.get_payload(decode=True).decode().replace("\n", "\r\n").replace("\r\r", "\r")


@pytest.mark.parametrize("to", ["", "a@b", "a@b.example, c@d.example", "a@b.example\nBcc: c@d.example"])
def test_it_goes_to_one_plain_address(to):
    with pytest.raises(AddressError):
        trial("Provider", "abuse@provider.example", to, "0" * 32, T0)
