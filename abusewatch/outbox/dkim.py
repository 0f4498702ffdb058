"""DKIM signatures (RFC 6376, RFC 8463): who receives our mail can see that it is ours and that nobody changed it.

Signed at delivery, not when the mail is written: a mail that waited for days goes out under the key of the day. Both
algorithms, since many cannot read ed25519 yet. From is signed once more than it stands there, so that no second one can
be put on top (8.15); `l=` is never used (8.2).
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

SIGNED = (
    "from", "sender", "to", "subject", "date", "message-id", "in-reply-to", "references", "reply-to", "auto-submitted",
    "list-unsubscribe", "mime-version", "content-type", "content-transfer-encoding",
)  # fmt: skip
"""RFC 6376 5.4.1, and what tells machines how to treat the mail."""
LEAST_BITS = 2048
"""RFC 8301 3.2: signers should use 2048; verifiers refuse less than 1024."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", re.IGNORECASE)
_FIELD = re.compile(rb"([!-9;-~]+):([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)")


class DkimError(ValueError):
    """A key or a name that cannot sign. Never quotes the key."""


@dataclass(frozen=True, slots=True)
class DkimKey:
    """One key: the selector under which its public half stands in the domain's DNS, and the private half."""

    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey

    @property
    def algorithm(self) -> str:
        """Its name in `a=`."""
        return "rsa-sha256" if isinstance(self.key, RSAPrivateKey) else "ed25519-sha256"

    def record(self) -> str:
        """Write the TXT record that belongs at SELECTOR._domainkey.DOMAIN."""
        public = self.key.public_key()
        if isinstance(self.key, RSAPrivateKey):
            raw = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        else:  # RFC 8463 4: the bare 32 octets
            raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return f"v=DKIM1; k={self.algorithm.partition('-')[0]}; p={base64.b64encode(raw).decode()}"


def load_key(selector: str, pem: bytes) -> DkimKey:
    """Read a private key in PEM; DkimError when it is none, of another kind, or too short."""
    if not _NAME.fullmatch(selector):
        raise DkimError(f"the selector {selector!r} is not a DNS name")
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise DkimError(f"the key of selector {selector!r} is no private key in PEM without a password") from None
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise DkimError(f"the key of selector {selector!r} is neither RSA nor Ed25519")
    if isinstance(key, RSAPrivateKey) and key.key_size < LEAST_BITS:
        raise DkimError(f"the key of selector {selector!r} has {key.key_size} bits; {LEAST_BITS} are the least")
    return DkimKey(selector, key)


def sign(raw: bytes, domain: str, keys: Sequence[DkimKey], now_us: int) -> bytes:
    """Put one signature a key on top of a finished mail (CRLF). The mail below them is not touched."""
    block, _, body = raw.partition(b"\r\n\r\n")
    fields = [(m[1].decode("ascii").lower(), m[2]) for m in _FIELD.finditer(block)]
    digest = base64.b64encode(hashlib.sha256(_relaxed_body(body)).digest()).decode()
    return b"".join(_signature(fields, digest, domain, key, now_us) for key in keys) + raw


def _signature(fields: Sequence[tuple[str, bytes]], digest: str, domain: str, key: DkimKey, now_us: int) -> bytes:
    present = [name for name in SIGNED if any(name == have for have, _ in fields)]
    names = [*present, "from"]
    tags = (
        f" v=1; a={key.algorithm}; c=relaxed/relaxed; d={domain}; s={key.selector};\r\n t={now_us // 1_000_000};"
        f" h={_folded(names)};\r\n bh={digest};\r\n b="
    )
    header = b"DKIM-Signature:" + tags.encode("ascii")
    hashed = [_relaxed(name, value) for name, value in _in_turn(fields, names)]
    signed = b"\r\n".join([*hashed, _relaxed("dkim-signature", tags.encode("ascii"))])
    text = base64.b64encode(_value(key, signed)).decode()
    return header + "\r\n ".join(text[at : at + 72] for at in range(0, len(text), 72)).encode("ascii") + b"\r\n"


def _value(key: DkimKey, signed: bytes) -> bytes:
    if isinstance(key.key, RSAPrivateKey):
        return key.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    return key.key.sign(hashlib.sha256(signed).digest())  # RFC 8463 3: the hash of the header is signed, not the header


def _in_turn(fields: Sequence[tuple[str, bytes]], names: Sequence[str]) -> list[tuple[str, bytes]]:
    """Pick the fields in the order of `h=`: a name given again means the next one above; none left is nothing (5.4.2)."""
    waiting = list(fields)
    picked = []
    for name in names:
        at = next((n for n in reversed(range(len(waiting))) if waiting[n][0] == name), None)
        if at is not None:
            picked.append(waiting.pop(at))
    return picked


def _relaxed(name: str, value: bytes) -> bytes:
    """RFC 6376 3.4.2: name in lower case, unfolded, runs of white space to one, none at the ends."""
    unfolded = re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name.encode("ascii") + b":" + unfolded


def _relaxed_body(body: bytes) -> bytes:
    """RFC 6376 3.4.4: runs of white space to one, none at line ends, no empty lines at the end."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def _folded(names: Sequence[str]) -> str:
    """Write `h=` over several lines, none too long."""
    rows = [":".join(names[at : at + 5]) for at in range(0, len(names), 5)]
    return ":\r\n ".join(rows)
