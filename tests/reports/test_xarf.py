"""Promise: each document is valid XARF 4.2.0 by the official schemas with formats asserted, for every kind there is."""

import base64
import hashlib
import json
from email import message_from_bytes

import pytest
import xarf as reader
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from abusewatch.model.kinds import KINDS
from abusewatch.reports.xarf import FILLER, MOST, documents
from tests.needs import missing

UDP = {"udp_flood", "dns_flood", "amplification", "amplification_trigger", "sip_scan", "dns_tunnel"}
ICMP = {"icmp_scan", "icmp_flood"}


@pytest.fixture(scope="session")
def validator(corpus):
    folder = corpus.parent / "xarf" / "schemas" / "v4"
    if not folder.is_dir():
        missing(f"no XARF schemas at {folder}")
    schemas = [json.loads(path.read_text()) for path in sorted(folder.rglob("*.json"))]
    registry = Registry().with_resources((s["$id"], Resource.from_contents(s)) for s in schemas)
    master = next(s for s in schemas if s["$id"].endswith("xarf-v4-master.json"))
    return Draft202012Validator(master, registry=registry, format_checker=FormatChecker())


def faults(validator, document) -> list[str]:
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(json.loads(json.dumps(document)))]


def shape(kind: str) -> dict:
    protocol = "icmp" if kind in ICMP else "udp" if kind in UDP else "tcp"
    return {"protocol": protocol, "port": 2048 if protocol == "icmp" else 53 if protocol == "udp" else 22}


def written(made, kind: str, addresses=None, **more):
    case, view = made.operator_view(made.incident(made.detection(kind, **(shape(kind) | more)), kind=kind), addresses or made.OPERATOR_A)
    return documents(case, view, "noc@victim.example", made.SETTINGS)


@pytest.mark.corpus
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offender", ["198.51.100.7", "2001:db8:42::7"])
def test_every_kind_is_valid(made, validator, kind, offender):
    found = written(made, kind, offender=offender)
    assert len(found) == len(made.OPERATOR_A)
    for document in found:
        assert faults(validator, document) == []
        assert f"{document['category']}/{document['type']}" == KINDS[kind].xarf
        assert document["source_identifier"] == offender
        result = reader.parse(document)
        assert result.errors == []
        assert result.report is not None


@pytest.mark.corpus
@pytest.mark.parametrize("kind", KINDS)
def test_the_sum_is_valid_too(made, validator, kind):
    many = tuple(f"203.0.113.{n}" for n in range(1, MOST + 2))
    found = written(made, kind, many, targets=tuple(made.target(a, n, **shape(kind)) for n, a in enumerate(many)))
    assert len(found) == 1
    assert faults(validator, found[0]) == []
    assert "destination_ip" not in found[0]
    assert found[0]["targets"] == MOST + 1
    csv = base64.b64decode(found[0]["evidence"][0]["payload"]).decode().splitlines()
    assert len(csv) == MOST + 2
    assert {line.split(",")[csv[0].split(",").index("dst")] for line in csv[1:]} == set(many)


@pytest.mark.corpus
def test_the_validator_can_fail(made, validator):
    document = written(made, "login_attack")[0]
    for change in ({"source_port": None}, {"source_port": 0}, {"report_id": "x"}, {"timestamp": "yesterday"}, {"tags": ["CVE:X"]}, {"protocol": "gre"}, {"type": "ssh_attack"}):
        assert faults(validator, document | change), change


def test_where_rules_overlap_an_address_is_reported_once_by_its_strongest_claim(made):
    """Once a scan of two addresses more, once of none: those two have their own documents, of their own type."""
    both, two = made.OPERATOR_A, ("203.0.113.77", "203.0.113.78")
    for more in (two, ()):
        scan = made.detection("address_scan", targets=tuple(made.target(a, n) for n, a in enumerate((*both, *more))))
        case, view = made.operator_view(made.incident(scan, made.detection("login_attack"), kind="login_attack"), (*both, *more))
        found = documents(case, view, "noc@victim.example", made.SETTINGS)
        claims = {}
        for document in found:
            claims.setdefault(document["destination_ip"], []).append(document["type"])
        assert claims == {a: ["login_attack"] for a in both} | {a: ["port_scan"] for a in more}
        assert [d["tags"][0] for d in found[len(both) :]] == ["kind:address_scan"] * len(more)


def test_of_many_addresses_a_weaker_claim_has_no_sum_of_its_own(made):
    many = tuple(f"203.0.113.{n}" for n in range(1, MOST + 2))
    targets = tuple(made.target(a, n) for n, a in enumerate(many))
    case, view = made.operator_view(made.incident(*(made.detection(kind, targets=targets) for kind in ("address_scan", "worm")), kind="worm"), many)
    (found,) = documents(case, view, "noc@victim.example", made.SETTINGS)
    assert (found["category"], found["targets"]) == ("infrastructure", MOST + 1)


def test_ports_are_the_most_frequent_or_a_filler_that_is_explained(made):
    several = written(made, "login_attack")[0]
    assert several["source_port"] == 51514
    assert "most frequent" in several["description"]
    one = written(made, "login_attack", src_ports=(40000,))[0]
    assert one["source_port"] == 40000
    assert "source_port" not in one["description"]
    icmp = written(made, "icmp_flood")[0]
    assert icmp["source_port"] == FILLER
    assert "ICMP has no ports" in icmp["description"]
    assert "destination_port" not in icmp
    hidden = written(made, "login_attack", evidence_operator=("src", "dst", "protocol"))[0]
    assert hidden["source_port"] == FILLER
    assert "not disclosed" in hidden["description"]


def test_what_the_rule_does_not_let_out_is_not_in_the_document(made):
    document = written(made, "login_attack", evidence_operator=("src", "dst", "protocol"))[0]
    assert not {"packets", "bytes", "flows", "destination_port"} & document.keys()
    assert base64.b64decode(document["evidence"][0]["payload"]) == b"src,dst\r\n198.51.100.7,2001:db8:a::5\r\n198.51.100.7,2001:db8:a::5\r\n"


def test_the_evidence_hash_is_of_the_decoded_rows(made):
    item = written(made, "login_attack")[0]["evidence"][0]
    content = base64.b64decode(item["payload"], validate=True)
    assert item["hash"] == "sha256:" + hashlib.sha256(content).hexdigest()
    assert item["size"] == len(content)


def test_nothing_internal_and_no_other_operator(made):
    for document in written(made, "login_attack"):
        text = json.dumps(document) + base64.b64decode(document["evidence"][0]["payload"]).decode()
        assert "_internal" not in text
        assert "C-1042" not in text
        assert not any(address in text for address in made.OPERATOR_B)


def test_a_protocol_the_schema_has_no_word_for_gives_no_document(made):
    assert written(made, "carpet_flood", protocol="gre") == []


def test_a_reflector_names_its_service(made):
    assert written(made, "amplification", src_ports=(53,))[0]["attack_vector"] == "dns_amplification"
    assert written(made, "amplification", src_ports=(51514,))[0]["attack_vector"] == "amplification"


def test_report_ids_are_stable_and_distinct(made):
    ids = [document["report_id"] for document in written(made, "login_attack")]
    assert len(set(ids)) == 3
    assert ids == [document["report_id"] for document in written(made, "login_attack")]


def test_each_document_in_a_mail_is_one_attachment(made, composer):
    raw = composer.compose_operator(*made.operator_view(made.incident()), made.CONTACT, made.NOW).raw
    names = [part.get_filename() for part in message_from_bytes(raw).walk() if part.get_content_type() == "application/json"]
    assert names == ["xarf.json", "xarf-2.json", "xarf-3.json"]
