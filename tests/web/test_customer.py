"""The customer's page over HTTP: who has the link reads and answers, nobody else does, and reading changes nothing."""

import re
import sqlite3

import pytest

from abusewatch.incidents.notes import LONGEST
from abusewatch.reports.leaks import LeakError
from abusewatch.reports.links import DAY_US, HOUR_US
from abusewatch.web import customer
from abusewatch.web.customer import ANSWERS_AT_ONCE, LOADS_AT_ONCE
from tests.cases import SECOND, T0, text_of

CASE = "AW-2026-000001"


def everything(site):
    """All rows of the store: what a reading must not change."""
    connection = sqlite3.connect(site.folder / "cases.db")
    try:
        return "\n".join(connection.iterdump())
    finally:
        connection.close()


async def test_the_link_in_the_notice_leads_to_the_page(site):
    (entry,) = site.store.messages()
    (token,) = re.findall(r"https://abuse\.provider\.example/case/(\S+)", text_of(entry.message.raw))
    status, text, _ = await site.get(token)
    assert status == 200
    assert CASE in text


async def test_what_it_shows_and_what_it_does_not(site):
    status, text, _ = await site.get()
    assert status == 200
    for shown in ("198.51.100.7", "203.0.113.0/24", "2a00:1::/48", "SSH password guessing", "3 addresses", "deleted 7 days"):
        assert shown in text
    for hidden in ("203.0.113.9", "203.0.113.10", "2a00:1::5", "C-1042", "security@customer.example", "<script"):
        assert hidden not in text


async def test_it_tells_whether_it_goes_on(site):
    assert "Nothing more seen since our notice" in (await site.get())[1]
    site.seen_again(T0 + 550 * SECOND, flows=7)
    text = (await site.get())[1]
    assert "It is still going on" in text
    assert "7 records, 105 packets, 12,600 bytes" in text
    site.now += 3 * HOUR_US
    assert "has paused" in (await site.get())[1]
    site.problems.append("disk full")
    text = (await site.get())[1]
    assert "disturbed at the moment" in text
    assert "disk full" not in text


async def test_fixed_moves_the_case_as_the_table_allows_and_says_what_is_next(site):
    status, _, headers = await site.post(do="fixed", note="It was a cron job.\r\nGone now.")
    assert (status, headers["Location"]) == (303, f"{site.token}?said=fixed")
    assert site.store.incident(CASE).state == "resolved"
    assert [(n.author, n.text) for n in site.store.notes(CASE)] == [("customer (page)", "It was a cron job.\nGone now.")]
    text = (await site.get(f"{site.token}?said=fixed"))[1]
    assert "marked as fixed" in text
    assert "You told us that it is fixed" in text
    assert "Reported as fixed, and not seen since" in text
    assert "still going on" not in text
    assert 'value="fixed"' not in text
    assert "cron job" not in text  # notes are the desk's, also from him who wrote them: a link may be in other hands
    assert site.value("fixed") == 1
    _, _, headers = await site.post(do="fixed")
    assert headers["Location"].endswith("said=already")
    site.seen_again(T0 + 580 * SECOND)
    assert site.store.incident(CASE).state == "resolved"  # saved as it was: only the engine's `seen` opens it again


async def test_a_note_alone_moves_nothing(site):
    before = site.store.incident(CASE).state
    _, _, headers = await site.post(do="note", note="Which port?")
    assert headers["Location"].endswith("said=noted")
    assert site.store.incident(CASE).state == before
    _, _, headers = await site.post(do="note", note=" \u202e\n")
    assert headers["Location"].endswith("said=empty")
    assert len(site.store.notes(CASE)) == 1


async def test_a_closed_case_is_shown_without_a_form(site):
    site.store.move_incident(CASE, "close", T0 + 400 * SECOND)
    text = (await site.get())[1]
    assert "This case is closed" in text
    assert "<form" not in text
    site.store.purge(site.now + 8 * DAY_US)
    text = (await site.get())[1]
    assert "has been deleted" in text
    assert "203.0.113" not in text


async def test_what_a_mail_scanner_does_changes_nothing(site):
    before = everything(site)
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND"):
        async with site.session.request(method, f"/{site.token}?said=fixed&do=fixed&form={site.page._links.form(site.token, site.now)}"):
            pass
    async with site.session.get(f"/{site.token}", headers={"Sec-Purpose": "prefetch"}):
        pass
    assert everything(site) == before


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "cross-site"}, {"Content-Type": "application/json"}, {"Content-Type": "multipart/form-data; boundary=x"}]
)
async def test_a_form_of_others_is_refused(site, headers):
    before = everything(site)
    form = {"form": ""} if not headers else {}
    status, text, _ = await site.post(do="fixed", note="forged", headers=headers, **form)
    assert status == 403
    assert everything(site) == before
    assert site.value("refused") == 1
    assert ("forged" in text) == (not headers)  # a page left open too long keeps what was typed


async def test_a_form_left_open_for_long_keeps_the_text(site):
    form = site.page._links.form(site.token, site.now)
    site.now += 13 * HOUR_US
    status, text, _ = await site.post(do="note", note="first line\nsecond <b>line</b>", form=form)
    assert status == 403
    assert "first line\nsecond &lt;b&gt;line&lt;/b&gt;" in text
    assert site.store.notes(CASE) == []


async def test_links_that_are_wrong_or_over(site):
    for wrong in ("x", "A" * 36, f"{site.token[:-1]}!", f"{site.token}x", "..%2f..%2fetc%2fpasswd", "", f"{site.token}/fixed"):
        status, text, _ = await site.get(wrong)
        assert status == 404, wrong
        assert CASE not in text
    assert (await site.post("A" * 36, do="fixed"))[0] == 404
    site.now += 31 * DAY_US
    status, text, _ = await site.get()
    assert status == 410
    assert "198.51.100.7" not in text
    assert (await site.post(do="fixed"))[0] == 410
    assert site.value("expired") == 2
    assert site.store.incident(CASE).state == "active"


async def test_a_case_that_is_no_longer_kept(site):
    token = site.page._links.token("AW-2026-999999", site.page._links.until_us(site.now))
    assert (await site.get(token))[0] == 410
    assert (await site.post(token, do="fixed", form=site.page._links.form(token, site.now)))[0] == 404


async def test_every_answer_forbids_framing_caching_referring_and_scripts(site):
    for path in (None, "nothing", "style.css", "robots.txt"):
        status, _, headers = await site.get(path)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self';"), status
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert (headers["X-Frame-Options"], headers["Referrer-Policy"], headers["Cache-Control"]) == ("DENY", "no-referrer", "no-store")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in headers
        assert "aiohttp" not in headers["Server"]
    text = (await site.get())[1]
    assert not re.search(r"<script|style=|\bon\w+=|javascript:|src=", text)
    assert re.findall(r'href="([^"]*)"', text) == ["style.css"]


@pytest.mark.parametrize("note", ["<script>alert(1)</script>", "\x1b[31mred\x07", "{{ 7 * 7 }}", "a\r\nBcc: x@y.example", "\u202egnp.exe"])
async def test_hostile_notes_are_text(site, note):
    await site.post(do="note", note=note)
    (kept,) = site.store.notes(CASE)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", kept.text)
    page = await site.post(do="note", note=note, form="")
    assert "<script>alert" not in page[1]
    assert "49" not in re.findall(r"<textarea.*?</textarea>", page[1], re.DOTALL)[0]


async def test_a_note_is_bounded(site):
    status, text, _ = await site.post(do="fixed", note="x" * (LONGEST + 1))
    assert status == 413
    assert "longer than" in text
    assert site.store.incident(CASE).state == "active"
    status, _, _ = await site.post(do="note", note="x" * 100_000)
    assert status == 413
    assert site.store.notes(CASE) == []


async def test_answers_to_one_case_are_limited(site):
    codes = [(await site.post(do="note", note=f"note {n}"))[0] for n in range(ANSWERS_AT_ONCE + 2)]
    assert codes == [303] * ANSWERS_AT_ONCE + [429] * 2
    assert len(site.store.notes(CASE)) == ANSWERS_AT_ONCE


async def test_who_asks_too_often_waits_and_others_do_not(site):
    guesser = {"X-Forwarded-For": "192.0.2.1, 203.0.113.200"}
    codes = [(await site.get(f"{n:036d}", headers=guesser))[0] for n in range(LOADS_AT_ONCE + 20)]
    assert set(codes[:LOADS_AT_ONCE]) == {404}
    assert 429 in codes[LOADS_AT_ONCE:]
    assert (await site.get())[0] == 200


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk full"), LeakError("address", "page")])
async def test_a_fault_says_little_and_changes_nothing(site, monkeypatch, error):
    def fails(*_args, **_more):
        raise error

    monkeypatch.setattr(customer, "case_page", fails)
    status, text, headers = await site.get()
    assert status == 503
    assert "Nothing was changed" in text
    assert "disk full" not in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert site.telemetry.registry.get_sample_value("abusewatch_leak_blocks_total") == isinstance(error, LeakError)

