"""Promise: the page shows why each finding fired, in one file that fetches nothing and runs nothing, whatever text it is given."""

import re
from html.parser import HTMLParser

import msgspec
import pytest
from msgspec.structs import replace

from abusewatch.reports.html import render

VOID = {"meta"}


class Reader(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def page(made, composer, *detections, mails=None) -> str:
    if mails is None:
        mails = {"mails/001.eml": composer.compose_operator(*made.operator_view(made.incident()), made.CONTACT, made.NOW)}
    return render(detections or (made.detection(),), source_name="case.pcap", counts={"packets read": 912345}, mails=mails)


def test_it_says_why(made, composer):
    reader = Reader(page(made, composer))
    assert reader.open == []
    for needed in (
        "login-attack", "sessions >= 20", "sessions = 80", "alike = 0.93", "12 to 9,377 of the capture", "twenty of one size at this pace are a tool", "203.0.113.9", "192.0.2.77", "912,345", "connection/login_attack",
        "cannot have been forged", "noc@victim.example", "mails/001.eml", "2026-11-01 10:00:03 to 10:04:59 UTC", "4 min 57 s", "95 %",
    ):  # fmt: skip
        assert needed in reader.text, needed


def test_it_says_what_else_it_may_be(made, composer):
    plain = made.detection()
    alike = replace(plain, finding=replace(plain.finding, resembles=("speed_test",)))
    assert "May also be a speed test" in Reader(page(made, composer, alike)).text
    assert "May also be" not in Reader(page(made, composer, plain)).text


def test_links_lead_somewhere(made, composer):
    reader = Reader(page(made, composer, made.detection(), made.detection("syn_flood")))
    targets = {value for name, value in reader.attributes if name == "href"}
    assert {t[1:] for t in targets if t.startswith("#")} == set(reader.ids)
    assert "mails/001.eml" in targets


def test_it_stands_alone(made, composer):
    text = page(made, composer)
    reader = Reader(text)
    assert not reader.tags & {"script", "img", "link", "iframe", "object", "form", "base"}
    assert not [name for name, _ in reader.attributes if name.startswith("on") or name == "src"]
    assert not re.search(r"https?://|url\(|@import|javascript:", text)


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7*7 }}", "</style><script>", "<i>x</i>", "\x1b[31m\u202e", "fe80::1%eth0<script>"])
def test_hostile_text_is_shown_not_run(made, composer, hostile):
    base = made.detection()
    finding = msgspec.structs.replace(base.finding, rule=hostile, threshold=hostile, measures={hostile: 1}, customer=hostile, protocol=hostile)
    text = render(
        [msgspec.structs.replace(base, finding=finding, title=hostile, because=hostile, roles=(hostile,), status=hostile)], source_name=hostile, counts={hostile: 1},
        mails={hostile: composer.compose_operator(*made.operator_view(made.incident()), made.CONTACT, made.NOW)},
    )  # fmt: skip
    reader = Reader(text)
    assert not reader.tags & {"script", "img", "i"}
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert "{{ 7*7 }}" in text or hostile != "{{ 7*7 }}"


def test_nothing_found(made, composer):
    text = page(made, composer, mails={})
    assert "Nothing found" not in text
    empty = render([], source_name="benign.pcap", counts={}, mails={})
    assert "Nothing found" in Reader(empty).text


def test_many_targets_are_capped_and_counted(made, composer):
    targets = tuple(made.target(f"203.0.{n // 250}.{n % 250 + 1}", 0) for n in range(600))
    text = page(made, composer, made.detection(targets=targets))
    assert "and 580 more" in text
    assert text.count("<rect") < 140


def test_the_same_findings_are_the_same_page(made, composer):
    assert page(made, composer, made.detection(), made.detection("worm")) == page(made, composer, made.detection("worm"), made.detection())
