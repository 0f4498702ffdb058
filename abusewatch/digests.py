"""Spine 2, its side arm: mails that found no room in a budget leave as one digest to each recipient, never in silence.

As in casework, each view is cut anew, the finished mail is looked at twice, and the digest takes the place of the held
mails in one transaction.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

from abusewatch.evidence import minimise, without_evidence
from abusewatch.incidents import ContactResolver, Decision, Owners, Policy, Readers, decide
from abusewatch.model.contact import Contact
from abusewatch.model.customer import Customer
from abusewatch.model.incident import Incident
from abusewatch.model.message import Audience, Message
from abusewatch.model.reader import Reader
from abusewatch.outbox import Entry
from abusewatch.outbox.bundle import LEAST, Bundle
from abusewatch.reports.digest import Case
from abusewatch.reports.recheck import recheck

AUDIENCES: tuple[Audience, ...] = ("customer", "operator")


class DigestStore(Protocol):
    """What digests need of a store."""

    def bundles(self, now_us: int, quiet: Collection[Audience]) -> list[Bundle]:
        """List the recipients to whom mails of several cases wait for a budget and to whom one mail may go now."""

    def incident(self, ident: str) -> Incident | None:
        """Read one incident with the evidence that is still there."""

    def fold(self, digest: Message, idents: Iterable[int], now_us: int) -> bool:
        """Put a digest in the place of held mails, in one transaction; False when that cannot be any more."""


class DigestWriter(Protocol):
    """Writes one mail about several cases; it raises when that must not leave."""

    def compose_digest(
        self, cases: Sequence[Case], who: Contact | Customer, now_us: int, *, sequence: int, previous: int | None
    ) -> Message:
        """Write to an operator, or to a customer at the first of his contacts."""


class Folded(NamedTuple):
    """What became of a bundle: the cases that left as one digest, or the name of the fault that stopped it."""

    audience: Audience
    cases: int
    fault: str = ""


class Digests:
    """Everything digests need, wired once."""

    def __init__(
        self,
        store: DigestStore,
        owners: Owners,
        contacts: ContactResolver,
        writer: DigestWriter,
        policy: Policy = decide,
    ) -> None:
        """Take the parts; nothing happens before the first turn."""
        self._store = store
        self._own = owners.contains
        self._readers = Readers(owners, contacts)
        self._writer = writer
        self._policy = policy

    def turn(self, now_us: int) -> list[Folded]:
        """Make a digest of each bundle there is room for. A mail that cannot be part of one stays held."""
        done = (self._one(bundle, now_us) for bundle in self._store.bundles(now_us, self.quiet(now_us)))
        return [folded for folded in done if folded]

    def quiet(self, now_us: int) -> tuple[Audience, ...]:
        """Name the audiences that are left in peace now."""
        return tuple(audience for audience in AUDIENCES if self._policy.peace_until_us(audience, now_us))

    def _one(self, bundle: Bundle, now_us: int) -> Folded | None:
        parts = [part for entry in bundle.entries if (part := self._part(bundle, entry, now_us))]
        if len(parts) < LEAST:
            return None
        try:
            digest = self._write(parts, bundle, now_us)
        except Exception as error:  # noqa: BLE001  # each case still has its own mail, which goes when there is room
            return Folded(bundle.audience, 0, type(error).__name__)
        if not self._store.fold(digest, [part.entry.id for part in parts], now_us):
            return None
        return Folded(bundle.audience, len(parts))

    def _part(self, bundle: Bundle, entry: Entry, now_us: int) -> "_Part | None":
        """Find the case and what this reader may see of it now; None when it is nothing any more."""
        incident = self._store.incident(entry.message.incident)
        if incident is None:
            return None
        decision = self._policy(incident, now_us)
        readers = self._readers.find(incident, decision).readers
        wanted = bundle.audience, bundle.recipient.lower()
        reader = next((one for one in readers if (one.audience, one.recipient.lower()) == wanted), None)
        if reader is None or reader.who is None:
            return None
        case = self._case(incident, reader, decision, entry)
        return _Part(entry, incident, reader, case) if case.view.sections else None

    def _case(self, incident: Incident, reader: Reader, decision: Decision, entry: Entry) -> Case:
        whose = decision.episodes(reader.audience)
        view = minimise(incident, reader.audience, own=self._own, addresses=reader.shown, episodes=whose)
        return Case(without_evidence(incident, view), view, entry.message.stage)

    def _write(self, parts: Sequence["_Part"], bundle: Bundle, now_us: int) -> Message:
        """Write the digest and look at it once more. It is named by the oldest mail in it, whose number never comes again."""
        who = parts[0].reader.who
        if who is None:
            raise ValueError("nobody to write to")
        digest = self._writer.compose_digest(
            [part.case for part in parts], who, now_us, sequence=parts[0].entry.id, previous=bundle.previous
        )
        recheck(digest, [(part.reader, part.incident) for part in parts], self._own)
        return digest


class _Part(NamedTuple):
    """One case of a digest while it is made."""

    entry: Entry
    incident: Incident
    reader: Reader
    case: Case
