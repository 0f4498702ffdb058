"""Random well-typed conditions over a few record columns, for the tests of the language."""

from hypothesis import strategies as st

from abusewatch.detect.expression import Binary, Call, Choices, In, Name, Negation, Not, Number, Prefix, Range, joined

counts = st.builds(Number, st.integers(0, 2000).map(float), st.sampled_from(["", "k"]))
ports = st.integers(0, 65535).map(lambda n: Number(float(n)))
ranges = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(lambda p: Range(Number(float(min(p))), Number(float(max(p)))))
networks = st.sampled_from(["10.0.0.0/8", "192.0.2.0/24", "192.0.2.7/32", "0.0.0.0/0", "::/0", "2001:db8::/32", "2001:db8::1/128", "2001:db8:0:1::/80"])

# Only packets are added to packets, so that units fit; max(..., 1) makes every divisor safe.
quantities = st.recursive(
    st.just(Name("packets")),
    lambda inner: st.one_of(
        st.builds(Binary, st.sampled_from("+-"), inner, inner),
        st.builds(lambda q, n: Binary("*", q, n), inner, counts),
        st.builds(lambda q, n: Binary("/", q, Call("max", (n, Number(1.0)))), inner, counts),
        st.builds(Negation, inner),
        st.builds(lambda a, b: Call("max", (a, b)), inner, inner),
        st.builds(lambda a, b: Call("min", (a, b)), inner, inner),
    ),
    max_leaves=5,
)
items = st.lists(st.one_of(ports, ranges), min_size=1, max_size=6).map(lambda i: Choices(tuple(i)))
comparisons = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
addresses = st.sampled_from([Name("src"), Name("dst")])
leaves = st.one_of(
    st.sampled_from([Name("outbound"), Name("internal")]),
    st.builds(Binary, comparisons, quantities, quantities),
    st.builds(Binary, comparisons, quantities, counts),
    st.builds(Binary, comparisons, counts, quantities),
    st.builds(Binary, comparisons, st.just(Name("dst_port")), ports),
    st.builds(Binary, comparisons, st.just(Name("dst_port")), st.just(Name("src_port"))),
    st.builds(Binary, st.sampled_from(["=", "!="]), st.just(Name("protocol")), st.sampled_from([Name("tcp"), Name("udp"), Number(50.0)])),
    st.builds(Binary, st.sampled_from(["=", "!="]), addresses, addresses),
    st.builds(In, st.just(Name("dst_port")), items, st.booleans()),
    st.builds(In, quantities, items, st.booleans()),
    st.builds(In, addresses, st.lists(networks.map(Prefix), min_size=1, max_size=3).map(lambda i: Choices(tuple(i))), st.booleans()),
    st.builds(Binary, st.sampled_from(["=", "!="]), st.just(Name("flags")), st.sampled_from([Name("S"), Name("SA"), Name("RA")])),
    st.builds(lambda f, names: Call(f, tuple(Name(n) for n in names)), st.sampled_from(["flag", "flags_are"]),
              st.lists(st.sampled_from(["syn", "ack", "fin", "rst", "psh", "urg"]), min_size=1, max_size=3)),
)  # fmt: skip
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(lambda op, parts: joined(op, tuple(parts)), st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=4)),
    ),
    max_leaves=8,
)
