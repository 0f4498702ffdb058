"""Each field of each header, record and sample that tshark tells has the same value here, for the exports of real routers; or is listed with a reason."""

from datetime import datetime

import pytest

from abusewatch.wire.datagrams import FlowDecoder
from tests.wire import exports_by_hand as wire
from tests.wire import tshark
from tests.wire.test_corpus_exports import WRONG_FILE, datagrams, sets

pytestmark = [pytest.mark.peer, pytest.mark.corpus]


@pytest.fixture(scope="module")
def read(corpus, tmp_path_factory):
    """For each datagram of NetFlow and IPFIX: where it is from, our records of it, tshark's tree."""
    path = tmp_path_factory.mktemp("tshark") / "export.pcap"
    found = []
    for name, (files, _, _) in sets(corpus).items():
        parts = [part for part in datagrams(files) if part[:2] != b"\0\0"]
        if parts and name != WRONG_FILE:
            decoder = FlowDecoder()
            shown = [list(decoder.records(part)) for part in parts]
            found += [((name, number), *both) for number, both in enumerate(zip(parts, shown, tshark.trees(parts, path, "cflow"), strict=True))]
    return found


def test_headers(read):
    compared = 0
    for place, part, mine, tree in read:
        told = {key.removeprefix("cflow."): value for key, value in tree.items() if isinstance(value, str)}
        for record in mine[:1]:
            domain = told.get("source_id") or told.get("od_id") or int(told["engine_type"]) << 8 | int(told["engine_id"])
            shown = (record["version"], record["sequence"], record["observation_domain_id"])
            assert shown == (int(told["version"]), int(told["sequence"]), int(domain)), place
            assert tshark.same(record["export_time"], tree["cflow.timestamp"]), place
            compared += 4
        if "count" in told and told["version"] == "5":
            assert len(mine) == int(told["count"])
            rates = {row["sampling_rate"] for row in wire.rows(wire.feed(FlowDecoder(), [part]))}
            assert rates == {int(told["samplerate"]) or 1}  # a header that names no interval is one of an exporter that does not sample
            compared += 2
    assert compared > 100


def test_records(read):
    compared, unlike, uncompared = 0, [], set()
    for place, _, mine, tree in read:
        told = list(tshark.records(tree))
        assert len(mine) == len(told), place
        for record, other in zip(mine, told, strict=True):
            for field, values in other.items():
                if field == "timedelta":  # shown beside the times it is made of, and for the element that says it
                    spans = {record.get("flow_duration_milliseconds"), record.get("flow_end_sys_up_time", 0) - record.get("flow_start_sys_up_time", 0)}
                    spans.add(spans_ms(record))
                    compared += len(values)
                    unlike += [(*place, field, spans, value) for value in values if round(float(value) * 1_000) not in spans]
                    continue
                names = tshark.ours(record, field, values)
                if len(names) != len(values):
                    uncompared.add(field)
                    continue
                compared += len(values)
                unlike += [(*place, field, record[key], value) for key, value in zip(names, values, strict=True) if not tshark.same(record[key], value)]
    assert not unlike
    unlisted = {field for field in uncompared if not field.startswith(tuple(tshark.UNCOMPARED))}
    assert not unlisted, "told by tshark, neither compared nor listed"
    assert compared > 3_900


def spans_ms(record):
    start, end = (record.get(f"flow_{edge}_milliseconds") for edge in ("start", "end"))
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() * 1_000 if start and end else None


KINDS = {1: "flow", 2: "counters", 3: "expanded_flow", 4: "expanded_counters"}


def test_sflow(corpus, tmp_path):
    """Head, samples and sampled headers; what counters count and what routes samples took is neither read nor compared (docs/decoders.md)."""
    compared = packets = 0
    for name, (files, _, _) in sets(corpus).items():
        parts = [part for part in datagrams(files) if part[:2] == b"\0\0"]
        if not parts:
            continue
        decoder = FlowDecoder()
        for number, (part, tree) in enumerate(zip(parts, tshark.trees(parts, tmp_path / "export.pcap", "sflow"), strict=True)):
            mine, told = list(decoder.records(part)), tshark.samples(tree)
            agent = tree.get("sflow_245.agent") or tree["sflow_245.agent.v6"]
            head = (agent, int(tree["sflow_245.sub_agent_id"]), int(tree["sflow_245.sequence_number"]))
            assert {(r["agent"], r["sub_agent"], r["sequence"]) for r in mine} <= {head}, (name, number)
            assert len(mine) == int(tree["sflow_245.numsamples"]) == sum(map(len, told.values())), (name, number)
            compared += 4
            for kind, trees in told.items():
                for record, sample in zip([r for r in mine if r["sample"] == KINDS[kind]], trees, strict=True):
                    compared += alike(record, sample, (name, number))
                    packets += "ip_total_length" in record
    assert packets >= 30
    assert compared > 500


def alike(record, sample, place):
    """Assert that a record says what tshark's tree of the sample does; return how many fields were compared."""
    told = dict(tshark.flat(sample))
    kind = "flow_sample" if "flow" in record["sample"] else "counters_sample"
    source = int(told.get(f"sflow.{kind}.index") or told[f"sflow.{kind}.source_id_index"])
    assert (record["sample_sequence"], record["source_id"] & 0xFF_FFFF) == (int(told[f"sflow.{kind}.sequence_number"]), source), place
    compared = 2
    for name, ours in tshark.SAMPLE_NAMES.items():
        if name in told:
            # The interface of a packet that left by several, or was dropped, is unknown here; tshark shows how many, or why.
            formats = (told.get(f"{name.removesuffix('_value')}{mark}format", "0") for mark in "._")
            assert record[ours] == (int(told[name], 0) if set(formats) == {"0"} else 0), (*place, name)
            compared += 1
    for name, value in (tshark.packet(sample) or {}).items():
        assert record[name] == value, (*place, name)
        compared += 1
    assert ("ip_total_length" in record) == bool(tshark.packet(sample)), place
    return compared
