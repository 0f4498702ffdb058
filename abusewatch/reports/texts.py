"""Templates to text.

A sandbox that takes values and never takes a value for a template, and a layout that any ticket system can show.

An operator of abusewatch may override any file of `templates/<language>/` in a folder of his own. Values lose control
characters on their way in (`finalize`), so a rule's title or an operator's name cannot forge lines, colours or
directions of writing.
"""

import re
import textwrap
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from abusewatch.model.classes import CLASSES

WIDTH = 76
LABEL = 14
PORTS_SHOWN = 12

FAMILIES = {
    "scan": ("address_scan", "port_scan", "icmp_scan", "slow_scan", "sip_scan"),
    "login": ("login_attack", "password_spray"),
    "flood": (
        "syn_flood",
        "udp_flood",
        "icmp_flood",
        "tcp_flood",
        "http_flood",
        "slow_http",
        "carpet_flood",
        "dns_flood",
    ),
    "reflection": ("amplification",),
    "forged": ("amplification_trigger", "spoofed_source"),
    "spam": ("spam",),
    "worm": ("worm",),
    "control": ("beacon", "dns_tunnel"),
    "mining": ("mining",),
}
"""Kinds that mean the same to the one who must act share a text."""
FAMILY = {kind: family for family, kinds in FAMILIES.items() for kind in kinds}

_LIST = re.compile(r"(?:\d+\.|-) ")
_SIGNATURE = "-- "


class TextError(ValueError):
    """A template that cannot be rendered, named with its file and line.

    The operator's own, since the shipped ones are tested.
    """


class Texts:
    """The texts of one language, English where that language has none.

    Reading happens at construction, so a broken override is found by `check`.
    """

    def __init__(self, language: str, override: Path | None = None) -> None:
        """Load phrases and prepare the templates.

        TextError when the language has no texts or an override cannot be read.
        """
        self.language = language if language in languages() else "en"
        folders = [FileSystemLoader(override / self.language)] if override else []
        loaders: list[BaseLoader] = [*folders, PackageLoader("abusewatch.reports", f"templates/{self.language}")]
        self._environment = ImmutableSandboxedEnvironment(
            loader=ChoiceLoader(loaders),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=clean,  # text/plain
        )
        try:
            self.phrases: Mapping[str, Any] = tomllib.loads(
                loaders[0 if self._overrides(override) else -1].get_source(self._environment, "phrases.toml")[0]
            )
        except (TemplateError, tomllib.TOMLDecodeError) as fault:
            raise TextError(f"{self.language}/phrases.toml: {fault}") from None
        thousands = self.phrases["format"]["thousands"]
        self._environment.filters.update(
            label=lambda word: f"{word:<{LABEL}}",
            number=lambda value: number(value, thousands),
            percent=lambda share: f"{int(share * 100)} %",
            ports=ports,
            counts=lambda values, *words: counts(values, words, thousands),
        )

    def _overrides(self, override: Path | None) -> bool:
        return override is not None and (override / self.language / "phrases.toml").is_file()

    def render(self, name: str, values: Mapping[str, Any]) -> str:
        """Render `operator.txt` or `customer.txt` and lay it out. TextError names the template and what it lacked."""
        return layout(self._render(f"{name}.j2", values))

    def subject(self, name: str, values: Mapping[str, Any]) -> str:
        """Render a subject: one line, blanks collapsed."""
        return " ".join(self._render(f"{name}.subject.j2", values).split())

    def _render(self, name: str, values: Mapping[str, Any]) -> str:
        try:
            return self._environment.get_template(name).render(values)
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as fault:  # a template can compute
            raise TextError(f"{self.language}/{name}: {fault}") from None

    def benign(self, name: str) -> str:
        """Name a benign class: `a speed test`; in English where overriding texts are older than the class."""
        return str(self.phrases.get("class", {}).get(name, CLASSES.get(name, name)))

    def kind(self, kind: str) -> str:
        """Say what the machine does, as a participle: `guessing passwords`."""
        return str(self.phrases["kind"][kind])

    def basis(self, basis: str) -> str:
        """Say how sure we are of the source address."""
        return str(self.phrases["basis"][basis])

    def family(self, kind: str) -> Mapping[str, Any]:
        """Give `meaning`, `steps` and `operator` of a kind."""
        family: Mapping[str, Any] = self.phrases["family"][FAMILY[kind]]
        return family


def faults(override: Path) -> list[str]:
    """List what is wrong in a folder of overriding templates, each as `file:line: what`; all of it, for `check`."""
    found = []
    environment = ImmutableSandboxedEnvironment(autoescape=False)  # parsed, never rendered
    for file in sorted(override.glob("*/*")):
        try:
            if file.suffix == ".j2":
                environment.parse(file.read_text("utf-8"))
            elif file.suffix == ".toml":
                tomllib.loads(file.read_text("utf-8"))
            else:
                found.append(f"{file}:1: neither a template (.j2) nor phrases.toml")
        except TemplateSyntaxError as fault:
            found.append(f"{file}:{fault.lineno}: {fault.message}")
        except (OSError, ValueError) as fault:
            found.append(f"{file}:1: {fault}")
    return found


@lru_cache(maxsize=1)
def languages() -> frozenset[str]:
    """List the languages that ship."""
    return frozenset(one.name for one in files("abusewatch.reports").joinpath("templates").iterdir() if one.is_dir())


def clean(value: object) -> object:
    """Take control characters, line ends and invisible direction marks out of a value; numbers and the like pass."""
    if not isinstance(value, str):
        return value
    return "".join(
        " " if c in "\r\n\t\u2028\u2029" else c
        for c in value
        if c in "\r\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn"}
    )


def number(value: float, thousands: str) -> str:
    """Write a whole number in groups of three."""
    return f"{int(value):,}".replace(",", thousands)


def counts(values: Sequence[int], words: Sequence[str], thousands: str) -> str:
    """Write what was counted, leaving out what is not disclosed (0): `612 records, 9,180 packets`."""
    return (
        ", ".join(f"{number(value, thousands)} {word}" for value, word in zip(values, words, strict=True) if value)
        or "-"
    )


def ports(numbers: Iterable[int]) -> str:
    """Write ports in the order given, neighbours as a range: `22, 80-89, 443`.

    What is beyond the first dozen groups is a count: `(+ 912)`.
    """
    groups: list[list[int]] = []
    for port in numbers:
        if groups and port == groups[-1][-1] + 1:
            groups[-1].append(port)
        else:
            groups.append([port])
    shown, rest = groups[:PORTS_SHOWN], sum(map(len, groups[PORTS_SHOWN:]))
    text = ", ".join(str(g[0]) if len(g) == 1 else f"{g[0]}-{g[-1]}" for g in shown)
    return f"{text} (+ {rest})" if rest else text


def layout(text: str) -> str:
    """Fill paragraphs to 76 columns.

    Keep indented lines, hang list items, leave what follows the signature mark alone.
    """
    body, mark, signature = text.partition(f"\n{_SIGNATURE}\n")
    out: list[str] = []
    paragraph: list[str] = []

    def flush() -> None:
        if paragraph:
            out.extend(textwrap.wrap(" ".join(paragraph), WIDTH, break_long_words=False, break_on_hyphens=False))
            paragraph.clear()

    for line in body.splitlines():
        if not line.strip():
            flush()
            if out and out[-1]:
                out.append("")
        elif line.startswith(" ") or _LIST.match(line):
            flush()
            out.extend(_hang(line.rstrip()))
        else:
            paragraph.append(line.strip())
    flush()
    return "\n".join(out).strip() + ("\n\n" + _SIGNATURE + "\n" + signature.strip() if mark else "") + "\n"


def _hang(line: str) -> list[str]:
    """Wrap a long line under its own beginning: under the value of a label, under the words of a list item."""
    item = _LIST.match(line)
    start = item.end() if item else LABEL + 2 if line.startswith("  ") and line[2:3] != " " else 6
    return textwrap.wrap(
        line, WIDTH, subsequent_indent=" " * start, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    ) or [line]
