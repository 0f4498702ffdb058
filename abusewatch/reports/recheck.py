"""The second leak check: by what contacts and inventory say, and not by what the composer was given to write from."""

from collections.abc import Callable, Sequence

from abusewatch.model.incident import Incident
from abusewatch.model.message import Message
from abusewatch.model.reader import Reader
from abusewatch.reports import leaks


def recheck(message: Message, told: Sequence[tuple[Reader, Incident]], own: Callable[[str], bool]) -> None:
    """Check a finished mail against its reader, for each case it speaks of; LeakError when it shows him too much.

    No other attacked address in any spelling, and to an operator not the customer's id (one that is a mere word or
    number could stand there by chance and is not searched).
    """
    detections = [detection for _, incident in told for detection in incident.detections]
    allowed = leaks.Allowed(
        addresses=frozenset(
            {d.finding.offender for d in detections if own(d.finding.offender)}.union(*(r.addresses for r, _ in told))
        ),
        networks=frozenset().union(*(reader.networks for reader, _ in told)),
        emails=frozenset({message.recipient.lower(), message.sender.lower()}),
        id_domain=message.message_id.rstrip(">").rpartition("@")[2].lower(),
        never=frozenset(target.address for detection in detections for target in detection.targets),
        identifiers=frozenset(incident.customer for reader, incident in told if _secret(reader, incident.customer)),
    )
    leaks.check(message.raw, allowed)


def _secret(reader: Reader, customer: str) -> bool:
    named = any(map(str.isdigit, customer)) and any(map(str.isalpha, customer))
    return reader.audience == "operator" and named and not customer.startswith("address:")
