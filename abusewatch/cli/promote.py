"""`abusewatch promote`: let a rule of one's own cause mail, after its tests and a look at what it has found."""

import getpass
import time
from pathlib import Path

import click

from abusewatch.cli.captures import CaptureError, try_case
from abusewatch.cli.output import FINDINGS, Refused, config_option, print_lines
from abusewatch.config import ConfigError, load
from abusewatch.config.assemble import rule_set
from abusewatch.config.load import find
from abusewatch.config.promotions import digest_of, write
from abusewatch.config.shipped import shipped
from abusewatch.detect.rule import Rule
from abusewatch.model.finding import iso


@click.command()
@click.argument("rule_id")
@click.option("--reason", required=True, help="Why; whoever asks later reads it.")
@click.option("--author", help="Who says so. Default: the name of the account.")
@click.option(
    "--captures",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of captures for the rule's tests; default: the shipped ones.",
)
@config_option
@click.pass_context
def promote(  # one argument an option
    ctx: click.Context, rule_id: str, reason: str, author: str | None, captures: Path | None, config: Path | None
) -> None:
    """Let RULE, a local file that asks for `status = "stable"`, cause mail as it is now; a later change only observes again.

    Its own tests are run first; exit code 1, and nothing is promoted, when one fails.
    """
    try:
        settings = load(config or find()).rules
    except ConfigError as error:
        raise Refused(str(error.faults[0])) from None
    local = settings.local
    if local is None or not digest_of(local, rule_id):
        raise Refused(f"{rule_id} is no file of [rules] local; shipped rules need no promotion")
    if not reason.strip():
        raise Refused("a promotion needs a reason")
    rule = _as_promoted(rule_id, local, settings.detectors)
    if rule.status != "stable":
        raise Refused(f'{rule_id} asks for status "{rule.status}"; write status = "stable" into its file first')
    if not rule.tests:
        raise Refused(f"{rule_id} has no test; a rule that mails strangers needs a capture it must be silent on")
    failed = _failures(rule, captures or shipped("captures"))
    print_lines(failed, err=True)
    if failed:
        ctx.exit(FINDINGS)
    by = author or getpass.getuser()
    write(local, rule_id, at=iso(time.time_ns() // 1000), by=by, reason=" ".join(reason.split()))
    click.echo(f"{rule_id}: {len(rule.tests)} test(s) passed; promoted by {by}. Reload the daemon to use it")


def _as_promoted(rule_id: str, local: Path, detectors: tuple[str, ...]) -> Rule:
    """Load the rule as it will be; Refused when any rule has a fault."""
    faults: list[str] = []
    rules, _ = rule_set(local, (), faults, detectors=detectors, promoting=rule_id)
    if faults:
        raise Refused(f"{faults[0]} ({len(faults)} fault(s); see `abusewatch rules lint`)")
    return next(rule for rule in rules if rule.id == rule_id)


def _failures(rule: Rule, captures: Path) -> list[str]:
    try:
        return [
            f"{rule.id} on {case.capture}: {text}" for case in rule.tests for text in try_case(rule, case, captures)
        ]
    except (CaptureError, OSError) as error:
        raise Refused(f"{rule.file}: a test cannot be run: {error}") from None
