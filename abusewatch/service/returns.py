"""Mail that comes back to us: bounces, and answers that a program may act on. Each file is read once and deleted.

An answer acts only with a token that we wrote to its sender: a Message-ID it refers to, or FIXED or STOP with the word
from the mail. FIXED moves the customer's case as the button of his page does, and only from the address we wrote to;
STOP ends reports to one operator. All else is counted and left to the people who have the mailbox. Nothing is ever
answered, so no loop can begin.
"""

import hmac
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Protocol

from abusewatch.incidents import notes
from abusewatch.incidents.lifecycle import LifecycleError
from abusewatch.model.incident import Incident
from abusewatch.outbox import Bounce, Entry, Verp
from abusewatch.outbox import replies as answers
from abusewatch.outbox.bounces import LARGEST, read
from abusewatch.outbox.replies import Reply
from abusewatch.reports.identity import fixed_token, optout_token

BATCH = 200
"""Files a turn, so that a flood of forged mail does not hold up the desk."""


class Mails(Protocol):
    """What is asked of the store."""

    def bounced(self, bounce: Bounce, now_us: int) -> Entry | None:
        """Park the mail a bounce is about; None when that is not news."""

    def mail_named(self, message_id: str) -> tuple[str, str, str] | None:
        """Give (audience, case, recipient) of the mail with a Message-ID; None when it is none of ours."""

    def addressed(self, audience: str) -> list[tuple[str, str]]:
        """List every (case, recipient) that was written to."""

    def move_incident(self, ident: str, event: str, now_us: int) -> Incident | None:
        """Move a case by the lifecycle table; LifecycleError when it has no such line."""

    def notes(self, incident: str) -> Sequence[object]:
        """List the notes of a case."""

    def add_note(self, incident: str, author: str, text: str, now_us: int) -> bool:
        """Write a note to a case."""


class Collected(NamedTuple):
    """What came: mails of ours that were parked for a bounce, cases that moved, and how many answers ended how."""

    parked: tuple[Entry, ...] = ()
    moved: tuple[Incident, ...] = ()
    replies: Mapping[str, int] = MappingProxyType({})


class Returns:
    """Reads Maildirs of bounces and answers. What a file holds, a stranger's words and our mail's text, goes with it."""

    def __init__(
        self,
        folders: Iterable[Path],
        store: Mails,
        key: bytes,
        *,
        verp: Verp | None = None,
        opted_out: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take the Maildirs, the store, the key of tokens, who makes envelope senders, and who notes an opt-out."""
        self._folders = tuple(dict.fromkeys(folder / "new" for folder in folders))
        self._store = store
        self._key = key
        self._verp = verp
        self._opted_out = opted_out

    def collect(self, now_us: int) -> Collected:
        """Read what has come. OSError when a folder cannot be read; a file is deleted only after it was acted on."""
        parked: list[Entry] = []
        moved: list[Incident] = []
        replies: Counter[str] = Counter()
        for path in self._files():
            with path.open("rb") as file:
                raw = file.read(LARGEST)
            bounce = read(raw, self._verp) if self._verp else None
            if bounce:
                parked += filter(None, [self._store.bounced(bounce, now_us)])
            else:
                outcome, incident = self._answered(answers.read(raw), now_us)
                replies[outcome] += 1
                moved += filter(None, [incident])
            path.unlink()
        return Collected(tuple(parked), tuple(moved), replies)

    def _files(self) -> list[Path]:
        found = [path for folder in self._folders if folder.is_dir() for path in sorted(folder.iterdir())]
        return [path for path in found if path.is_file() and not path.is_symlink()][:BATCH]

    def _answered(self, reply: Reply, now_us: int) -> tuple[str, Incident | None]:
        """Act on one answer: what became of it, and the case if one moved."""
        if reply.automatic:
            return "automatic", None
        word, about = self._about(reply)
        if about is None:
            return "unknown", None
        audience, case, recipient = about
        if audience == "operator":
            if word != "stop":
                return "people", None
            self._opted_out(recipient)
            return "stop", None
        known = recipient.lower() == reply.sender
        return self._from_customer(reply, case, now_us, known=known, fixed=word == "fixed")

    def _from_customer(
        self, reply: Reply, case: str, now_us: int, *, known: bool, fixed: bool
    ) -> tuple[str, Incident | None]:
        """Note what a customer wrote and move his case; from another address than his it is only noted."""
        bare = fixed and len(reply.text.split()) <= 2  # the word, and maybe its token
        if len(self._store.notes(case)) >= notes.MOST:
            return "people", None
        if reply.text and not bare:
            author = "customer (mail)" if known else "customer (mail from another address)"
            self._store.add_note(case, author, notes.plain(reply.text)[: notes.LONGEST], now_us)
        if not fixed or not known:
            return "note", None
        try:
            moved = self._store.move_incident(case, "fixed", now_us)
        except LifecycleError:
            return "late", None
        return ("fixed", moved) if moved else ("late", None)

    def _about(self, reply: Reply) -> tuple[str, tuple[str, str, str] | None]:
        """Find the mail that is answered: by a token, which also says what is asked, or by its name."""
        for word, token in sorted(reply.tokens):
            audience = "customer" if word == "fixed" else "operator"
            for case, recipient in self._store.addressed(audience):
                if hmac.compare_digest(token, self._token(word, case, recipient)):
                    return word, (audience, case, recipient)
        found = (self._store.mail_named(ident) for ident in sorted(reply.refers))
        return reply.word, next((one for one in found if one), None)

    def _token(self, word: str, case: str, recipient: str) -> str:
        return fixed_token(self._key, case, recipient) if word == "fixed" else optout_token(self._key, recipient)
