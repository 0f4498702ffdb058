"""What is needed of a store: by the flow side to keep incidents, by casework to tell of them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from abusewatch.incidents.lifecycle import Change
from abusewatch.model.incident import Incident
from abusewatch.model.message import Audience, Message, Told


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


class CaseStore(Protocol):
    """The other bank: what was looked at and told, and the one commit that joins a case to its mail."""

    def due(self, limit: int, now_us: int) -> list[tuple[Incident, int]]:
        """List incidents with a version that was not looked at yet, or whose time to look again has come.

        The longest waiting first; of closed ones those that somebody was told of.
        """

    def told(self, incident: str) -> Mapping[tuple[str, str], Told]:
        """Give the last mail to each (audience, recipient in lower case) of the case, in the outbox or gone."""

    def room(self, now_us: int) -> int:
        """Count the mails to operators that the budgets of this hour still let go."""

    def commit(  # noqa: PLR0913  # one transaction: all of it or nothing
        self,
        incident: str,
        version: int,
        messages: Sequence[Message],
        blocked: Sequence[tuple[str, str, str]],
        *,
        hold: str | None,
        approve: frozenset[Audience],
        now_us: int,
        again_us: int | None,
        waiting: int,
    ) -> int:
        """Enqueue and mark in one durable transaction; returns how many mails were new.

        A mail whose `dedup` is known is left alone. With `hold` (the reason) new mails wait for the desk, so do those to
        an audience in `approve` until the case is approved, and those over a budget wait for room; any other new mail
        makes the incident one that has been told. At `again_us` it is due again; `waiting` counts the operators that are
        not written to yet.
        """
