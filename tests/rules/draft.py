"""Draft boundaries.json: for every condition of every rule a few examples that tell it from all its mutants. Run by hand, read the difference, commit.

python -m tests.rules.draft            # examples that still hold are kept, so the difference shows what a change of a rule means
"""

import json

import click
import numpy as np

from abusewatch.detect.expression import In, Number, walk
from abusewatch.detect.load import load
from tests.rules.boundaries import FILE, RULES, Example, columns_of, read, verdicts  # the folder is no package
from tests.rules.mutants import Place, mutants, places

TRIES = 240_000
FLAGS = (0, 1, 2, 4, 8, 16, 17, 18, 20, 24, 26, 27, 41)
WORDS = {
    "protocol": (1, 6, 17, 58), "outcome": (0, 1, 2), "flags": FLAGS, "reply_flags": FLAGS, "icmp_type": (0, 3, 8, 11, 128, 129),
    "outbound": (False, True), "inbound": (False, True), "transit": (False, True), "spoofed": (False, True), "initiator": (False, True),
    "opened": (False, True), "sampled": (False, True), "internal": (False, True),
}  # fmt: skip
PORTS = (22, 25, 53, 80, 123, 443, 465, 1023, 1024, 1433, 3306, 5060, 8080, 9999, 40_000)
PORT = {"own_port", "peer_port", "src_port", "dst_port"}


def pool(column: str, place: Place) -> np.ndarray:
    """Values worth trying for a column or a measure: around every number that the condition holds."""
    if column in WORDS:
        return np.array(WORDS[column])
    numbers = {node.amount for node in walk(place.condition) if isinstance(node, Number)}
    numbers |= {
        item.amount
        for node in walk(place.condition)
        if isinstance(node, In)
        for item in node.choices.items
        if isinstance(item, Number)
    }
    if column in PORT:
        return np.array(sorted({*PORTS, *(int(n) for n in numbers if n < 65_536)}), np.uint16)
    near = {n * by for n in (*numbers, 20.0) for by in (0.05, 0.3, 0.5, 0.9, 1, 1.1, 2, 5, 12)}
    ratios = {a * b * by for a in numbers for b in numbers for by in (0.9, 1, 1.1)} | {
        a / b * by for a in numbers for b in numbers if b for by in (0.9, 1, 1.1)
    }
    small = {0.1, 0.3, 0.5, 0.75, 0.85, 0.95, 1.0, 0.0} if place.of_groups else {1.0, 3.0, 100.0}
    values = np.array(sorted(near | ratios | small))
    return np.round(values, 4) if place.of_groups else np.maximum(np.round(values), 0)


def draft(place: Place, old: list[Example], random: np.random.Generator) -> list[Example]:
    """Few examples that every mutant of the place fails."""
    names = columns_of(place)
    tried = {name: random.choice(pool(name, place), TRIES) for name in names}
    for name in names:  # half of what is tried copies another measure, so that ratios come near their limits
        other = random.choice([n for n in names if (n in WORDS or n in PORT) == (name in WORDS or name in PORT)])
        if name not in WORDS and name not in PORT and other not in WORDS:
            again = random.random(TRIES) < 0.4
            tried[name] = np.where(
                again,
                np.round(tried[other] * random.choice([0.1, 0.5, 0.8, 0.95, 1, 1.05, 1.2, 2, 4], TRIES), 4),
                tried[name],
            )
    right = verdicts(place.condition, tried, TRIES)
    kept = [
        e for e in old if set(e.values) == set(names) and bool(verdicts(place.condition, e.columns(), 1)[0]) == e.holds
    ]
    alive = [
        m
        for m in mutants(place.condition)
        if all(bool(verdicts(m.condition, e.columns(), 1)[0]) == e.holds for e in kept)
    ]
    differ = {f"{m.name} ({n})": verdicts(m.condition, tried, TRIES) != right for n, m in enumerate(alive)}
    chosen: list[Example] = []
    while differ:
        score = np.array(list(differ.values())).sum(axis=0)
        best = int(score.argmax())
        if score[best] == 0:
            break
        chosen.append(Example({name: tried[name][best].item() for name in names}, bool(right[best])))
        differ = {name: d for name, d in differ.items() if not d[best]}
    for name in differ:
        click.echo(f"  no example tells {place.name} from the mutant: {name}")
    return kept + chosen


def main() -> None:
    """Write the file anew."""
    known = read()
    table = {}
    for rule in load([RULES]).rules:
        click.echo(rule.id)
        found = {}
        for place in places(rule):
            random = np.random.default_rng(7)
            found[place.name] = [e.text() for e in draft(place, known.get(rule.id, {}).get(place.name, []), random)]
        table[rule.id] = found
    lines = ["{"]
    for n, (rule_id, found) in enumerate(table.items()):
        lines.append(f'  "{rule_id}": {{')
        for m, (name, examples) in enumerate(found.items()):
            body = ",\n".join(f"      {json.dumps(e)}" for e in examples)
            lines.append(f'    "{name}": [\n{body}\n    ]' + ("," if m + 1 < len(found) else ""))
        lines.append("  }" + ("," if n + 1 < len(table) else ""))
    FILE.write_text("\n".join([*lines, "}", ""]))


if __name__ == "__main__":
    main()
