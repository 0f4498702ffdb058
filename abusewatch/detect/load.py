"""Folders of rule files to rules: all faults of all files at once, and either a rule is whole or it is not there."""

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from abusewatch.detect import lint
from abusewatch.detect.coded.detector import Program
from abusewatch.detect.faults import Fault, Page
from abusewatch.detect.override import overlay
from abusewatch.detect.read import read
from abusewatch.detect.rule import Rule

MAX_FILE_BYTES = 64 * 1024
"""A rule is 20 to 50 lines; a file of this size is a mistake."""

_WHERE = re.compile(r"\(at line (\d+), column (\d+)\)")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The rules that are whole, by id; `faults` are errors (on any, refuse to start or reload), `warnings` lint's."""

    rules: tuple[Rule, ...]
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    source: str
    values: dict[str, Any]
    local: bool


def load(
    directories: Sequence[Path], promoted: Collection[str] = (), programs: Mapping[str, Program] | None = None
) -> Loaded:
    """Load `*.toml` of each folder; the first holds the shipped rules, later ones local files.

    A new id in a local file is a new rule, which only observes until it is promoted; an id already there overrides
    tunables (`override`). `programs` are the detectors that may be named, by default
    those shipped. A folder that does not exist is a fault.
    """
    faults: list[Fault] = []
    files: dict[str, list[_File]] = {}
    for number, directory in enumerate(directories):
        if not directory.is_dir():
            faults.append(Fault(str(directory), 0, 0, "there is no such folder of rules"))
        for path in sorted(directory.glob("*.toml")):
            if file := _open(path, faults, local=number > 0):
                files.setdefault(path.stem, []).append(file)
    rules: list[Rule] = []
    pages: dict[str, Page] = {}
    for stem in sorted(files):
        rule, page = _combine(stem, files[stem], promoted, faults, programs)
        if rule is not None:
            rules.append(rule)
            pages[rule.id] = page
    return _judge(rules, pages, faults, frozenset(files))


def _open(path: Path, faults: list[Fault], *, local: bool) -> _File | None:
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_FILE_BYTES:
            faults.append(Fault(str(path), 0, 0, f"the file has {len(raw)} bytes; {MAX_FILE_BYTES} are allowed"))
            return None
        source = raw.decode()
        return _File(path, source, tomllib.loads(source), local)
    except OSError as error:
        faults.append(Fault(str(path), 0, 0, f"cannot be read: {error.strerror}"))
    except UnicodeDecodeError as error:
        faults.append(Fault(str(path), 0, 0, f"is not UTF-8 at byte {error.start}"))
    except tomllib.TOMLDecodeError as error:
        where = _WHERE.search(str(error))
        line, column = (int(where[1]), int(where[2])) if where else (source.count("\n") + 1, 1)
        faults.append(Fault(str(path), line, column, f"is not TOML: {_WHERE.sub('', str(error)).strip()}"))
    except RecursionError:  # tomllib recurses into nested arrays; such a file is no rule
        faults.append(Fault(str(path), 0, 0, "is not TOML: nested too deep"))
    return None


def _combine(
    stem: str,
    files: list[_File],
    promoted: Collection[str],
    faults: list[Fault],
    programs: Mapping[str, Program] | None,
) -> tuple[Rule | None, Page]:
    """Read the first file of an id, with the later ones laid over it."""
    base = files[0]
    values = dict(base.values)
    if base.local:
        values.setdefault("status", "observe")
    page = Page(str(base.path), base.source)
    changed: dict[str, str] = {}
    for file in files[1:]:
        over = Page(str(file.path), file.source)
        laid = overlay(values, file.values, promoted=stem in promoted)
        for path, message, hint in laid.faults:
            over.fault(path, message, hint)
        faults.extend(over.faults)
        values, changed = laid.values, changed | laid.taken
        page.over(over, laid.taken)
    rule = read(page, values, stem, tuple(sorted(changed)), programs)
    faults.extend(page.faults)
    if rule is not None and base.local and rule.status == "stable" and stem not in promoted:
        rule = replace(rule, status="observe")
    return rule, page


def _judge(rules: list[Rule], pages: dict[str, Page], faults: list[Fault], known: frozenset[str]) -> Loaded:
    """Lint the rules; an error takes its rule out.

    A stand-in rule whose own file has a fault counts as known, so that one mistake gives one fault.
    """
    whole = []
    warned: list[Fault] = []
    for rule in rules:
        page = pages[rule.id]
        remarks = [page.make(*remark) for remark in lint.errors(rule, known)]
        faults.extend(remarks)
        warned.extend(page.make(*remark) for remark in lint.warnings(rule, known))
        if not remarks:
            whole.append(rule)
    return Loaded(tuple(whole), tuple(sorted(faults)), tuple(sorted(warned)))
