"""From findings to incidents: one per customer and act while it lasts, and who may be told about it."""

from abusewatch.incidents.correlate import correlate, join, owner
from abusewatch.incidents.due import Due, Plan, plan
from abusewatch.incidents.lifecycle import STATES, Change, expire, step
from abusewatch.incidents.policy import Decision, Policy, decide, everyone
from abusewatch.incidents.readers import ContactResolver, Owners, Readers
from abusewatch.incidents.sightings import Noticed, Seen, seen, since
from abusewatch.incidents.store import CaseStore, IncidentStore

__all__ = [
    "STATES",
    "CaseStore",
    "Change",
    "ContactResolver",
    "Decision",
    "Due",
    "IncidentStore",
    "Noticed",
    "Owners",
    "Plan",
    "Policy",
    "Readers",
    "Seen",
    "correlate",
    "decide",
    "everyone",
    "expire",
    "join",
    "owner",
    "plan",
    "seen",
    "since",
    "step",
]
