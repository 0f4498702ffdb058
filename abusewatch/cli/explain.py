"""`abusewatch rules explain`: why a finding fired on an address, or how near each rule came, over files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import click
import msgspec

from abusewatch.cli.inputs import Inputs
from abusewatch.cli.judge import between, judge, taken
from abusewatch.cli.options import from_option, inventory_option, own_option, rules_option, sampling_option, to_option
from abusewatch.cli.output import FINDINGS, Refused, config_option, json_option, print_json, print_lines
from abusewatch.cli.replay import gathered
from abusewatch.cli.status import daemon_socket, socket_option
from abusewatch.detect.episodes import Owners
from abusewatch.detect.explain import FIRED, LEFT_OUT, NEAR, NOTHING, OFF, SILENCED, Account, Explainer
from abusewatch.detect.moments import Moment
from abusewatch.detect.nearness import number
from abusewatch.detect.rule import Rule
from abusewatch.inventory import Inventory
from abusewatch.model import address
from abusewatch.model.finding import iso
from abusewatch.model.flow import FlowBatch
from abusewatch.service.control import ControlError, ask

PARTS_SHOWN = 4
FAR = 0.05
"""What came no nearer gets one line when there are other rules to tell of."""
PANE_SECS = 5


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE...]")
@click.option("--offender", required=True, metavar="IP", help="The address to explain.")
@click.option("--rule", "rule_id", metavar="ID", help="Only this rule.")
@own_option
@inventory_option
@rules_option
@from_option
@to_option
@sampling_option
@click.option("--live", is_flag=True, help="Ask the running daemon about its windows now, instead of files.")
@socket_option
@config_option
@json_option
@click.pass_context
def explain(  # noqa: PLR0913, PLR0917  # one argument an option
    ctx: click.Context,
    files: tuple[str, ...],
    offender: str,
    rule_id: str | None,
    own: tuple[str, ...],
    inventory_file: Path | None,
    folder: Path | None,
    from_us: int | None,
    to_us: int | None,
    sampling: int,
    path: Path | None,
    config: Path | None,
    *,
    live: bool,
    as_json: bool,
) -> None:
    """Say why each rule fired on an address, or why not: which part of its condition failed, and by how much.

    Exit code 1 when a rule fired on it, 0 when none did.
    """
    if bool(files) == live:
        raise Refused("name the files to read, or ask the running daemon with --live")
    try:
        watched = address.text(*address.parse(offender))
    except ValueError:
        raise Refused(f"{offender!r} is no address") from None
    if live:
        accounts = _asked(path or daemon_socket(config), watched, rule_id)
        ours = True
    else:
        parts = gathered(own, inventory_file, folder, None, config)
        inputs = Inputs(files)
        batches = taken(inputs, sampling, lambda batch: between(batch, from_us, to_us))
        accounts, ours = explained(
            batches, chosen(parts.rules, rule_id), parts.inventory, inputs.exporter_name, watched
        )
        inputs.report()
    fired = sum(account.verdict == FIRED for account in accounts)
    if as_json:
        for account in accounts:
            print_json(account)
    else:
        print_lines(page(accounts, watched, ours=ours, live=live))
    click.echo(f"abusewatch: {fired} rule(s) fired on {watched}", err=True)
    ctx.exit(FINDINGS if fired else 0)


def explained(
    batches: Iterable[FlowBatch],
    rules: Sequence[Rule],
    inventory: Inventory,
    exporter_name: Callable[[int], str],
    offender: str,
) -> tuple[list[Account], bool]:
    """Run the explaining engine over an input; also whether the address is ours."""
    made: list[Explainer] = []

    def engine(some: Sequence[Rule], owners: Owners, pane_us: int) -> Explainer:
        made.append(Explainer(some, owners, pane_us, offender=offender))
        return made[-1]

    judge(batches, rules, inventory, exporter_name, engine)
    return made[0].accounts(), made[0].ours


def _asked(path: Path, offender: str, rule_id: str | None) -> list[Account]:
    words = {"offender": offender} | ({"rule": rule_id} if rule_id else {})
    try:
        found = ask(path, "explain", words=words)
    except ControlError as error:
        raise Refused(str(error)) from None
    if not found["accounts"]:
        raise Refused(f"the daemon has no rule {rule_id!r}")
    return msgspec.convert(found["accounts"], list[Account])


def chosen(rules: Sequence[Rule], rule_id: str | None) -> tuple[Rule, ...]:
    """The rule asked for, or all; Refused when there is none of that name."""
    found = tuple(rule for rule in rules if rule_id in {None, rule.id})
    if not found:
        raise Refused(f"there is no rule {rule_id!r}; there are {', '.join(rule.id for rule in rules)}")
    return found


def page(accounts: Sequence[Account], offender: str, *, ours: bool, live: bool = False) -> Iterator[str]:
    """Write the accounts for a terminal: what fired in full, near misses in a few lines, the others in one."""
    if not ours:
        yield f"{offender} is in none of the networks named as ours: only rules on forged sources look at it"
    if not any(account.seen for account in accounts):
        yield f"no window holds a row of {offender} now" if live else f"no record of {offender} was seen"
        return
    for account in accounts:
        if account.verdict in {OFF, NOTHING} or (
            account.verdict == NEAR and account.best and account.best.near < FAR and len(accounts) > 1
        ):
            yield f"{'far' if account.verdict == NEAR else account.verdict:9} {account.rule}: {short(account)}"
            continue
        status = f" [{account.status}]" if account.status != "stable" else ""
        near = f", {100 * account.best.near:.0f} %" if account.verdict == NEAR and account.best else ""
        yield f"{account.verdict.upper().replace('_', ' ')}{near}  {account.rule}: {account.title}{status}"
        yield from (f"    {line}" for line in _told(account))


def short(account: Account) -> str:
    """One line about a rule that has not fired: what was lacking."""
    if account.verdict in {SILENCED, LEFT_OUT}:
        return f"the condition held, but {account.because}"
    if account.best:
        return "; ".join(clause.words for clause in account.best.clauses if not clause.holds)
    return f"none of {account.seen} {account.on}s counts{_failed(account)}" if account.seen else account.because


def _told(account: Account) -> Iterator[str]:
    if account.verdict == FIRED:
        yield from _fired(account)
    elif account.verdict in {SILENCED, LEFT_OUT}:
        yield f"the condition held, but {account.because}"
        yield from _moment(account.best)
    elif account.verdict == NEAR:
        yield f"{account.because}; {account.matched} of {account.seen} {account.on}s count{_failed(account)}"
        if account.gate:
            yield f"its gate never opened, so the engine did not look closer: {account.gate}"
        yield from _moment(account.best)
    else:
        yield account.because


def _fired(account: Account) -> Iterator[str]:
    for finding in account.findings:
        frames = f", frames {finding.frames[0]} to {finding.frames[1]}" if finding.frames else ""
        yield f"{finding.severity}: {finding.first_seen} to {finding.last_seen}, {finding.flows} flows to {finding.targets} target(s){frames}"
    yield f"because {account.because}"
    if account.first is not None and account.first != account.best:
        yield f"held first at {iso(account.first.end_us)}: {account.first.filled}"
    yield f"{account.matched} of {account.seen} {account.on}s count" + _failed(account)
    yield from _moment(account.best)


def _moment(moment: Moment | None) -> Iterator[str]:
    """The furthest or nearest window: what was in it, and each part of the condition."""
    if moment is None:
        return
    group = ", ".join(f"{name} {value}" for name, value in moment.group.items())
    frames = f", frames {moment.frames[0]} to {moment.frames[1]}" if moment.frames else ""
    yield f"{'furthest' if moment.near >= 1 else 'nearest'} at {iso(moment.end_us)}, {group}"
    yield f"  {moment.rows} rows in {len(moment.panes)} pane(s) of {PANE_SECS} s, {iso(moment.first_us)} to {iso(moment.last_us)}{frames}"
    wide = max(len(clause.text) for clause in moment.clauses)
    for clause in moment.clauses:
        yield f"  {clause.text:{wide}}  {clause.filled if clause.holds else clause.words}{'' if clause.holds else '  <- fails'}"
    if moment.sampling_rate > 1:
        likely = ", ".join(
            f"{name} {number(moment.measures[name])} proved of about {number(value)}"
            for name, value in moment.estimates.items()
        )
        yield f"  sampled 1:{moment.sampling_rate}; " + (
            f"judged on what the sample proves (99.9 %): {likely}" if likely else "judged as seen"
        )


def _failed(account: Account) -> str:
    """Which rows were not taken, by the first part of `where` that they fail."""
    most = sorted(account.failed.items(), key=lambda item: -item[1])
    told = [f"{count} fail `{part}`" for part, count in most[:PARTS_SHOWN]]
    more = [f"{len(most) - PARTS_SHOWN} more reasons"] if len(most) > PARTS_SHOWN else []
    return f" ({'; '.join(told + more)})" if told else ""
