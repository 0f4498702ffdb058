"""docs/rules.md, written from the rule files: what each rule sees, why its numbers are what they are, and what resembles it."""

from collections.abc import Iterator, Sequence

from abusewatch.detect.rule import Rule

HEAD = """# Rules

Made by `abusewatch rules page` from `rules/*.toml`; a test says so. How a rule is written: [rule-language.md](rule-language.md).

| rule | kind | on | sampled input | ATT&CK | XARF |
|---|---|---|---|---|---|
"""
SAMPLED = {
    "none": "off",
    "lower_bound": "judges what the sample proves",
    "distinct": "counts what was seen",
}


def page(rules: Sequence[Rule]) -> str:
    """Give the whole page; the same rules always give the same text."""
    ordered = sorted(rules, key=lambda rule: rule.id)
    rows = "".join(_row(rule) + "\n" for rule in ordered)
    return HEAD + rows + "".join("\n" + "\n".join(_section(rule)) + "\n" for rule in ordered)


def _row(rule: Rule) -> str:
    cells = (
        f"[{rule.id}](#{rule.id})",
        rule.kind,
        f"{rule.match.on}s",
        _sampled(rule),
        ", ".join(rule.attack),
        rule.xarf,
    )
    return f"| {' | '.join(cells)} |"


def _sampled(rule: Rule) -> str:
    return rule.sampled.rule if rule.sampled.use == "rule" else SAMPLED[rule.sampled.use]


def _section(rule: Rule) -> Iterator[str]:
    match = rule.match
    yield f"## {rule.id}"
    yield ""
    yield f"{rule.title}. Status {rule.status}, confidence {rule.confidence:g}."
    yield ""
    yield f"- looks at {match.on}s where `{match.where_text}`"
    per = ", ".join(f"`{key.text}`" for key in match.per)
    yield f"- by {per}, in {_time(match.window_secs)}; a new finding after {_time(match.quiet_secs)} of quiet"
    yield from (f"- `{name}` is `{measure.text}`" for name, measure in rule.measures.items())
    yield from (f"- **{entry.severity}** when `{entry.text}`: {entry.because}" for entry in rule.raises)
    if rule.exempt.roles:
        yield f"- leaves alone customers with the role {_either(rule.exempt.roles)}"
    yield f"- resembles: {'; '.join(rule.exempt.lookalikes)}"
    yield from _tests(rule)


def _tests(rule: Rule) -> Iterator[str]:
    for expect, words in (("finding", "fires on"), ("nothing", "is silent on")):
        names = [
            case.capture + (f" 1:{case.sampling}" if case.sampling > 1 else "")
            for case in rule.tests
            if case.expect == expect
        ]
        if names:
            yield f"- {words} {', '.join(names)}"


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _time(secs: int) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if secs >= size and secs % size == 0:
            return f"{secs // size} {unit}"
    return f"{secs} s"
