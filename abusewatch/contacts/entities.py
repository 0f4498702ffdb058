"""Find the abuse mailbox in an RDAP answer (RFC 9083), wherever the registry has put it.

RIPE, APNIC and LACNIC have the abuse entity at the top, ARIN inside the registrant; AFRINIC gives no roles at all; one
entity may carry several roles and several mailboxes. Whatever does not look as it should is passed over: the text was
written by strangers.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from abusewatch.model.mailbox import AddressError, addr_spec

DEPTH = 5
ENTITIES = 500
"""Real answers hold fewer than twenty entities, three deep."""
NAME_CHARACTERS = 200
_ABUSE = re.compile(r"(?:[a-z0-9]+[-_.+])*abuse(?:[-_.+][a-z0-9]+)*", re.IGNORECASE)
"""abuse@, network-abuse@, abuse-v6@: what RFC 2142 reserves for this, and its kin."""
_MAIL = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")


class Named(NamedTuple):
    """The mailboxes an answer names for abuse, the best first, and who runs the network.

    `entity` is the handle and own link of an abuse entity that came without mailbox and can be asked for (nic.br).
    """

    emails: tuple[str, ...]
    name: str
    entity: tuple[str, str] | None


class _Entity(NamedTuple):
    depth: int
    roles: frozenset[str]
    emails: tuple[str, ...]
    name: str
    handle: str
    link: str


def abuse_contact(document: Mapping[str, Any]) -> Named:
    """Rank the mailboxes of an RDAP object.

    First the entity that is there for abuse alone, then one with other duties besides, each nearest to the network;
    then a mailbox that is called abuse whatever its entity's role; last one called so in the network's remarks.
    Technical and administrative contacts are not meant for reports and are never taken (RFC 6650 5.5).
    """
    entities = list(_walk(document))
    abuse = [one for one in entities if "abuse" in one.roles]
    ranked = sorted(abuse, key=lambda one: (one.roles != {"abuse"}, one.depth))
    emails = [email for one in ranked for email in one.emails]
    emails += [email for one in entities for email in one.emails if _ABUSE.fullmatch(email.partition("@")[0])]
    emails += _remarks(document)
    unique: dict[str, str] = {}
    for email in emails:
        unique.setdefault(email.lower(), email)
    bare = next(((one.handle, one.link) for one in ranked if one.handle and not one.emails), None)
    names = [*(one.name for one in entities if "registrant" in one.roles), *(one.name for one in ranked)]
    name = next(filter(None, names), "") or _text(document.get("name"))
    return Named(tuple(unique.values()), name, None if unique else bare)


def _walk(document: Mapping[str, Any]) -> Iterator[_Entity]:
    """Yield entities level by level; the object itself first, since it may be an entity."""
    waiting = deque([(document, 0)])
    for _ in range(ENTITIES):
        if not waiting:
            return
        one, depth = waiting.popleft()
        yield _entity(one, depth)
        if depth < DEPTH:
            waiting.extend((inner, depth + 1) for inner in _list(one.get("entities")) if isinstance(inner, dict))


def _entity(one: Mapping[str, Any], depth: int) -> _Entity:
    card = _list(one.get("vcardArray"))
    properties = [p for p in _list(card[1] if len(card) > 1 else None) if isinstance(p, list) and len(p) > 3]
    roles = frozenset(role.lower() for role in _list(one.get("roles")) if isinstance(role, str))
    links = [link for link in _list(one.get("links")) if isinstance(link, dict) and link.get("rel") == "self"]
    names = {kind: _text(value) for kind, _, _, value, *_ in reversed(properties) if kind in {"fn", "org"}}
    link = links[0].get("href") if links else ""
    return _Entity(
        depth,
        roles,
        tuple(_emails(properties)),
        names.get("org") or names.get("fn") or "",
        _text(one.get("handle")),
        link if isinstance(link, str) else "",
    )


def _emails(properties: list[list[Any]]) -> Iterator[str]:
    """Yield the mailboxes of a jCard (RFC 7095): those of type abuse first, then by preference (RFC 6350 5.3)."""
    found = []
    for kind, parameters, _, value, *_ in properties:
        email = _mailbox(value) if kind == "email" else None
        if email:
            said = parameters if isinstance(parameters, dict) else {}
            found.append((said.get("type") != "abuse", _preference(said.get("pref")), email))
    yield from (email for _, _, email in sorted(found, key=lambda one: one[:2]))


def _preference(value: object) -> int:
    """Read `pref`, 1 to 100, 1 the most preferred; a mailbox without comes last."""
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) <= 3 else 101


def _mailbox(value: object) -> str | None:
    """Take one plain mailbox or nothing; what else stands in the place of one may be a trap."""
    if not isinstance(value, str):
        return None
    try:
        return addr_spec(value.strip().removeprefix("mailto:"))
    except AddressError:
        return None


def _remarks(document: Mapping[str, Any]) -> list[str]:
    lines = [
        line
        for remark in _list(document.get("remarks"))[:50]
        if isinstance(remark, dict)
        for line in _list(remark.get("description"))[:200]
        if isinstance(line, str)
    ]
    found = (_mailbox(match[0]) for line in lines for match in _MAIL.finditer(line[:500]))
    return [email for email in found if email and _ABUSE.fullmatch(email.partition("@")[0])]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    """Take a name as printable text of one line, or nothing."""
    text = "".join(c if c.isprintable() else " " for c in value) if isinstance(value, str) else ""
    return " ".join(text.split())[:NAME_CHARACTERS]
