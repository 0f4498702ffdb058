"""Promise: the mailbox a person would choose is found wherever a registry has put it, and nonsense is passed over."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.contacts.entities import DEPTH, abuse_contact

CHOSEN = {
    "whoisit/tests/data_rdap_response_ip_v4.json": ("helpdesk@apnic.net", "resolver-abuse@cloudflare.com"),
    "whoisit/tests/data_rdap_response_cidr_v4.json": ("helpdesk@apnic.net", "resolver-abuse@cloudflare.com"),
    "whoisit/tests/data_rdap_response_ip_v4_2.json": ("abuse@switch.ch",),
    "whoisit/tests/data_rdap_response_ip_v4_3.json": ("abuse@microsoft.com",),
    "whoisit/tests/data_rdap_response_ip_v6.json": ("network-abuse@google.com", "arin-contact@google.com"),
    "whoisit/tests/data_rdap_response_cidr_v6.json": ("network-abuse@google.com", "arin-contact@google.com"),
    "whoisit/tests/data_rdap_response_asn.json": ("abuse@cloudflare.com",),
    "whoisit/tests/data_rdap_response_entity.json": ("support@govital.net",),
    "whoisit/tests/data_rdap_response_domain1.json": ("abusecomplaints@markmonitor.com",),
    "whoisit/tests/data_rdap_response_domain2.json": (),
    "whoisit/tests/data_rdap_response_domain3.json": ("abuse@registrar.eu",),
    "openrdap/test/testdata/rdap/rdap-pilot.verisignlabs.com/entity-1-VRSN": (),
    "openrdap/test/testdata/rdap/rdap.nic.cz/domain-example.cz.json": (),
    "openrdap/test/testdata/rdap/rdap.nic.cz/nameserver-ns2.pipni.cz.json": (),
}
"""Each answer that lies there, and whom a person would write to; networks first, other objects for the walk's sake."""


@pytest.mark.corpus
def test_every_sample_gives_the_contact_a_person_would_choose(samples):
    answers = {path.relative_to(samples).as_posix() for path in samples.rglob("*") if "rdap_response" in path.name or "testdata/rdap/" in path.as_posix()}
    answers = {name for name in answers if (samples / name).is_file()}
    assert answers == CHOSEN.keys()
    for name, emails in CHOSEN.items():
        assert abuse_contact(json.loads((samples / name).read_text())).emails == emails, name


@pytest.mark.corpus
def test_jcards_of_others_never_break_the_walk(samples):
    cards = sorted((samples / "openrdap/test/testdata/jcard").iterdir())
    assert len(cards) > 10
    for card in cards:
        try:
            content = json.loads(card.read_text())
        except ValueError:
            continue
        abuse_contact({"entities": [{"roles": ["abuse"], "vcardArray": content}]})


def entity(*emails, roles=("abuse",), inside=(), handle="H", **more):
    properties = [["version", {}, "text", "4.0"], *(list(e) if isinstance(e, tuple) else ["email", {}, "text", e] for e in emails)]
    return {"handle": handle, "roles": list(roles) if roles is not None else None, "vcardArray": ["vcard", properties], "entities": list(inside), **more}


@pytest.mark.parametrize(
    ("entities", "emails"),
    [
        ([entity("noc@x.example", roles=["noc", "abuse"]), entity(roles=["registrant"], inside=[entity("abuse@x.example")])], ("abuse@x.example", "noc@x.example")),
        ([entity(roles=["registrant"], inside=[entity("far@x.example")]), entity("near@x.example")], ("near@x.example", "far@x.example")),
        ([entity("tech@x.example", roles=["technical"])], ()),
        ([entity("abuse@x.example", "person@x.example", roles=None)], ("abuse@x.example",)),
        ([entity("Abuse@X.example", "abuse@x.EXAMPLE")], ("Abuse@x.example",)),
        ([entity(("email", {"pref": "2"}, "text", "b@x.example"), ("email", {"pref": "1"}, "text", "a@x.example"))], ("a@x.example", "b@x.example")),
        ([entity(("email", {"type": "email"}, "text", "b@x.example"), ("email", {"type": "abuse"}, "text", "a@x.example"))], ("a@x.example", "b@x.example")),
        ([entity("mailto:a@x.example")], ("a@x.example",)),
        ([entity("a@x.example, victim@y.example")], ()),
        ([entity("a@x.example\r\nBcc: c@y.example", "<a@x.example>", "a@[127.0.0.1]", "a@localhost", "ä@x.example")], ()),
        ([entity(("email", None, "text", "a@x.example"), ("email", {}, "text", ["b@x.example"]))], ("a@x.example",)),
    ],
)  # fmt: skip
def test_ranking_and_what_is_passed_over(entities, emails):
    assert abuse_contact({"entities": entities}).emails == emails


def test_an_abuse_entity_without_mailbox_can_be_asked_for():
    link = {"rel": "self", "href": "https://rdap.registro.example/entity/ABC"}
    assert abuse_contact({"entities": [entity(handle="ABC", links=[link])]}).entity == ("ABC", link["href"])
    assert abuse_contact({"entities": [entity(handle="ABC", links=[{"rel": "about"}])]}).entity == ("ABC", "")
    assert abuse_contact({"entities": [entity("a@x.example"), entity(handle="ABC")]}).entity is None


def test_the_holder_is_named():
    holder = entity(("fn", {}, "text", "Example \u202e Networks\n Ltd"), roles=["registrant"], inside=[entity(("fn", {}, "text", "Abuse"), "a@x.example")])
    assert abuse_contact({"name": "EX-NET", "entities": [holder]}).name == "Example Networks Ltd"
    assert abuse_contact({"name": "EX-NET", "entities": []}).name == "EX-NET"


def test_no_deeper_than_the_limit():
    one = entity("deep@x.example")
    for _ in range(DEPTH):
        one = entity(roles=["registrant"], inside=[one])
    assert abuse_contact({"entities": [one]}).emails == ()


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["abuse", "email", "vcard", "a@b.example"]), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["entities", "roles", "vcardArray", "handle", "links", "remarks", "description", "rel", "href", "name"]), inner, max_size=5), max_leaves=30)


@given(st.dictionaries(st.sampled_from(["entities", "remarks", "name", "vcardArray", "roles"]), json_values))
def test_any_document_is_read(document):
    assert all("@" in email for email in abuse_contact(document).emails)
