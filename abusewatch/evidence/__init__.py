"""What each audience may see of an incident. `minimise` is the only door out of the evidence.

Neither the composer nor the outbox ever holds an incident with foreign addresses in it: they get a View, and the
incident as `without_evidence` leaves it.
"""

from abusewatch.evidence.digest import digest
from abusewatch.evidence.minimise import minimise, without_evidence
from abusewatch.evidence.vocabulary import ALLOWED

__all__ = ["ALLOWED", "digest", "minimise", "without_evidence"]
