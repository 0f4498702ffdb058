"""Which local rules a person has let loose: a list beside them, each line for one rule as it was read then.

A rule that was changed since is not the rule that was looked at: it observes again until it is promoted again.
"""

import csv
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

NAME = "promoted.csv"
HEADER = ("rule", "sha256", "at", "by", "reason")


class Promotions(NamedTuple):
    """Identifiers of rules promoted as they are now, and of those changed or gone since."""

    current: frozenset[str]
    stale: tuple[str, ...]


def read(folder: Path | None) -> Promotions:
    """Read the list of a folder of local rules; none without a folder or a list. OSError when it cannot be read."""
    path = folder / NAME if folder else None
    if folder is None or path is None or not path.is_file():
        return Promotions(frozenset(), ())
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["rule"]: row["sha256"] for row in csv.DictReader(file) if row.get("rule") and row.get("sha256")}
    current = frozenset(rule for rule, digest in rows.items() if digest == digest_of(folder, rule))
    return Promotions(current, tuple(sorted(rows.keys() - current)))


def write(folder: Path, rule: str, *, at: str, by: str, reason: str) -> None:
    """Add a line for a rule as its file is now, in place of an earlier one; whole or not at all."""
    path = folder / NAME
    rows: list[list[str]] = []
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row and row[0] not in {"rule", rule}]
    part = folder / f".{NAME}.part"
    with part.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerows([HEADER, *rows, (rule, digest_of(folder, rule), at, by, reason)])
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def digest_of(folder: Path, rule: str) -> str:
    """Give the SHA-256 of a rule's file; "" when there is none."""
    try:
        return hashlib.sha256((folder / f"{rule}.toml").read_bytes()).hexdigest()
    except OSError:
        return ""
