"""Who must be told about a network: the operator table, and the networks nobody is ever told about."""

from abusewatch.contacts.resolve import TableResolver
from abusewatch.contacts.special import special_purpose
from abusewatch.contacts.table import ContactsError, OperatorTable, load
from abusewatch.model.mailbox import AddressError, addr_spec

__all__ = ["AddressError", "ContactsError", "OperatorTable", "TableResolver", "addr_spec", "load", "special_purpose"]
