"""Opt-outs that the operator of this program writes down, beside those that recipients have sent."""

from collections.abc import Collection, Iterable, Mapping

from msgspec.structs import replace

from abusewatch.contacts.health import GOOD, ContactHealth, Standing


class Refusals:
    """A ContactHealth that knows some mailboxes and domains to want nothing, and asks the one inside for the rest."""

    def __init__(self, inner: ContactHealth, never: Collection[str]) -> None:
        """Take what remembers, and the refusals in lower case: `abuse@one.example`, or `@one.example` with all below it."""
        self._inner = inner
        self._never = frozenset(never)

    def standing(self, emails: Iterable[str]) -> Mapping[str, Standing]:
        """Give what is known of mailboxes; one refused here counts as opted out since ever."""
        some = [email.lower() for email in emails]
        known = dict(self._inner.standing(some))
        for email in filter(self._refused, some):
            known[email] = replace(known.get(email, GOOD), opted_out_us=0)
        return known

    def _refused(self, email: str) -> bool:
        labels = email.rpartition("@")[2].split(".")
        domains = {"@" + ".".join(labels[n:]) for n in range(len(labels))}
        return email in self._never or not domains.isdisjoint(self._never)

    def bounced(self, email: str, now_us: int) -> None:
        """Note a hard bounce."""
        self._inner.bounced(email, now_us)

    def delivered(self, email: str) -> None:
        """Forget bounces."""
        self._inner.delivered(email)

    def opted_out(self, email: str, now_us: int) -> None:
        """Note an opt-out."""
        self._inner.opted_out(email, now_us)

    def restore(self, email: str) -> None:
        """Forget what is remembered; what is written here stays."""
        self._inner.restore(email)
