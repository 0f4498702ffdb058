"""The tables of the outbox as a page: docs/outbox.md is this text, and a test says so."""

from abusewatch.outbox.budgets import HOUR_US, STALE_US, TABLE, Budgets
from abusewatch.outbox.states import BACKOFF_FIRST_SECS, BACKOFF_LAST_SECS, LIFETIME_US, MEANING
from abusewatch.outbox.states import TABLE as STATES

HEAD = f"""# Mail on its way

Written from the tables in `abusewatch/outbox/`; a test compares the two.

A mail and the mark that its case was told are one transaction, durable when it returns. A mail leaves the queue only when a
server has taken it, refused it for good, or {LIFETIME_US // (24 * HOUR_US)} days are over. It is tried again after {BACKOFF_FIRST_SECS} s, doubling up to
{BACKOFF_LAST_SECS} s. When the connection is lost after the text was sent, the server may have it: it is sent again under the same
Message-ID. Better twice than never. Eight deliveries go on beside each other, a mail and a connection each, so that a server or a
recipient who hangs holds up the others by less than their own time again.

## States

| state | means |
|---|---|
"""

BUDGETS = """
## Budgets

No input can talk us out of these (`[budgets]` in the configuration). They are judged in the transaction that puts a mail into the
outbox, from what lies there, so that a kill or a restart forgets nothing. They are reckoned by the machine's uptime and not by the wall
clock, so that a clock that jumps frees nothing; after a reboot the wall clock tells how long it took, never less than nothing.

| limit | mails | what is counted | in | why |
|---|---|---|---|---|
"""

TAIL = f"""
What is over a budget is `held` with the limit's name as its reason and goes by itself once there is room, oldest first; after
{STALE_US // HOUR_US} hours it is left to the desk. Operators of one case that the hour has no room for are not even written to: casework looks
again every ten minutes, and their mail then says what is true then. What a person lets go is charged, and not stopped.

Once mails of two or more cases wait for one recipient, they leave as one **digest**: one mail that lists up to fifty cases, to an operator
with his own addresses only. It is charged as one mail to him and as one of each case; the mails it stands for are `folded`. It has a
Message-ID and a thread of its own, and passes both leak checks. A case whose part cannot be written keeps its own mail.

The **breaker** of an audience opens when an hour wanted more than `breaker_hour`. Then nothing to that audience leaves, health is red, and the
log says so each minute, until `abusewatch outbox resume AUDIENCE`. A wall clock that jumps by more than a minute stops all mail for five minutes.

## Signatures and bounces

`[mail] dkim_keys` names private keys; the file's name is the selector. Use two, RSA (2048 bits or more) and Ed25519: both sign, relaxed/relaxed, with From
signed once more than it stands there. Mail is signed as it leaves.

`[mail] smime_certificate` and `smime_key` sign notices to customers by S/MIME too (detached, RSA or elliptic curve, the certificate made out to the
sender), so that their mail program shows whose they are. Reports to operators keep `multipart/report` on top, as RFC 5965 wants, and are signed by
DKIM alone. To check one: `openssl cms -verify -in notice.eml -CAfile ca.pem`.

`[mail] bounces` names a Maildir into which your mail server puts mail to `bounce+ANYTHING@` your domain (Postfix:
`recipient_delimiter = +`). Each mail then has an envelope sender of its own, made with a key. A report (RFC 3464) that says `failed` with a status of
class 5 parks the mail and counts against the mailbox; all else changes nothing. Files are deleted once read.
"""


def document() -> str:
    """Write the page."""
    states = "".join(f"| {state} | {means} |\n" for state, means in MEANING.items())
    limits = "".join(
        f"| `{line.name}` | {getattr(Budgets(), line.name)} | {line.counts} | {line.span_us // HOUR_US} h | {line.why} |\n"
        for line in TABLE
    )
    return HEAD + states + "\n" + STATES.page() + BUDGETS + limits + TAIL
