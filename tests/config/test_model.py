"""Values that would hurt are refused by the form of the file itself."""

import pytest
from pydantic import ValidationError

from abusewatch.config.model import Mail, Network, Source

NETWORK = {"organisation": "Example", "domain": "hosting.example"}


@pytest.mark.parametrize("prefix", ["0.0.0.0/0", "0.0.0.0/1", "::/0", "2000::/3"])
def test_nobody_owns_the_internet(prefix):
    with pytest.raises(ValidationError, match="no one provider"):
        Network(**NETWORK, prefixes=[prefix])


@pytest.mark.parametrize(
    "sender", ["noreply@a.example", "a@b\nBcc: c@d", "a@b, c@d", "<a@b>", "ä@b.example", "@b", "a@"]
)
def test_senders_that_are_no_single_readable_mailbox(sender):
    with pytest.raises(ValidationError):
        Mail(sender=sender)


def test_the_allow_list_is_never_empty():
    with pytest.raises(ValidationError):
        Source(listen="127.0.0.1:1", exporters=[])
