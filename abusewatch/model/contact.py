"""Who must be told about a network."""

import msgspec


class Contact(msgspec.Struct, frozen=True):
    """The abuse contact of some networks: one e-mail address (None: nobody known), the operator's name and where we learned it.

    `source` is `table`, `cache`, `rdap`, `dns` or `none`.
    """

    email: str | None
    name: str
    source: str
    network: str
