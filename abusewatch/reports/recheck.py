"""The second leak check: by what contacts and inventory say, and not by what the composer was given to write from."""

from collections.abc import Callable

from abusewatch.model.incident import Incident
from abusewatch.model.message import Message
from abusewatch.model.reader import Reader
from abusewatch.reports import leaks


def recheck(message: Message, reader: Reader, incident: Incident, own: Callable[[str], bool]) -> None:
    """Check a finished mail against its reader; LeakError when it shows him too much.

    No other attacked address in any spelling, and to an operator not the customer's id (one that is a mere word or
    number could stand there by chance and is not searched).
    """
    offenders = {d.finding.offender for d in incident.detections if own(d.finding.offender)}
    named = any(map(str.isdigit, incident.customer)) and any(map(str.isalpha, incident.customer))
    secret = reader.audience == "operator" and named and not incident.customer.startswith("address:")
    allowed = leaks.Allowed(
        addresses=reader.addresses | offenders,
        networks=reader.networks,
        emails=frozenset({message.recipient.lower(), message.sender.lower()}),
        id_domain=message.message_id.rstrip(">").rpartition("@")[2].lower(),
        never=frozenset(t.address for d in incident.detections for t in d.targets),
        identifiers=frozenset({incident.customer} if secret else ()),
    )
    leaks.check(message.raw, allowed)
