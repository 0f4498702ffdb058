"""The strongest claim leads; leads and rules on trial never do."""

from abusewatch.model.claims import CLAIMS, leading, rank
from abusewatch.model.kinds import KINDS, LEADS
from tests.cases import detection


def test_every_kind_has_a_place_and_a_reason():
    assert CLAIMS.keys() == KINDS.keys()
    assert all(CLAIMS.values())
    assert sorted(CLAIMS, key=rank) == list(CLAIMS)
    assert max(rank(kind) for kind in KINDS if kind not in LEADS) < min(map(rank, LEADS))
    assert rank("unheard of") > rank("beacon")


def test_what_leads():
    some = [detection(kind=kind) for kind in ("beacon", "address_scan", "worm", "login_attack")]
    assert leading(some) == "worm"
    assert leading(some[:2]) == "address_scan"
    assert leading([detection(kind="worm", status="observe"), *some[:1]]) == "beacon"
    assert leading([detection(kind="worm", status="observe")]) == "worm"


def test_a_name_leads_only_where_it_is_most_of_the_scan():
    """Who sweeps a thousand ports knocks at port 23 as well."""
    for flows, leads in ((9, "port_scan"), (10, "worm")):
        assert leading([detection(kind="worm", flows=flows), detection(kind="port_scan", flows=20)]) == leads
    assert leading([detection(kind="login_attack", flows=9), detection(kind="port_scan", flows=2000)]) == "login_attack"
