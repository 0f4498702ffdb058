"""A local file over a shipped rule of the same id: it changes tunables, and nothing else.

A changed filter would be another rule under an old name.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from abusewatch.detect.rule import STATUSES

TUNABLES: Mapping[str, tuple[str, ...]] = {
    "match": ("window", "step", "grace", "quiet"),
    "except": ("roles", "only", "prefixes", "lookalikes"),
    "sampled": ("use", "confidence"),
}
"""Keys of tables; beside them `confidence`, `status` (downwards), and `when` and `because` of a [[raise]], which is
found by its severity."""


class Overlay(NamedTuple):
    """What came of it: the merged content, what changed, and faults as (path in the local file, message, hint).

    `taken` maps the path of a changed key in the merged content to its path in the local file.
    """

    values: dict[str, Any]
    taken: dict[str, str]
    faults: list[tuple[str, str, str]]


def overlay(shipped: Mapping[str, Any], local: Mapping[str, Any], *, promoted: bool) -> Overlay:
    """Lay a local file over a shipped one. A key that says what the shipped one says is no change."""
    result = Overlay(dict(shipped), {}, [])
    for key, value in local.items():
        if key in TUNABLES and isinstance(value, dict):
            _table(result, key, value)
        elif key == "raise" and isinstance(value, list):
            _raises(result, value)
        elif value != shipped.get(key):
            _plain(result, key, value, promoted=promoted)
    return result


def _plain(result: Overlay, key: str, value: object, *, promoted: bool) -> None:
    if key == "status" and not promoted and _rank(value) > _rank(result.values.get(key)):
        result.faults.append((key, f"a local file cannot raise the status to {value}", "use: abusewatch promote"))
    elif key in {"status", "confidence"}:
        result.values[key] = value
        result.taken[key] = key
    else:
        result.faults.append(
            (
                key,
                f"{key} is no tunable",
                "a local file of a shipped rule's id changes tunables only; give a new rule its own id",
            )
        )


def _rank(status: object) -> int:
    return STATUSES.index(status) if status in STATUSES else -1


def _table(result: Overlay, name: str, local: Mapping[str, Any]) -> None:
    merged = dict(result.values.get(name, {}))
    for key, value in local.items():
        path = f"{name}.{key}"
        if value == merged.get(key):
            continue
        if key not in TUNABLES[name]:
            result.faults.append((path, f"{path} is no tunable", f"tunable here: {', '.join(TUNABLES[name])}"))
            continue
        merged[key] = value
        result.taken[path] = path
    result.values[name] = merged


def _raises(result: Overlay, local: list[Any]) -> None:
    merged = [dict(entry) for entry in result.values.get("raise", ()) if isinstance(entry, dict)]
    for number, entry in enumerate(local):
        severity = entry.get("severity") if isinstance(entry, dict) else None
        found = [place for place, one in enumerate(merged) if one.get("severity") == severity]
        if len(found) != 1:
            how_many = "several" if found else "no"
            result.faults.append(
                (
                    f"raise.{number}.severity",
                    f"the shipped rule has {how_many} [[raise]] with severity {severity!r}",
                    "",
                )
            )
            continue
        for key, value in entry.items():
            if value == merged[found[0]].get(key):
                continue
            merged[found[0]][key] = value
            result.taken[f"raise.{found[0]}.{key}"] = f"raise.{number}.{key}"
    result.values["raise"] = merged
