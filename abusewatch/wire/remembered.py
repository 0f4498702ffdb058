"""What a decoder has been told, as octets to keep over a restart: without, all records up to the next templates would be lost.

Exporters are named by address, because their numbers are given anew by each process. A file is believed no more than the network: each template
is checked as if it had just come, within the same limits.
"""

from collections.abc import Callable

import msgspec

from abusewatch.wire.domains import Domain, DomainStore
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.sampling import MAX_INTERFACES, MAX_RATE, MAX_SAMPLERS, Rates
from abusewatch.wire.templates import FIELD_OCTETS, MAX_FIELDS, Template, make_template, unpack

FORM = 1
MAX_OCTETS = 64 << 20
MAX_AGE_US = 3_600_000_000
"""An exporter that was set up anew while nobody listened may have given its numbers to other templates (RFC 7011 8.1)."""
VERSIONS = (5, 9, 10)


class _Template(msgspec.Struct, array_like=True, frozen=True):
    number: int
    options: bool
    scopes: int
    spec: bytes


class _Domain(msgspec.Struct, array_like=True, frozen=True):
    exporter: str
    version: int
    number: int
    templates: list[_Template]
    boot_ms: int
    default: int
    told: bool
    samplers: dict[int, int]
    interfaces: dict[int, int]


class _Memory(msgspec.Struct, array_like=True, frozen=True):
    form: int
    at_us: int
    domains: list[_Domain]


def save(store: DomainStore, name: Callable[[int], str], at_us: int) -> bytes:
    """Pack the templates and sampling rates of all domains; `name` gives the address of an exporter by number."""
    domains = [_packed(domain, name(domain.key[0])) for domain in store.live() if domain.templates or domain.rates.known]
    return msgspec.msgpack.encode(_Memory(FORM, at_us, domains))


def _packed(domain: Domain, exporter: str) -> _Domain:
    templates = [_Template(t.number, t.options, t.scopes, t.spec) for t in domain.templates.values()]
    rates = domain.rates
    return _Domain(exporter, *domain.key[1:], templates, domain.boot_ms, rates.default, rates.told, rates.samplers, rates.interfaces)


def load(store: DomainStore, content: bytes, number: Callable[[str], int | None], at_us: int) -> int:
    """Take in what `save` has packed and count its templates; WireError, and nothing taken in, when it is damaged, too old or too large.

    `number` gives the number of an exporter by its address, None for one that is no longer listened to.
    """
    if len(content) > MAX_OCTETS:
        raise WireError(Reason.TOO_LARGE, f"{len(content)} octets of templates")
    try:
        memory = msgspec.msgpack.decode(content, type=_Memory)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(Reason.BAD_TEMPLATE, f"not what was saved: {error}") from None
    if memory.form != FORM or not 0 <= at_us - memory.at_us <= MAX_AGE_US:
        raise WireError(Reason.BAD_TEMPLATE, f"form {memory.form}, {(at_us - memory.at_us) // 1_000_000} s old")
    checked = [(domain, [_template(t) for t in domain.templates], _rates(domain)) for domain in memory.domains]
    return sum(_restore(store, number(domain.exporter), domain, templates, rates) for domain, templates, rates in checked)


def _restore(store: DomainStore, exporter: int | None, told: _Domain, templates: list[Template], rates: Rates) -> int:
    if exporter is None:
        return 0
    domain = store.domain((exporter, told.version, told.number))
    count = 0
    for template in templates:
        if template.number not in domain.templates:  # what has come since is newer
            store.put(domain, template)
            count += 1
    if not domain.rates.known:
        domain.rates = rates
    if domain.boot_ms < 0:
        domain.boot_ms = told.boot_ms
    return count


def _template(saved: _Template) -> Template:
    if not 256 <= saved.number <= 0xFFFF or len(saved.spec) % FIELD_OCTETS or len(saved.spec) > MAX_FIELDS * FIELD_OCTETS:
        raise WireError(Reason.BAD_TEMPLATE, f"template {saved.number} of {len(saved.spec)} octets")
    fields = list(unpack(saved.spec))
    if not 0 <= saved.scopes <= len(fields) or (saved.scopes and not saved.options):
        raise WireError(Reason.BAD_TEMPLATE, f"{saved.scopes} scopes in {len(fields)} fields")
    return make_template(saved.number, fields, saved.scopes, options=saved.options)


def _rates(saved: _Domain) -> Rates:
    tables = ((saved.samplers, MAX_SAMPLERS), (saved.interfaces, MAX_INTERFACES))
    numbers = [saved.default, *(rate for table, _ in tables for rate in table.values())]
    keys = [key for table, _ in tables for key in table]
    well = all(0 <= rate <= MAX_RATE for rate in numbers) and all(0 <= key < 1 << 64 for key in keys)
    if not well or any(len(table) > most for table, most in tables) or saved.version not in VERSIONS or not 0 <= saved.number < 1 << 32:
        raise WireError(Reason.BAD_TEMPLATE, f"rates of domain {saved.number}")
    if not -1 <= saved.boot_ms < 1 << 44:
        raise WireError(Reason.BAD_TEMPLATE, f"started at {saved.boot_ms}")
    return Rates(saved.default, saved.told, dict(saved.samplers), dict(saved.interfaces), "what was told before the restart")
