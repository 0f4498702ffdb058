"""The header gate: every header of every mail passes here, whatever the interpreter's own checks are worth.

Python 3.11.7 and 3.12.1 write a real Bcc line out of a hostile Subject (CVE-2024-6923): the value is parsed, its
encoded words are decoded, and the line feed that comes out is folded into the header block. So this gate looks at
characters, refuses encoded words in what it is given (we make our own), and `verify` looks at the finished bytes once
more.
"""

import re
import unicodedata
from collections.abc import Sequence

MAX_BYTES = 998
"""RFC 5322 2.1.1: a line holds at most 998 octets."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,62}")
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class HeaderError(ValueError):
    """A header, an address or a finished header block that must not leave.

    Says which and why, never quotes the value.
    """


def line(name: str, value: object) -> str:
    """Return `value` when it can stand on one header line.

    Str, no C0, C1, U+2028/2029, lone surrogate or encoded word, at most 998 bytes with its name.
    """
    if not isinstance(value, str):
        raise HeaderError(f"{name}: {type(value).__name__} instead of text")
    if _FORBIDDEN.search(value):
        raise HeaderError(f"{name}: holds a control character or line separator")
    if "=?" in value:
        raise HeaderError(f"{name}: holds the start of an encoded word, which a mail library would decode")
    if any(unicodedata.category(c) in {"Cs", "Cf"} for c in value):
        raise HeaderError(f"{name}: holds an invisible character (surrogate or direction mark)")
    if len(name) + 2 + len(value.encode()) > MAX_BYTES:
        raise HeaderError(f"{name}: longer than {MAX_BYTES} bytes")
    return value


def header(name: str, value: object) -> tuple[str, str]:
    """Pass one header through the gate."""
    if not _NAME.fullmatch(name):
        raise HeaderError("a header name is letters, digits and dashes")
    return name, line(name, value)


def hostname(value: str) -> str:
    """Return an ASCII host name of at least two labels (RFC 1123 2.1), or raise."""
    labels = value.split(".")
    if len(value) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise HeaderError("not a host name")
    return value


def verify(raw: bytes, names: Sequence[str]) -> None:
    """Compare the header block of finished mail with the names that were put in, in order.

    HeaderError when anything was added, lost, doubled or is too long.
    """
    block, separator, _ = raw.partition(b"\r\n\r\n")
    if not separator or re.search(rb"(?<!\r)\n|\r(?!\n)", raw):
        raise HeaderError("finished mail: a bare CR or LF, or no end of the header")
    lines = block.split(b"\r\n")
    if any(len(one) > MAX_BYTES for one in raw.split(b"\r\n")):
        raise HeaderError("finished mail: a line longer than 998 bytes")
    if not block.isascii() or any(c < 32 and c not in b"\r\n\t" for c in block):
        raise HeaderError("finished mail: a header byte that is not printable ASCII")
    found = [one.partition(b":")[0].decode("ascii") for one in lines if not one.startswith((b" ", b"\t"))]
    if found != list(names):
        raise HeaderError("finished mail: its headers are not those that were set")
