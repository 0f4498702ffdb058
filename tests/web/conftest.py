"""A customer's page on a real store, spoken to over HTTP."""

from types import SimpleNamespace

import aiohttp
import pytest
from msgspec.structs import replace

from abusewatch.casework import Casework
from abusewatch.incidents import Change, decide
from abusewatch.reports.compose import Composer
from abusewatch.reports.links import Links
from abusewatch.reports.settings import ReportSettings
from abusewatch.retention import limits
from abusewatch.storage import SqliteStore
from abusewatch.telemetry import Telemetry
from abusewatch.web import CustomerPage
from tests import cases
from tests.cases import OWN, SECOND, T0, detection, incident

CASE = "AW-2026-000001"
TARGETS = ("203.0.113.9", "203.0.113.10", "2a00:1::5")
FIELDS = (*cases.CUSTOMER, "packets", "bytes")
LINKS = Links("https://abuse.provider.example/case/", b"0123456789abcdef", days=30)
SETTINGS = ReportSettings("Example Hosting", "abuse@provider.example", b"fedcba9876543210", 7, phone="+1 555 0100", links=LINKS)
NOW = T0 + 600 * SECOND


class Owners(cases.Owners):
    def __init__(self, language="en"):
        super().__init__()
        self.customer = replace(self.customer, language=language)

    @property
    def customers(self):
        return (self.customer,)


class Nobody:
    def resolve(self, addresses):
        return {}


class Site(SimpleNamespace):
    """The page, its store and a clock; `get` and `post` speak HTTP to it."""

    def value(self, outcome):
        return self.telemetry.registry.get_sample_value("abusewatch_page_requests_total", {"outcome": outcome})

    def seen_again(self, at_us, flows=7):
        known = self.store.incident(CASE)
        (one,) = known.detections
        finding = replace(one.finding, flows=one.finding.flows + flows, packets=one.finding.packets + 15 * flows, bytes=one.finding.bytes + 1800 * flows)
        grown = replace(one, last_us=at_us, finding=finding)
        self.store.save([Change(replace(known, detections=(grown,), last_us=at_us, updated_us=at_us), known.state)])

    @property
    def token(self):
        return LINKS.token(CASE, LINKS.until_us(NOW))

    async def get(self, path=None, **more):
        async with self.session.get(f"/{self.token if path is None else path}", **more) as answer:
            return answer.status, await answer.text(), answer.headers

    async def post(self, path=None, *, form=None, headers=None, **fields):
        data = {"form": LINKS.form(self.token, self.now) if form is None else form, **fields}
        async with self.session.post(f"/{self.token if path is None else path}", data=data, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers


@pytest.fixture
async def site(tmp_path):
    store = SqliteStore(tmp_path / "state" / "cases.db", limits())
    made = Site(store=store, telemetry=Telemetry(), owners=Owners(), settings=SETTINGS, problems=[], now=NOW, folder=tmp_path / "state")
    store.save([Change(incident(detection(TARGETS, offender=f"{OWN}7", customers=FIELDS)), None)])
    Casework(store, made.owners, Nobody(), Composer(SETTINGS), hold=None).turn(T0 + 310 * SECOND)
    page = CustomerPage(
        ("127.0.0.1", 0), LINKS, store, owners=lambda: made.owners, policy=lambda: decide, settings=lambda: made.settings, telemetry=made.telemetry,
        problems=lambda: made.problems, now_us=lambda: made.now,
    )  # fmt: skip
    port = await page.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        made.session, made.page = session, page
        yield made
    await page.stop()
    store.close()
