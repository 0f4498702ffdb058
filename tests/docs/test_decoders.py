"""docs/decoders.md lists each thing that is not compared with other decoders, and no other."""

from tests.sources import test_exports_at_nfcapd as nfdump
from tests.wire import test_corpus_exports as golden
from tests.wire import tshark


def test_what_is_not_compared_is_listed(root):
    page = (root / "docs/decoders.md").read_text().splitlines()
    rows = [line.split(" | ") for line in page if line.startswith(("| tshark |", "| golden |", "| nfdump |"))]
    listed = {(witness.strip("| "), what.partition(": `")[0].partition(": all")[0].strip("`"), why.rstrip(" |")) for witness, what, why in rows}
    expected = {("tshark", name, why) for name, why in tshark.UNCOMPARED.items()}
    expected |= {("golden", name, why) for name, why in golden.UNCOMPARED.items()}
    expected |= {("nfdump", name, why) for name, (_, why) in nfdump.UNCOMPARED.items()}
    assert listed == expected
