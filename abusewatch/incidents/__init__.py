"""From findings to incidents: one per customer and kind while it lasts, and who may be told about it."""

from abusewatch.incidents.correlate import correlate, identity
from abusewatch.incidents.lifecycle import STATES, Change, expire, step
from abusewatch.incidents.policy import Decision, decide, everyone
from abusewatch.incidents.store import IncidentStore

__all__ = [
    "STATES",
    "Change",
    "Decision",
    "IncidentStore",
    "correlate",
    "decide",
    "everyone",
    "expire",
    "identity",
    "step",
]
