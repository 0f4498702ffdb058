"""Who is ours: customers, prefixes, roles and ownership at a time; gives every record its direction."""

from abusewatch.inventory.inventory import Inventory
from abusewatch.inventory.load import InventoryError, load, of_prefixes

__all__ = ["Inventory", "InventoryError", "load", "of_prefixes"]
