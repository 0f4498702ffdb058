"""What the flow side needs of a store: the open incidents, names for new ones, and a durable commit of changes."""

from collections.abc import Sequence
from typing import Protocol

from abusewatch.incidents.lifecycle import Change
from abusewatch.model.incident import Incident


class IncidentStore(Protocol):
    """The boundary of the river: once `save` has returned, nothing of it may be lost."""

    def open_incidents(self) -> list[Incident]:
        """List every incident that is not closed, with its evidence, oldest first."""

    def next_id(self, now_us: int) -> str:
        """Give out the next case number of the year in `now_us`: AW-2026-000123.

        Never given out twice, gaps are allowed.
        """

    def save(self, changes: Sequence[Change]) -> None:
        """Write all changes in one transaction, durably; saving the same change again alters nothing."""
