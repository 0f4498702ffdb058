"""The policy as a table that a lawyer or a night shift can read: what `policy show` prints, and docs/policy.md."""

from abusewatch.incidents.policy import BESIDES, FLOORS, MEANING, TELL, Policy, decide

COLUMNS = ("line", "kind", "severity", "basis", "customer", "at least", "told", "approved by the desk first", "why")


def table(policy: Policy) -> list[tuple[str, ...]]:
    """Write the lines in force as rows of COLUMNS."""
    rows = []
    for number, line in enumerate(policy.lines, 1):
        least = {"confidence": line.least_confidence, "targets": line.least_targets, "flows": line.least_flows}
        fits = (", ".join(some) or "any" for some in (line.kind, line.severity, line.basis, line.customer))
        enough = ", ".join(f"{name} {value:g}" for name, value in least.items() if value) or "-"
        rows.append((str(number), *fits, enough, line.tell, line.approve, line.why))
    return rows


def floors() -> list[str]:
    """Write the floors as sentences."""
    most = {"desk": "the desk alone", "customer": "the desk and the customer"}
    return [*(f"{floor.name}: {most[floor.most]}" for floor in FLOORS), BESIDES]


def document() -> str:
    """Write docs/policy.md."""
    told = "".join(f"| `{tell}` | {MEANING[tell]} |\n" for tell in TELL)
    rows = "".join(f"| {' | '.join(row)} |\n" for row in table(decide))
    under = "".join(f"- {line}\n" for line in floors())
    return HEAD + told + BEHIND + f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n" + rows + FLOOR_HEAD + under


HEAD = """# Who is told

Written from `abusewatch/incidents/policy.py`; a test compares the two. `abusewatch policy show` prints the lines in force here.

A finding goes through the lines from the top; the first that fits decides. Each finding of a case is decided by itself, so a
weak one never rides along with a strong one.

| `tell` | means |
|---|---|
"""
BEHIND = """
Your own lines stand first:

```toml
[policy]
quiet_customer = "22:00-07:00"        # nobody is woken, unless it is critical
time_zone = "Europe/Amsterdam"

[[policy.line]]                       # one customer is telephoned, not mailed
customer = ["C-1042"]
tell = "desk"

[[policy.line]]                       # what could be forged: somebody looks before the customer reads of it
basis = ["syn_only", "one_way", "unknown"]
tell = "customer"
approve = "everybody"

[[policy.line]]                       # scans are reported when they are large
kind = ["address_scan", "port_scan"]
least_targets = 100
tell = "operators"
```

Mail that waits for approval is `held` with the reason `approval`; `abusewatch case approve CASE` lets it go, and what comes later of the case
with it. In quiet hours mail is not even written: it is when they end, and then says what is true then.

Behind them these ship:

"""
FLOOR_HEAD = """
## What no line can lift

"""
