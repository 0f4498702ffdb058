"""Answers to our mail, read as far as a program may act on them: FIXED from a customer, STOP from an operator.

Everything in an answer is written by a stranger. It is read up to a size, by hand and without the mail library (whose
parser fails on 2 kB of nesting, threats.md 0.4): header fields, then the first part of text, its transfer encoding undone,
without what it quotes. Who may have what he asks for is decided elsewhere, by tokens that only our reader has.
"""

import binascii
import html
import quopri
import re
from collections.abc import Mapping
from typing import NamedTuple

from abusewatch.model.mailbox import AddressError, addr_spec
from abusewatch.outbox.bounces import LARGEST

HEADER_BYTES = 64 * 1024
DEPTH = 4
"""Parts within parts; mail programs need three (signed, mixed, alternative)."""
TEXT_CHARACTERS = 20_000
FIXED = frozenset({"fixed", "behoben", "corrigé", "corrige", "resuelto", "opgelost"})
STOP = frozenset({"stop", "unsubscribe"})

_TOKEN = re.compile(r"\b(FIXED|STOP)\s+([0-9a-f]{16})\b", re.IGNORECASE)
_ID = re.compile(r"<[0-9a-f]{32}@[A-Za-z0-9.-]{1,253}>")
_ADDRESS = re.compile(r"<([^<>\s]{3,254})>")
_TAG = re.compile(r"<[^<>]{0,2000}>")
_HIDDEN = re.compile(r"(?is)<(style|script|head)\b.{0,20000}?</\1>")
_BREAK = re.compile(r"(?i)<br\b[^<>]{0,200}>|</(?:p|div|tr|li|blockquote)>")
_BEFORE = re.compile(r"(?i)\s*(?:-{2,}|_{10,}|(?:from|von|de|van|sent|gesendet)\s*:.*@)")
_PARAMETER = re.compile(r'(?i);\s*(\w+)\s*=\s*(?:"([^"]{0,200})"|([^\s;]{1,200}))')


class Reply(NamedTuple):
    """What an answer says. `sender` is the one plain address in From, in lower case, or empty.

    `automatic`: no person wrote it (RFC 3834), so nothing may follow from it. `refers` holds Message-IDs it answers,
    `tokens` pairs of a word (`fixed`, `stop`) and a token. `text` is what the sender wrote himself, `word` what he asks for
    by its first line, or empty.
    """

    sender: str
    automatic: bool
    refers: frozenset[str]
    tokens: frozenset[tuple[str, str]]
    word: str
    text: str


def read(raw: bytes) -> Reply:
    """Read an answer; nothing that comes in raises."""
    head, body = _parted(raw[:LARGEST])
    fields = _fields(head)
    text = _own_words(_text(fields, body, DEPTH))
    subject = fields.get("subject", "")
    first = next((line for line in text.split("\n") if line.strip()), "")
    tokens = {(m[1].lower(), m[2].lower()) for m in _TOKEN.finditer(f"{subject}\n{first}")}
    refers = frozenset(
        one.lower() for one in _ID.findall(f"{fields.get('in-reply-to', '')} {fields.get('references', '')}")
    )
    return Reply(_sender(fields), _automatic(fields), refers, frozenset(tokens), _word(first), text)


def _parted(raw: bytes) -> tuple[str, str]:
    """Part header and body at the first empty line; latin-1 keeps each byte a character."""
    head, _, body = raw.decode("latin-1").replace("\r\n", "\n").partition("\n\n")
    return head[:HEADER_BYTES], body


def _fields(head: str) -> dict[str, str]:
    """Read header fields, folded ones on one line; of a name given twice the first counts, as delivery puts its own on top."""
    fields: dict[str, str] = {}
    for line in re.sub(r"\n[ \t]+", " ", head).split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields


def _sender(fields: Mapping[str, str]) -> str:
    """Take the address of From; empty when there is none, or more than one."""
    value = fields.get("from", "")
    found = _ADDRESS.findall(value) or [value]
    try:
        return addr_spec(found[0]).lower() if len(found) == 1 else ""
    except AddressError:
        return ""


def _automatic(fields: Mapping[str, str]) -> bool:
    """Tell what no person wrote: RFC 3834 2 and 5, lists, and the marks that older programs set instead."""
    local = _sender(fields).partition("@")[0]
    return (
        fields.get("auto-submitted", "no").partition(";")[0].strip().lower() != "no"
        or fields.get("precedence", "").lower() in {"bulk", "list", "junk", "auto_reply"}
        or fields.get("return-path", "").replace(" ", "") == "<>"
        or fields.get("content-type", "").lower().startswith("multipart/report")
        or local in {"", "mailer-daemon", "postmaster", "noreply", "no-reply"}
        or not {"list-id", "x-autoreply", "x-autorespond", "x-autoresponse"}.isdisjoint(fields)
    )


def _text(fields: Mapping[str, str], body: str, depth: int) -> str:
    """Find the first part that is text and undo its encoding; empty when there is none."""
    kind = fields.get("content-type", "text/plain").partition(";")[0].strip().lower()
    options = {m[1].lower(): m[2] or m[3] or "" for m in _PARAMETER.finditer(fields.get("content-type", ""))}
    if kind.startswith("multipart/") and depth and options.get("boundary"):
        pieces = [_parted(part.lstrip("\n").encode("latin-1")) for part in body.split(f"--{options['boundary']}")[1:21]]
        read_parts = [_text(_fields(head), inner, depth - 1) for head, inner in pieces]
        return next((text for text in read_parts if text.strip()), "")
    if kind not in {"text/plain", "text/html"}:
        return ""
    text = _charset(_undone(body, fields.get("content-transfer-encoding", "").lower()), options.get("charset", ""))
    return _without_tags(text) if kind == "text/html" else text


def _undone(body: str, encoding: str) -> bytes:
    data = body.encode("latin-1", "replace")
    try:
        if encoding == "base64":
            return binascii.a2b_base64(data)
    except binascii.Error:
        return b""
    return quopri.decodestring(data) if encoding == "quoted-printable" else data


def _charset(data: bytes, name: str) -> str:
    """Read bytes as text: the few sets that people use, and never an error."""
    known = {"utf-8": "utf-8", "us-ascii": "utf-8", "windows-1252": "cp1252", "iso-8859-15": "iso-8859-15"}
    return data.decode(known.get(name.lower(), "utf-8" if not name else "latin-1"), "replace")[:TEXT_CHARACTERS]


def _without_tags(text: str) -> str:
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", _HIDDEN.sub("", text))))


def _own_words(text: str) -> str:
    """Leave out what is quoted: lines with >, the line that announces them, and all below a mark of the mail before."""
    lines = text.replace("\r", "").split("\n")
    kept: list[str] = []
    for line in lines:
        if _BEFORE.match(line):
            break
        if line.lstrip().startswith(">"):
            while kept and (not kept[-1].strip() or kept[-1].rstrip().endswith(":")):
                kept.pop()
            continue
        kept.append(line.rstrip())
    return "\n".join(kept).strip()


def _word(line: str) -> str:
    """Take the first line as a wish: it begins with FIXED in a language of ours and asks nothing, or it is STOP alone."""
    words = re.findall(r"\w+", line.lower())
    if words and words[0] in FIXED and "?" not in line:
        return "fixed"
    return "stop" if len(words) in {1, 2} and words[0] in STOP else ""
