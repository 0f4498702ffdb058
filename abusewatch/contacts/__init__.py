"""Who must be told about a network: the operator table, registries asked sparingly, and the networks nobody is told about."""

from abusewatch.contacts.answer import Answer, ContactCache, Known, MemoryCache
from abusewatch.contacts.chain import ContactChain
from abusewatch.contacts.health import ContactHealth, MemoryHealth, Standing
from abusewatch.contacts.resolve import TableResolver
from abusewatch.contacts.settings import ContactSettings, chain, lookups
from abusewatch.contacts.special import special_purpose
from abusewatch.contacts.table import ContactsError, OperatorTable, load
from abusewatch.model.mailbox import AddressError, addr_spec

__all__ = [
    "AddressError", "Answer", "ContactCache", "ContactChain", "ContactHealth", "ContactSettings", "ContactsError", "Known",
    "MemoryCache", "MemoryHealth", "OperatorTable", "Standing", "TableResolver", "addr_spec", "chain", "load", "lookups",
    "special_purpose",
]  # fmt: skip
