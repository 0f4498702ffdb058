"""Everything that a configuration names, read and checked as one object: a reload swaps the whole of it or nothing."""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from abusewatch import contacts, inventory
from abusewatch.config import promotions
from abusewatch.config.load import ConfigError, load
from abusewatch.config.model import Config
from abusewatch.config.position import line_of, lines_of
from abusewatch.config.shipped import shipped
from abusewatch.contacts import ContactsError, OperatorTable
from abusewatch.detect.coded.programs import named
from abusewatch.detect.load import load as load_rules
from abusewatch.detect.rule import Rule
from abusewatch.inventory import Inventory, InventoryError
from abusewatch.outbox.dkim import DkimError, DkimKey, load_key
from abusewatch.outbox.smime import Smime, SmimeError
from abusewatch.outbox.smime import load as load_smime
from abusewatch.reports import texts
from abusewatch.shards.split import inseparable

_T = TypeVar("_T")


class SetupError(ValueError):
    """What was to be loaded has faults; `faults` holds a line for each, over all files."""

    def __init__(self, faults: Sequence[str]) -> None:
        """Keep the lines as they will be shown."""
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Setup:
    """A configuration with the rules, the inventory and the operator table it names; `warnings` keep nothing from running."""

    config: Config
    rules: tuple[Rule, ...]
    inventory: Inventory
    table: OperatorTable
    warnings: tuple[str, ...]


def assemble(path: Path) -> Setup:
    """Read all files behind a configuration; SetupError with every fault of every file."""
    try:
        config = load(path)
    except ConfigError as error:
        raise SetupError([str(fault) for fault in error.faults]) from None
    except OSError as error:
        raise SetupError([f"{path}:1: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise SetupError([f"{path}:1: not UTF-8 text at byte {error.start}"]) from None
    faults: list[str] = []
    chosen = config.rules
    rules, warnings = rule_set(chosen.local, chosen.disable, faults, chosen.observe, chosen.detectors)
    own = _part(lambda: _inventory(config), faults)
    table = _part(lambda: contacts.load(config.contacts.table) if config.contacts.table else OperatorTable(), faults)
    if config.engine.workers > 1:
        faults.extend(_inseparable(path, rules))
    faults.extend(_unfit_keys(config))
    faults.extend(texts.faults(config.mail.templates) if config.mail.templates else [])
    lines = PolicyLines(path, config)
    if own is not None:
        faults.extend(lines.unknown_customers(own))
    if faults or own is None or table is None:
        raise SetupError(faults)
    return Setup(config, rules, own, table, (*warnings, *lines.unreached()))


class PolicyLines:
    """What only the whole setup can say about the lines of the policy, each remark with its place in the file."""

    def __init__(self, path: Path, config: Config) -> None:
        """Take the configuration and the file it came from."""
        self._path = path
        self._lines = config.policy.settings().own
        self._places = lines_of(path.read_text("utf-8")) if self._lines else {}

    def unknown_customers(self, own: Inventory) -> list[str]:
        """Name customers that the inventory has not: their line would never speak of anybody."""
        known = {customer.id for customer in own.customers}
        return [
            self._remark(number, "customer", f"the inventory has no customer {name!r}")
            for number, line in enumerate(self._lines)
            for name in line.customer
            if name not in known
        ]

    def unreached(self) -> list[str]:
        """Name lines that an earlier one leaves nothing to."""
        return [
            self._remark(number, "tell", f"is never asked: line {first + 1} takes all that it fits")
            for number, line in enumerate(self._lines)
            if (first := next((n for n in range(number) if self._lines[n].covers(line)), None)) is not None
        ]

    def _remark(self, number: int, key: str, words: str) -> str:
        place = line_of(self._places, ("policy", "line", number, key))
        return f"{self._path}:{place}: policy.line[{number}].{key}: {words}"


def rule_set(  # what rules are loaded from
    local: Path | None,
    disabled: Sequence[str],
    faults: list[str],
    observed: Sequence[str] = (),
    detectors: Sequence[str] = (),
    promoting: str = "",
) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Load the shipped rules and the local ones over them: the rules and the warnings, faults added to the list.

    What is `observed` is at most that, so that the desk alone sees what it finds. `detectors` are those of other
    packages that rules may name. Local rules are as promoted (`promotions`), and `promoting` as if it were.
    """
    programs = named(detectors, faults)
    promoted, stale = promotions.read(local)
    wanted = promoted | {promoting}
    loaded = load_rules([shipped("rules"), *([local] if local else [])], wanted, programs)
    faults.extend(str(fault) for fault in loaded.faults)
    known = {rule.id for rule in loaded.rules}
    if not loaded.faults:
        faults.extend(
            f"rules.{key}: there is no rule {name!r}; there are {', '.join(sorted(known))}"
            for key, names in (("disable", disabled), ("observe", observed))
            for name in names
            if name not in known
        )
    rules = tuple(
        replace(rule, status="observe") if rule.id in observed and rule.status == "stable" else rule
        for rule in loaded.rules
        if rule.id not in disabled
    )
    again = (
        f"{local}/{name}.toml: changed since it was promoted; it observes until `abusewatch promote {name}`"
        for name in stale
    )
    return rules, (*(str(warning) for warning in loaded.warnings), *again)


def _inventory(config: Config) -> Inventory:
    """Read the inventory; own prefixes that no customer has are laid under those of the customers."""
    if config.network.inventory is None:
        return inventory.of_prefixes(config.network.prefixes)
    known = inventory.load(config.network.inventory)
    own = tuple(ipaddress.ip_network(prefix) for prefix in config.network.prefixes)
    return Inventory(known.customers, own=own, ports=known.ports)


def dkim_keys(config: Config) -> tuple[DkimKey, ...]:
    """Read the keys that sign our mail; DkimError or OSError."""
    return tuple(load_key(path.stem, path.read_bytes()) for path in config.mail.dkim_keys)


def smime_of(config: Config) -> Smime | None:
    """Read what signs notices by S/MIME; SmimeError or OSError."""
    certificate, key = config.mail.smime_certificate, config.mail.smime_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise SmimeError("`smime_certificate` and `smime_key` belong together")
    return load_smime(certificate, key, config.sender)


def _inseparable(path: Path, rules: Sequence[Rule]) -> list[str]:
    """Name the rules that several engine processes cannot run, each with what to do."""
    place = line_of(lines_of(path.read_text("utf-8")), ("engine", "workers"))
    return [
        f"{path}:{place}: engine.workers: {name} brings several own addresses together, which takes all records in one process; "
        "add own to its identity, disable it, or write workers = 1"
        for name in inseparable(rules)
    ]


def _unfit_keys(config: Config) -> list[str]:
    try:
        smime_of(config)
        dkim_keys(config)
    except SmimeError as error:
        return [f"mail.smime_certificate: {error}"]
    except DkimError as error:
        return [f"mail.dkim_keys: {error}"]
    except OSError as error:
        return [f"mail.dkim_keys: {error.filename} cannot be read: {error.strerror}"]
    return []


def _part(read: Callable[[], _T], faults: list[str]) -> _T | None:
    try:
        return read()
    except (InventoryError, ContactsError) as error:
        faults.extend(error.faults)
    except OSError as error:
        faults.append(f"{error.filename}:1: cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        faults.append(f"not UTF-8 text: {error.reason} at byte {error.start}")
    return None
