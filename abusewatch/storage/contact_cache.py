"""Contacts in the store: answers by prefix, and what was learned of mailboxes. `contacts` declares both Protocols."""

from collections.abc import Iterable, Mapping, Sequence

from abusewatch.contacts.answer import Answer, Known, key_of, keys, network
from abusewatch.contacts.health import GOOD, PASSED_OVER_US, Standing
from abusewatch.contacts.lpm import Network
from abusewatch.storage.database import Database

DAY_US = 86_400_000_000
_COLUMNS = "key, emails, name, source, learned_us, fresh_us, expires_us"


class SqliteContacts:
    """Cache and health in the database of the cases. Every call is one transaction; any thread may call."""

    def __init__(self, database: Database) -> None:
        """Take the open database."""
        self._database = database

    def get(self, address: str, now_us: int) -> Known | None:
        """Find the answer of the longest prefix that holds the address and has not expired."""
        probes = keys(address)
        with self._database.reading() as db:
            row = db.execute(
                f"SELECT {_COLUMNS} FROM contact WHERE key IN ({','.join('?' * len(probes))}) AND expires_us > ? "  # noqa: S608  # marks only
                "ORDER BY substr(key, 17) DESC LIMIT 1",
                (*probes, now_us),
            ).fetchone()
        return _known(row) if row else None

    def put(self, networks: Sequence[Network], answer: Answer) -> None:
        """Keep an answer for each of the networks; what expired before it was learned goes."""
        values = ("\n".join(answer.emails), *(getattr(answer, name) for name in _COLUMNS.split(", ")[2:]))
        with self._database.transaction() as db:
            db.execute("DELETE FROM contact WHERE expires_us <= ?", (answer.learned_us,))
            db.executemany(
                f"INSERT OR REPLACE INTO contact ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  # a constant
                [(key_of(one), *values) for one in networks],
            )

    def unknown(self, now_us: int, limit: int = 100) -> list[Known]:
        """List networks nobody is known for, the longest waiting first."""
        with self._database.reading() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM contact WHERE emails = '' AND expires_us > ? ORDER BY learned_us, key LIMIT ?",  # noqa: S608  # a constant
                (now_us, limit),
            ).fetchall()
        return [_known(row) for row in rows]

    def spend(self, source: str, per_day: int, now_us: int) -> bool:
        """Take one look-up out of a source's day; False when it is used up. A clock set back begins no new one."""
        with self._database.transaction() as db:
            row = db.execute("SELECT began_us, spent FROM lookup_day WHERE source = ?", (source,)).fetchone()
            began_us, spent = row if row and now_us - row["began_us"] < DAY_US else (now_us, 0)
            if spent >= per_day:
                return False
            db.execute("INSERT OR REPLACE INTO lookup_day VALUES (?, ?, ?)", (source, began_us, spent + 1))
            return True

    def known(self, now_us: int, limit: int = 1000) -> list[Known]:
        """List every answer that has not expired, newest first."""
        with self._database.reading() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM contact WHERE expires_us > ? ORDER BY learned_us DESC, key LIMIT ?",  # noqa: S608  # a constant
                (now_us, limit),
            ).fetchall()
        return [_known(row) for row in rows]

    def remembered(self) -> list[tuple[str, Standing]]:
        """List every mailbox that something is known of, in order of name."""
        with self._database.reading() as db:
            rows = db.execute("SELECT email, bounces, bounced_us, opted_out_us FROM contact_health ORDER BY email").fetchall()
        return [(email, Standing(*rest)) for email, *rest in rows]

    def standing(self, emails: Iterable[str]) -> Mapping[str, Standing]:
        """Give what is known of mailboxes, by lower-case mailbox."""
        with self._database.reading() as db:
            found = {
                key: db.execute(
                    "SELECT bounces, bounced_us, opted_out_us FROM contact_health WHERE email = ?", (key,)
                ).fetchone()
                for key in {email.lower() for email in emails}
            }
        return {key: Standing(*row) for key, row in found.items() if row}

    def bounced(self, email: str, now_us: int) -> None:
        """Note a hard bounce."""
        with self._database.transaction():
            one = self.standing([email]).get(email.lower(), GOOD).bounced(now_us)
            self._write(
                """INSERT INTO contact_health (email, bounces, bounced_us, expires_us) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (email) DO UPDATE SET bounces = ?2, bounced_us = ?3,
                   expires_us = iif(opted_out_us IS NULL, ?4, NULL)""",
                email, one.bounces, now_us, now_us + PASSED_OVER_US,
            )  # fmt: skip

    def delivered(self, email: str) -> None:
        """Forget bounces; a mailbox that nothing else is known of is forgotten altogether."""
        self._write("DELETE FROM contact_health WHERE email = ?1 AND opted_out_us IS NULL", email)
        self._write("UPDATE contact_health SET bounces = 0, bounced_us = NULL WHERE email = ?1", email)

    def opted_out(self, email: str, now_us: int) -> None:
        """Note an opt-out; the first one counts, and it has no end."""
        self._write(
            """INSERT INTO contact_health (email, opted_out_us) VALUES (?1, ?2)
               ON CONFLICT (email) DO UPDATE SET opted_out_us = coalesce(opted_out_us, ?2), expires_us = NULL""",
            email, now_us,
        )  # fmt: skip

    def restore(self, email: str) -> None:
        """Forget all about a mailbox."""
        self._write("DELETE FROM contact_health WHERE email = ?1", email)

    def _write(self, statement: str, email: str, *values: int) -> None:
        with self._database.transaction() as db:
            db.execute(statement, (email.lower(), *values))


def _known(row: Sequence[object]) -> Known:
    key, emails, *rest = row
    return Known(network(key), Answer(tuple(str(emails).split("\n")) if emails else (), *rest))  # type: ignore[arg-type]  # the table is STRICT
