"""The sets of one NetFlow v9 or IPFIX datagram, in order: templates are stored, options taken in, data sets matched with their templates."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from abusewatch.wire.cursor import Cursor
from abusewatch.wire.domains import MAX_RECORDS, DataSet, Domain, DomainStore, Held, Message, PendingSet, Refrain
from abusewatch.wire.elements import SCOPE
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.headers import HEADER_OCTETS, IPFIX
from abusewatch.wire.sampling import Numbers
from abusewatch.wire.templates import Template, read_records, read_templates

MAX_SETS = 1_024
MAX_TEMPLATES = 256
"""In one datagram. The most seen in the field is some forty."""
MAX_FIELDS = 32_768
"""In records of variable length, which are read field by field, for one datagram. Forty records of thirty fields fill a usual one."""
BOOT = (0, 160)

_TOLD = frozenset([
    (0, 34), (0, 50), (0, 305), (0, 306), (0, 309), (0, 310), (0, 48), (0, 302), (0, 10), (0, 252), (SCOPE, 2), BOOT,
])  # fmt: skip
"""Elements of options records that change how later records are read."""


@dataclass(slots=True)
class Walk:
    """What a datagram held: its data sets, its templates, the numbers of those it changed, and whether every set's template was known.

    `records_left`, `fields_left` and `templates_left` are what it may still cost.
    """

    sets: list[DataSet] = field(default_factory=list)
    templates: list[Template] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    complete: bool = True
    told: bool = False
    records_left: int = MAX_RECORDS
    fields_left: int = MAX_FIELDS
    templates_left: int = MAX_TEMPLATES


def chain(version: int, data: bytes) -> list[tuple[int, int, int]]:
    """List the sets of a datagram as (number, start, end) of their contents; WireError when the datagram does not hold together.

    Checked before anything is taken in: a malformed message is discarded whole (RFC 7011 9.1).
    """
    header = HEADER_OCTETS[version]
    if len(data) < header:
        raise WireError(Reason.TRUNCATED, f"{len(data)} octets")
    end = len(data)
    if version == IPFIX:
        end = int.from_bytes(data[2:4], "big")
        if not header <= end <= len(data):
            raise WireError(Reason.BAD_LENGTH, f"length {end} in {len(data)} octets")
    found: list[tuple[int, int, int]] = []
    position = header
    while position + 4 <= end:
        number, length = int.from_bytes(data[position : position + 2], "big"), int.from_bytes(data[position + 2 : position + 4], "big")
        if length < 4 or position + length > end or len(found) == MAX_SETS:
            if not any(data[position:end]):
                break  # zeros to the end: some exporters pad their datagrams
            raise WireError(Reason.BAD_SET, f"set {number} of {length} octets at {position} of {end}")
        found.append((number, position + 4, position + length))
        position += length
    return found


def _templates(body: bytes, version: int, options: bool) -> tuple[tuple[Template, ...], Reason | None]:  # noqa: FBT001  # cached by position
    """Read a set of templates up to the first bad one. What came before it stands; where the next one would begin nobody knows."""
    found: list[Template] = []
    try:
        for template in read_templates(Cursor(body), version, options=options):
            found.append(template)
            if len(found) > MAX_TEMPLATES:
                break
    except WireError:
        return tuple(found), Reason.BAD_TEMPLATE
    return tuple(found), None


def _confirmed(held: Held | None, template: Template, message: Message) -> bool:
    """Whether a layout in doubt was told once more, by another datagram."""
    return held is not None and template == held.new and message != held.message


MAX_REFRAIN = 2_048
CACHED_OCTETS = 2_048
_templates_again = lru_cache(maxsize=512)(_templates)
"""Exporters repeat their templates every minute or even in each datagram; most sets of them were read before, octet for octet."""


def _limit(walk: Walk, template: Template, octets: int) -> int:
    """Take the records of a set off what the datagram may still cost; those that waited for its template are part of it."""
    limit = min(octets // template.length, walk.records_left)
    if template.variable:
        count = len(template.fields)
        limit = min(limit, walk.fields_left // count)
        walk.fields_left -= limit * count
    walk.records_left -= limit
    return limit


class SetReader:
    """Reads datagrams of set-based versions into a store of domains; refusals of parts are counted into `counts`."""

    def __init__(self, store: DomainStore, counts: Counter[Reason]) -> None:
        self._store = store
        self._counts = counts

    def read(self, domain: Domain, message: Message, data: bytes) -> Walk:
        """Take in one datagram; WireError when it is refused whole."""
        again = self._again(domain, message, data)
        if again is not None:
            return again
        walk, faults, sets = Walk(), self._counts.total(), chain(message.version, data)
        template_set = 2 if message.version == IPFIX else 0  # RFC 7011 3.3.2, RFC 3954 5.2; the next number is that of options templates
        for number, start, end in sets:
            if number >= 256:
                self._data(domain, message, walk, number, data, start, end)
            elif number in {template_set, template_set + 1}:
                self._templates(domain, message, walk, Cursor(data, start, end), options=number != template_set)
            else:
                self._counts[Reason.RESERVED_SET] += 1
        if message.version == IPFIX and int.from_bytes(data[2:4], "big") < len(data):
            self._counts[Reason.TRAILING_BYTES] += 1
        if walk.told or walk.changed:
            domain.refrain = None
        if walk.templates and walk.complete and not walk.changed and self._counts.total() == faults:
            self._remember(domain, walk, data, sets)
        return walk

    @staticmethod
    def _remember(domain: Domain, walk: Walk, data: bytes, sets: list[tuple[int, int, int]]) -> None:
        """Note what this datagram told, to know it when it is told again; in its last set there may be records of flows."""
        last = walk.sets[-1] if walk.sets and walk.sets[-1].template.plain and walk.sets[-1].start == sets[-1][1] else None
        options = walk.sets[:-1] if last else walk.sets
        octets = data[sets[0][1] - 4 : last.start - 4 if last else sets[-1][2]]
        if len(octets) <= MAX_REFRAIN and all(found.own and found.template.options for found in options):
            domain.refrain = Refrain(octets, tuple(walk.templates), tuple(options))

    @staticmethod
    def _again(domain: Domain, message: Message, data: bytes) -> Walk | None:
        """Read a datagram that tells what was told before, octet for octet, and then has one set of records or nothing; None when it is another."""
        refrain = domain.refrain
        start = HEADER_OCTETS[message.version]
        if refrain is None or not data.startswith(refrain.octets, start):
            return None
        start += len(refrain.octets)
        whole = message.version != IPFIX or int.from_bytes(data[2:4], "big") == len(data)
        number, octets = int.from_bytes(data[start : start + 2], "big"), int.from_bytes(data[start + 2 : start + 4], "big")
        template = domain.templates.get(number) if start + octets == len(data) and octets >= 4 else None
        alone = start == len(data)
        if not whole or not (alone or (template and template.plain)) or not refrain.stands(domain):
            return None
        for told in refrain.templates:
            domain.templates.move_to_end(told.number)
            domain.note(told.number, message.export_us, anew=False)
        for found in refrain.options:
            domain.templates.move_to_end(found.template.number)
        walk = Walk([DataSet(each.template, data, each.start, each.end, message, each.limit) for each in refrain.options], list(refrain.templates))
        walk.records_left -= sum(each.limit for each in refrain.options)
        if template is not None:
            domain.templates.move_to_end(number)
            walk.sets.append(DataSet(template, data, start + 4, len(data), message, _limit(walk, template, octets - 4)))
        return walk

    def _templates(self, domain: Domain, message: Message, walk: Walk, cursor: Cursor, *, options: bool) -> None:
        body = cursor.take(cursor.left)
        templates, fault = (_templates_again if len(body) <= CACHED_OCTETS else _templates)(body, message.version, options)
        if fault is not None:
            self._counts[fault] += 1
        for template in templates:
            walk.templates_left -= 1
            if walk.templates_left < 0:
                self._counts[Reason.TEMPLATE_LIMIT] += 1
                return
            self._store_template(domain, message, walk, template)
            walk.templates.append(template)

    def _store_template(self, domain: Domain, message: Message, walk: Walk, template: Template) -> None:
        """Believe a template, unless it takes the number of one that has just been repeated: then it must be repeated itself (threat T3)."""
        held = domain.held.pop(template.number, None)
        known = domain.templates.get(template.number) if held is None else held.old
        until_us = held.until_us if held is not None else domain.doubts(template.number, message.export_us)
        if known is not None and known != template and until_us is not None and not _confirmed(held, template, message):
            self._hold(domain, walk, Held(known, template, message, until_us), held)
            return
        restored = held is not None and template == held.old
        if restored:
            self._drop_pending(domain, template.number)  # nobody knows which layout they were written with
        self._believe(domain, message, walk, template, restored=restored)

    def _hold(self, domain: Domain, walk: Walk, doubt: Held, before: Held | None) -> None:
        if before is None:
            self._store.hold(domain, doubt)
        elif before.new == doubt.new:
            doubt = before  # the same datagram tells it twice
        else:
            self._drop_pending(domain, doubt.old.number)
        if before is None or doubt is not before:
            self._counts[Reason.TEMPLATE_CHANGED] += 1
            walk.changed.append(doubt.old.number)
        domain.held[doubt.old.number] = doubt

    def _drop_pending(self, domain: Domain, number: int) -> None:
        fresh, stale = self._store.take_pending(domain, number, 0)
        self._counts[Reason.PENDING_DROPPED] += len(fresh) + stale

    def _believe(self, domain: Domain, message: Message, walk: Walk, template: Template, *, restored: bool = False) -> None:
        try:
            old, evicted = self._store.put(domain, template)
        except WireError as error:
            self._counts[error.reason] += 1
            return
        self._counts[Reason.TEMPLATE_EVICTED] += evicted
        domain.note(template.number, message.export_us, anew=not restored and (old is None or old != template))
        if old is not template and old != template:
            # A router that was set up anew, or somebody who would have its records read wrongly.
            self._counts[Reason.TEMPLATE_CHANGED] += old is not None
            walk.changed.append(template.number)
            self._replay(domain, message, walk, template)

    def _replay(self, domain: Domain, message: Message, walk: Walk, template: Template) -> None:
        fresh, stale = self._store.take_pending(domain, template.number, message.export_us)
        self._counts[Reason.PENDING_DROPPED] += stale
        for pending in fresh:
            limit = _limit(walk, template, len(pending.data))
            self._take(domain, walk, DataSet(template, pending.data, 0, len(pending.data), pending.message, limit, own=False))

    def _data(self, domain: Domain, message: Message, walk: Walk, number: int, data: bytes, start: int, end: int) -> None:  # noqa: PLR0917
        template = domain.templates.get(number)
        if template is not None:
            domain.templates.move_to_end(number)
            self._take(domain, walk, DataSet(template, data, start, end, message, _limit(walk, template, end - start)))
            return
        held = domain.held.get(number)
        if held is not None and message.export_us > held.until_us:
            del domain.held[number]
            self._believe(domain, message, walk, held.new)
            self._data(domain, message, walk, number, data, start, end)
            return
        walk.complete = False
        domain.missing += held is None
        self._counts[Reason.MISSING_TEMPLATE if held is None else Reason.TEMPLATE_HELD] += 1
        if not self._store.keep_pending(domain, PendingSet(number, data[start:end], message)):
            self._counts[Reason.PENDING_DROPPED] += 1

    def _take(self, domain: Domain, walk: Walk, found: DataSet) -> None:
        walk.sets.append(found)
        if found.template.options and not _TOLD.isdisjoint((pen, number) for pen, number, _ in found.template.fields):
            walk.told = True
            self._learn(domain, found)

    def _learn(self, domain: Domain, options: DataSet) -> None:
        try:
            for numbers in _numbers(options):
                if 0 < numbers.get(BOOT, 0) < 1 << 44:
                    domain.boot_ms = numbers[BOOT]
                if not domain.rates.learn(numbers):
                    self._counts[Reason.SAMPLER_LIMIT] += 1
        except WireError as error:
            self._counts[error.reason] += 1


def _numbers(options: DataSet) -> Iterator[Numbers]:
    """Read, of each options record, what changes how later records are read; of an element that comes twice the first."""
    template, data = options.template, options.data
    wanted = {place: (enterprise, number) for place, (enterprise, number, _) in enumerate(template.fields) if (enterprise, number) in _TOLD}
    places = list({key: place for place, key in reversed(wanted.items())}.items())
    if template.variable:
        for spans in read_records(template, data, options.start, options.end, options.limit):
            yield {
                key: int.from_bytes(data[start : start + length], "big")
                for key, (start, length) in ((key, spans[place]) for key, place in places)
                if 0 < length <= 8
            }
        return
    sizes = [size for _, _, size in template.fields]
    spots = [(key, sum(sizes[:place]), sizes[place]) for key, place in places if sizes[place] <= 8]
    for start in range(options.start, options.start + options.limit * template.length, template.length):
        yield {key: int.from_bytes(data[start + at : start + at + size], "big") for key, at, size in spots}
