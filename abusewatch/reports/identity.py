"""Names that are the same each time a mail is made and that nobody else can make.

Message-IDs, report ids, opt-out tokens.
"""

import hashlib
import hmac


def keyed(key: bytes, *parts: str) -> bytes:
    """HMAC-SHA-256 over the parts, each with its length before it, so that ("a", "bc") and ("ab", "c") differ.

    32 bytes.
    """
    message = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
    return hmac.digest(key, message, hashlib.sha256)


def message_id(key: bytes, domain: str, case: str, recipient: str, sequence: int) -> str:
    """Name a mail by (case, recipient, sequence).

    Sent again after a crash, it is the same mail for the one who gets it.
    """
    return f"<{keyed(key, 'message', case, recipient.lower(), str(sequence)).hex()[:32]}@{domain}>"


def optout_token(key: bytes, recipient: str) -> str:
    """Make the word by which a recipient says "no more".

    Only a reader of our mail to him has it, so nobody can unsubscribe another.
    """
    return keyed(key, "stop", recipient.lower()).hex()[:16]


def fixed_token(key: bytes, case: str, recipient: str) -> str:
    """Make the word by which a customer's mail is known to be about his case.

    Only a reader of our notice to him has it.
    """
    return keyed(key, "fixed", case, recipient.lower()).hex()[:16]
