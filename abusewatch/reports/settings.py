"""What a provider must say about itself before any mail can be written."""

from dataclasses import dataclass
from pathlib import Path

from abusewatch.model.mailbox import addr_spec
from abusewatch.reports.headers import hostname, line
from abusewatch.reports.links import Links


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """Who writes.

    ValueError when a value could not stand in a header; there is no default for the address, since it must be read by
    a person.

    `sender` is From, Sender and the place replies go to: a mailbox somebody reads, never a no-reply address (RFC 6650
    5). `domain` names us in Message-IDs and XARF; it is the sender's domain when empty. `message_id_key` keys the
    Message-ID, the report ids and the opt-out token; whoever knows it can guess them. `templates` is a folder that
    overrides the shipped ones file by file. `evidence_days` is what the texts promise about
    deletion: the number of the retention table. `links` makes the customer's link to his case, when there is such a page;
    `replies` says whether a program reads answers, so that "FIXED" moves a case at once.
    """

    organisation: str
    sender: str
    message_id_key: bytes
    evidence_days: int
    domain: str = ""
    phone: str = ""
    language: str = "en"
    templates: Path | None = None
    links: Links | None = None
    replies: bool = False

    def __post_init__(self) -> None:
        """Refuse at start what would otherwise stop each mail."""
        line("organisation", self.organisation)
        line("phone", self.phone)
        addr_spec(self.sender)
        if not 0 < len(self.organisation) <= 200:
            raise ValueError("organisation must have 1 to 200 characters (XARF contact_info)")
        if len(self.message_id_key) < 16:
            raise ValueError("message_id_key is shorter than 16 bytes; a guessable key makes guessable opt-out tokens")
        if not self.domain:
            object.__setattr__(self, "domain", self.sender.rpartition("@")[2])
        hostname(self.domain)
