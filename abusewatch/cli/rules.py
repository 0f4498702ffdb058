"""`abusewatch rules`: what runs, what it says, whether it is well formed, and whether it finds what it must."""

from pathlib import Path

import click

from abusewatch.cli.captures import CaptureError, try_case
from abusewatch.cli.explain import explain
from abusewatch.cli.output import FINDINGS, Refused, config_option, json_option, print_json, print_lines, print_table
from abusewatch.config.assemble import SetupError, assemble, rule_set
from abusewatch.config.load import ConfigError, load
from abusewatch.config.shipped import shipped
from abusewatch.detect.rule import Rule

rules_option = click.option(
    "--rules", "folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder of your own rules."
)


@click.group()
def rules() -> None:
    """List, show, check, test and explain the rules."""


@rules.command("list")
@rules_option
@config_option
@json_option
def list_(folder: Path | None, config: Path | None, *, as_json: bool) -> None:
    """List every rule with its status."""
    some = _load(folder, config)
    if as_json:
        for rule in some:
            print_json(_summary(rule))
    else:
        header = ("id", "kind", "status", "confidence", "title")
        print_table(header, [(r.id, r.kind, r.status, f"{r.confidence:g}", r.title) for r in some])


@rules.command()
@click.argument("rule_id")
@rules_option
@config_option
@json_option
def show(rule_id: str, folder: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Show one rule: its conditions with their reasons, what may leave, and what a local file changed."""
    rule = _one(rule_id, _load(folder, config))
    if as_json:
        print_json(_summary(rule))
        return
    match, ways = (
        rule.match,
        [f"{r.severity}: {r.text}\n    because {r.because or '(no reason given)'}" for r in rule.raises],
    )
    print_lines(
        [
            f"{rule.id}: {rule.title}",
            f"  kind {rule.kind} ({rule.xarf}), status {rule.status}, confidence {rule.confidence:g}",
            f"  on {match.on}s where {match.where_text}",
            f"  per {', '.join(key.text for key in match.per)} in {match.window_secs} s, quiet after {match.quiet_secs} s",
            *(f"  {name} = {measure.text}" for name, measure in rule.measures.items()),
            *(f"  raises {way}" for way in ways),
            f"  operator sees: {', '.join(rule.evidence.operator)}",
            f"  customer sees: {', '.join(rule.evidence.customer)}",
            f"  look-alikes: {', '.join(rule.exempt.lookalikes) or 'none known'}",
            f"  overridden here: {', '.join(rule.overridden) or 'nothing'}",
            f"  file: {rule.file}",
        ]
    )


@rules.command()
@rules_option
@config_option
def page(folder: Path | None, config: Path | None) -> None:
    """Print all rules with their reasons as one page of Markdown; docs/rules.md is that of the shipped ones."""
    from abusewatch.cli.rules_page import page as written  # noqa: PLC0415  # nothing else needs it

    click.echo(written(_load(folder, config)), nl=False)


@rules.command()
@rules_option
@config_option
@json_option
@click.pass_context
def lint(ctx: click.Context, folder: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Check every rule file: all faults at once with file and line, and what its author will regret."""
    faults: list[str] = []
    loaded, warnings = rule_set(_folder(folder, config), (), faults, detectors=_detectors(config))
    if as_json:
        print_json({"faults": faults, "warnings": list(warnings)})
    else:
        print_lines([*faults, *(f"{warning} [warning]" for warning in warnings)])
        click.echo(f"abusewatch: {len(loaded)} rules, {len(faults)} faults, {len(warnings)} warnings", err=True)
    ctx.exit(FINDINGS if faults else 0)


@rules.command()
@click.argument("rule_ids", nargs=-1)
@rules_option
@click.option(
    "--captures",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of captures; default: the shipped ones.",
)
@config_option
@json_option
@click.pass_context
def test(  # one argument an option
    ctx: click.Context,
    rule_ids: tuple[str, ...],
    folder: Path | None,
    captures: Path | None,
    config: Path | None,
    *,
    as_json: bool,
) -> None:
    """Run each rule over its own captures, those it must fire on and those it must be silent on."""
    loaded = _load(folder, config)
    failed = 0
    for rule in [_one(rule_id, loaded) for rule_id in rule_ids] or loaded:
        for case in rule.tests:
            try:
                missing = try_case(rule, case, captures or shipped("captures"))
            except CaptureError as error:
                raise Refused(f"{rule.file}: test {case.capture}: {error}") from None
            failed += bool(missing)
            if as_json:
                print_json({"rule": rule.id, "capture": case.capture, "expect": case.expect, "faults": missing})
            else:
                click.echo(f"{'FAIL' if missing else 'ok  '} {rule.id} on {case.capture} expects {case.expect}")
                print_lines(f"     {text}" for text in missing)
    ctx.exit(FINDINGS if failed else 0)


rules.add_command(explain)


def _folder(folder: Path | None, config: Path | None) -> Path | None:
    """Choose the local rules: those named, else those of a configuration named."""
    if folder or not config:
        return folder
    try:
        return assemble(config).config.rules.local
    except SetupError as error:
        raise Refused(f"{error.faults[0]} ({len(error.faults)} fault(s); see `abusewatch check`)") from None


def _detectors(config: Path | None) -> tuple[str, ...]:
    """Name the detectors of other packages that a configuration allows."""
    try:
        return load(config).rules.detectors if config else ()
    except ConfigError as error:
        raise Refused(f"{error.faults[0]} ({len(error.faults)} fault(s); see `abusewatch check`)") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{config}: cannot be read: {error}") from None


def _load(folder: Path | None, config: Path | None) -> tuple[Rule, ...]:
    faults: list[str] = []
    loaded, _ = rule_set(_folder(folder, config), (), faults, detectors=_detectors(config))
    if faults:
        raise Refused(f"{faults[0]} ({len(faults)} fault(s); see `abusewatch rules lint`)")
    return loaded


def _one(rule_id: str, some: tuple[Rule, ...]) -> Rule:
    for rule in some:
        if rule.id == rule_id:
            return rule
    raise Refused(f"there is no rule {rule_id!r}; there are {', '.join(rule.id for rule in some)}")


def _summary(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "title": rule.title,
        "kind": rule.kind,
        "xarf": rule.xarf,
        "status": rule.status,
        "confidence": rule.confidence,
        "where": rule.match.where_text,
        "per": [key.text for key in rule.match.per],
        "window_secs": rule.match.window_secs,
        "measures": {name: measure.text for name, measure in rule.measures.items()},
        "raises": [{"severity": r.severity, "when": r.text, "because": r.because} for r in rule.raises],
        "evidence": {"operator": rule.evidence.operator, "customer": rule.evidence.customer},
        "overridden": rule.overridden,
        "file": rule.file,
    }
