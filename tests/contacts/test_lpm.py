"""The longest prefix wins, as a walk over all prefixes says."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from abusewatch.contacts.lpm import PrefixMap

v4 = st.builds(lambda n, bits: ipaddress.ip_network((n & 0xFF00FF00, bits), strict=False), st.integers(0, 2**32 - 1), st.integers(0, 32))
v6 = st.builds(lambda n, bits: ipaddress.ip_network((n << 64, bits), strict=False), st.integers(0, 2**64 - 1), st.integers(0, 128))
networks = st.lists(st.one_of(v4, v6), max_size=12, unique=True)


@given(networks, st.data())
def test_agrees_with_a_walk_over_all_prefixes(some, data):
    near = st.sampled_from(some).map(lambda n: n.network_address) if some else st.nothing()
    address = data.draw(st.one_of(near, st.ip_addresses()))
    covering = [n for n in some if n.version == address.version and address in n]
    expected = str(max(covering, key=lambda n: n.prefixlen)) if covering else None
    assert PrefixMap((n, str(n)) for n in some).lookup(str(address)) == expected
