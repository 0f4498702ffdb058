"""What the page of a case shows: the customer's view and nothing besides, in words of his language.

The view comes from `evidence.minimise`, as the notice does, and the finished page passes the same leak check. The desk's
notes, the mails to others and the operators' names are not asked for here, so they cannot be shown.
"""

import tomllib
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from abusewatch.evidence import minimise
from abusewatch.incidents import Noticed, since
from abusewatch.incidents.lifecycle import HOUR_US, SILENCE_US, Event, LifecycleError, step
from abusewatch.incidents.notes import LONGEST
from abusewatch.model.evidence import View
from abusewatch.model.finding import iso
from abusewatch.model.incident import Incident
from abusewatch.model.kinds import KINDS
from abusewatch.reports import leaks
from abusewatch.reports.compose import CERTAIN, section_values
from abusewatch.reports.settings import ReportSettings
from abusewatch.reports.texts import Texts, clean, counts, languages, number, ports

GOING_US = HOUR_US // 2
"""A sighting younger than this means that it goes on: rules look back half an hour at most before they fire again."""

Said = Literal["fixed", "noted", "already", "stale", "empty", "long"]
SAID: tuple[Said, ...] = ("fixed", "noted", "already", "stale", "empty", "long")
Own = Callable[[str], bool]


def case_page(  # noqa: PLR0913  # all that a page depends on, so that the same is always the same page
    incident: Incident,
    noticed: Noticed | None,
    *,
    episodes: Collection[str],
    own: Own,
    settings: ReportSettings,
    language: str,
    form: str,
    said: Said | None,
    draft: str,
    blind: bool,
    now_us: int,
) -> str:
    """Write the page of a case. LeakError when it would show what this customer may not see.

    `episodes` are those the policy lets him know, `form` is what his form brings back, `said` what he has just done,
    `draft` a note that was not taken and is shown again, `blind` whether we cannot see now, so that silence says nothing.
    """
    view = minimise(incident, "customer", own=own, episodes=episodes)
    words, texts = phrases(language), Texts(language, settings.templates)
    certain = any(section.basis in CERTAIN for section in view.sections)
    family = texts.family(view.kind)
    values: dict[str, Any] = {
        "case": incident.id,
        "what": texts.kind(view.kind),
        "status": _status(incident, noticed),
        "going": incident.state != "closed" and now_us - incident.last_us < GOING_US,
        "last": _minute(incident.last_us),
        "ago": _ago(now_us - incident.last_us, words),
        "blind": blind,
        "noticed": _minute(noticed.at_us) if noticed else "",
        "since": _since(incident, noticed, episodes, view, texts, words),
        "state": incident.state,
        "closes": _minute(incident.last_us + SILENCE_US["quiet"]),
        "fixable": _possible(incident.state, "fixed"),
        "writable": incident.state != "closed",
        "offenders": ", ".join(view.offenders),
        "sections": [section_values(section, view) for section in view.sections],
        "networks": view.networks,
        "networks_more": view.networks_more,
        "unverified": bool(view.sections) and not certain,
        "bases": [texts.basis(basis) for basis in dict.fromkeys(s.basis for s in view.sections)],
        "attack": KINDS[view.kind].operator_mail,
        "resembles": words["or"].join(dict.fromkeys(texts.benign(name) for one in view.sections for name in one.resembles)),
        "meaning": family["meaning"],
        "steps": family["steps"],
        "kind_reported": KINDS[view.kind].operator_mail and certain,
        "evidence_days": settings.evidence_days,
        "form": form,
        "said": said,
        "draft": draft.splitlines(),
        "longest": LONGEST,
        "now": _minute(now_us),
    }
    allowed = leaks.Allowed(
        addresses=frozenset(view.offenders),
        networks=frozenset(view.networks),
        emails=frozenset({settings.sender.lower()}),
        never=frozenset(t.address for d in incident.detections for t in d.targets),
    )
    # What the customer typed himself is no leak, and the form's code is nobody's address: checked without them.
    leaks.check_text(_render("case.html.j2", settings, language, values | {"form": "", "draft": []}), allowed, "page")
    return _render("case.html.j2", settings, language, values)


def word_page(word: str, settings: ReportSettings, language: str) -> str:
    """Write a page that only says one thing: `unknown`, `expired`, `busy` or `failing`."""
    return _render("word.html.j2", settings, language, {"word": word})


def style() -> str:
    """Read the style sheet."""
    return files("abusewatch.web").joinpath("templates/style.css").read_text("utf-8")


@lru_cache(maxsize=8)
def phrases(language: str) -> Mapping[str, str]:
    """Read the words of a language, English where it has none."""
    name = language if language in languages() else "en"
    return tomllib.loads(files("abusewatch.web").joinpath(f"phrases/{name}.toml").read_text("utf-8"))


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        loader=PackageLoader("abusewatch.web", "templates"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=clean,
    )


def _render(name: str, settings: ReportSettings, language: str, values: Mapping[str, Any]) -> str:
    words = phrases(language)
    thousands = Texts(language).phrases["format"]["thousands"]
    return (
        _environment()
        .get_template(name)
        .render(
            {
                "t": lambda key, **some: words[key].format(**some),
                "number": lambda value: number(value, thousands),
                "counts": lambda some: counts(some, (words["records"], words["packets"], words["bytes"]), thousands),
                "ports": ports,
                "language": language if language in languages() else "en",
                "organisation": settings.organisation,
                "sender": settings.sender,
                "phone": settings.phone,
                **values,
            }
        )
    )


def _status(incident: Incident, noticed: Noticed | None) -> str:
    """Choose the sentence at the top: is it over or said to be, was it seen after the notice, or not.

    A sighting after "fixed" opens the case again, so while it is resolved there was none.
    """
    if incident.state in {"closed", "resolved"}:
        return incident.state
    return "seen" if noticed is None or incident.last_us > noticed.at_us else "silent"


def _since(  # what was seen, what of it is his, and the words
    incident: Incident,
    noticed: Noticed | None,
    episodes: Collection[str],
    view: View,
    texts: Texts,
    words: Mapping[str, str],
) -> str:
    """Count what came after the notice, as far as the rules let it out; empty when that is nothing."""
    if noticed is None:
        return ""
    more = since(incident, noticed, episodes)
    listed = [{"flows" if name == "sessions" else name for name in section.fields} for section in view.sections]
    open_to_him = [value if all(name in some for some in listed) else 0 for name, value in more._asdict().items()]
    thousands = texts.phrases["format"]["thousands"]
    named = words["records"], words["packets"], words["bytes"]
    return counts(open_to_him, named, thousands) if view.sections and any(open_to_him) else ""


def _possible(state: str, event: Event) -> bool:
    try:
        step(state, event)
    except LifecycleError:
        return False
    return True


def _minute(us: int) -> str:
    """Write a moment as the notice does, without seconds."""
    text = iso(us)
    return f"{text[:10]} {text[11:16]} UTC"


def _ago(us: int, words: Mapping[str, str]) -> str:
    minutes = max(0, us) // 60_000_000
    if minutes < 120:
        return words["minutes"].format(n=minutes)
    return words["hours"].format(n=minutes // 60) if minutes < 48 * 60 else words["days"].format(n=minutes // 1440)
