"""One strict reading of a mail address: exactly one ASCII addr-spec, or nothing.

RFC 5322 3.4.1 allows quoted strings, comments, groups, lists and literals; each has been a way to a second recipient
(threats.md 2 #17, T13). Nobody's abuse mailbox needs them.
"""

import re

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
LOCAL_OCTETS, DOMAIN_OCTETS, PATH_OCTETS = 64, 253, 254
"""RFC 5321 4.5.3.1.1 and .2; RFC 1035 2.3.4 without the root; RFC 3696 erratum 1690."""


class AddressError(ValueError):
    """Not one plain mail address. Says what is wrong and never repeats the value, which may be hostile."""


def addr_spec(text: object) -> str:
    """Return the address with its domain in lower case: a dot-atom, `@`, a host name of two labels or more.

    AddressError for anything else, also for what is no text at all.
    """
    if not isinstance(text, str):
        raise AddressError("is no text")
    local, at, domain = text.partition("@")
    if not text.isascii():
        raise AddressError("holds a character outside ASCII")
    if not at or not _LOCAL.fullmatch(local):
        raise AddressError("is not of the form name@host.example")
    if len(local) > LOCAL_OCTETS or len(domain) > DOMAIN_OCTETS or len(text) > PATH_OCTETS:
        raise AddressError("is longer than SMTP allows")
    labels = domain.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise AddressError("has no host name after the @")
    return f"{local}@{domain.lower()}"
