"""`python -m benchmarks.quality`: what the shipped rules find, and whom they accuse wrongly, on captures and on labelled flow tables.

captures/ is the project's own. The flow tables are anybody's of the form of CORPUS/flows (truth.json and SCENARIO.csv.gz, one direction a row); the unit is
a (customer, family) pair, found when a finding of the family touches its time, from 5 s before its first flow to an hour after its last. Every finding of
another family, and every one on a customer without an attack, counts against the rules. `--day` puts all scenarios into one stream of one day.
"""

import argparse
import csv
import gzip
import ipaddress
import json
import multiprocessing
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from abusewatch.cli.captures import expectation
from abusewatch.cli.inputs import Inputs
from abusewatch.cli.judge import judge
from abusewatch.config.shipped import shipped
from abusewatch.detect.load import load
from abusewatch.inventory import Inventory, of_prefixes
from abusewatch.inventory import load as load_inventory
from abusewatch.model import address
from abusewatch.model.finding import Finding
from abusewatch.model.flow import FlowBatch, batch_of, concat
from abusewatch.pipeline import Pipeline
from abusewatch.sources.encode.sampler import Sampler

FAMILY = {
    "address_scan": "scan", "port_scan": "scan", "icmp_scan": "scan", "slow_scan": "scan", "sip_scan": "scan", "worm": "scan",
    "login_attack": "brute", "password_spray": "brute", "syn_flood": "flood", "udp_flood": "flood", "icmp_flood": "flood", "tcp_flood": "flood",
    "http_flood": "flood", "slow_http": "flood", "carpet_flood": "flood", "dns_flood": "flood", "amplification": "amplification",
    "spoofed_source": "spoof", "amplification_trigger": "spoof", "spam": "spam", "beacon": "c2", "dns_tunnel": "c2", "mining": "mining",
}  # fmt: skip
LEADS = {"c2", "mining"}
CUSTOMERS = "100.64.0.0/10"
DAY_S = 86_400


class Found(NamedTuple):
    """A finding: of which family, about whom, from when to when, and when it was first told (event time, seconds)."""

    family: str
    rule: str
    offender: str
    first: float
    last: float
    told: float


class Score(NamedTuple):
    """What came of some scenarios."""

    hit: Counter[str]
    wanted: Counter[str]
    false: list[str]
    benign: int
    flagged: int
    delays: list[float]
    findings: int

    def line(self, label: str, *, leads: bool) -> str:
        """One row of the table in the README."""
        hit = sum(n for family, n in self.hit.items() if leads or family not in LEADS)
        wanted = sum(n for family, n in self.wanted.items() if leads or family not in LEADS)
        precision = hit / max(hit + len(self.false), 1)
        recall = hit / max(wanted, 1)
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        delay = statistics.median(self.delays) if self.delays else 0
        return f"| {label} | {hit}/{wanted} | {precision:.2f} | {recall:.2f} | {f1:.2f} | {self.flagged}/{self.benign} | {delay:.0f} s |"


def table(path: Path) -> FlowBatch:
    """Read a flow table."""
    with gzip.open(path, "rt") as file:
        rows = sorted(list(csv.reader(file))[1:], key=lambda row: float(row[1]))
    columns = list(zip(*rows, strict=True))
    ends = {"src": [address.parse(text) for text in columns[2]], "dst": [address.parse(text) for text in columns[3]]}
    halves = {f"{end}_{half}": np.array([a[n] for a in ends[end]], np.uint64) for end in ends for n, half in enumerate(("hi", "lo"))}
    names = ("src_port", "dst_port", "protocol", "packets", "bytes", "flags")
    numbers = {name: np.array([int(float(v or 0)) for v in columns[n]], np.uint64) for n, name in enumerate(names, 4)}
    times = {f"{name}_us": np.round(np.array(columns[n], float) * 1e6).astype(np.int64) for n, name in enumerate(("start", "end"))}
    return batch_of(len(rows), **times, **halves, **numbers)


def run(batch: FlowBatch, inventory: Inventory, sampling: int) -> list[Found]:
    """Judge a table as the daemon would have judged it."""
    newest: dict[str, Found] = {}

    def sink(detections) -> None:
        for d in detections:
            f: Finding = d.finding
            if not isinstance(f.status, str) or FAMILY.get(f.kind) in LEADS:  # a status is only told when nobody would be mailed
                now = pipeline._now_us / 1e6  # noqa: SLF001  when it was told, in event time
                told = newest[d.episode].told if d.episode in newest else now
                newest[d.episode] = Found(FAMILY[f.kind], f.rule, f.offender, d.first_us / 1e6, d.last_us / 1e6, told)

    pipeline = Pipeline(load([shipped("rules")]).rules, inventory, sink)
    batch = Sampler(sampling, seed=1).sample(batch)
    step = 50_000
    for at in range(0, len(batch), step):
        pipeline.feed(batch.take(slice(at, at + step)))
    if len(batch):
        pipeline.flush()
    return list(newest.values())


def score(truth: list[dict], found: list[list[Found]]) -> Score:
    """Compare findings with the truth, scenario by scenario."""
    result = Score(Counter(), Counter(), [], 0, 0, [], sum(map(len, found)))
    benign = flagged = 0
    for scenario, findings in zip(truth, found, strict=True):
        for customer in scenario["customers"] if scenario.get("scored", True) else ():
            mine = [f for f in findings if f.offender == customer]
            want = {x["kind"]: x for x in scenario["truth"].get(customer, [])}
            for family, x in want.items():
                result.wanted[family] += 1
                good = [f for f in mine if f.family == family and f.last >= x["first"] - 5 and f.first <= x["last"] + 3600]
                result.hit[family] += bool(good)
                result.delays.extend([min(f.told for f in good) - x["first"]] if good and family not in LEADS else [])
            others = {f.family: f.rule for f in mine if f.family not in want}
            result.false.extend(f"{scenario['scenario']} {customer}: {rule}" for rule in others.values())
            benign += not want
            flagged += bool(others and not want)
    return result._replace(benign=benign, flagged=flagged)


def provider(roles: Path | None) -> Inventory:
    """All customers, with the roles that a file gives them."""
    return Inventory(load_inventory(roles).customers, own=(ipaddress.ip_network(CUSTOMERS),)) if roles else of_prefixes([CUSTOMERS])


def scenario(job: tuple[Path, str, int, Path | None]) -> list[Found]:
    """Judge one table: its folder, its name, 1 packet in how many, and the file of roles."""
    folder, name, sampling, roles = job
    return run(table(folder / f"{name}.csv.gz"), provider(roles), sampling)


def flow_tables(folder: Path, roles: Path | None, jobs: int) -> None:
    """Print the table of results, and what was told of whom wrongly."""
    truth = json.loads((folder / "truth.json").read_text())
    print("| input | found | precision | recall | F1 | benign customers accused | median time to detect |\n|---|---|---|---|---|---|---|")
    faults, leads = [], []
    with multiprocessing.Pool(jobs) as pool:
        for label, simulated, sampling in (("real traces", False, 1), ("simulated", True, 1), ("all, sampled 1:10", None, 10), ("all, sampled 1:100", None, 100)):
            some = [t for t in truth if simulated is None or t["scenario"].startswith("synth") == simulated]
            found = pool.map(scenario, [(folder, t["scenario"], sampling, roles) for t in some], chunksize=1)
            result = score(some, found)
            print(result.line(label, leads=False), flush=True)
            faults += [f"{label}: {text}" for text in result.false]
            if sampling == 1:
                leads += (Counter({f: result.hit[f] for f in LEADS}), Counter({f: result.wanted[f] for f in LEADS}))
    hit, wanted = sum(leads[::2], Counter()), sum(leads[1::2], Counter())
    print("\nLeads, only observed and left out above: " + ", ".join(f"{family} {hit[family]}/{wanted[family]}" for family in sorted(LEADS)))
    print("\n".join(faults) or "Nobody was accused wrongly.")


def day(folder: Path) -> tuple[list[dict], FlowBatch]:
    """All scenarios in one stream: every customer's day at once, attacks inside."""
    truth = json.loads((folder / "truth.json").read_text())
    batch = concat([table(folder / f"{t['scenario']}.csv.gz") for t in truth])
    return truth, batch.take(np.argsort(batch.end_us, kind="stable"))


def merged_day(folder: Path) -> None:
    """Judge the day and print what came of it."""
    truth, batch = day(folder)
    begun = time.monotonic()
    found = run(batch, of_prefixes([CUSTOMERS]), 1)
    took = time.monotonic() - begun
    named = {c for t in truth for c in t["customers"]}
    result = score(truth, [[f for f in found if f.offender in t["customers"]] for t in truth])
    hours = (int(batch.end_us.max()) - int(batch.start_us.min())) / 3.6e9
    print(result.line(f"merged day: {len(batch):,} records, {hours:.0f} h, {len(named)} customers", leads=False))
    strangers = sorted({f.offender for f in found} - named)
    print(f"findings {len(found)}, by rule {dict(Counter(f.rule for f in found).most_common())}, in {took:.0f} s; about nobody of ours: {strangers}")
    print("\n".join(result.false) or "Nobody was accused wrongly.")


def captures() -> None:
    """The project's captures: what is found of what must be, and what else."""
    rules = load([shipped("rules")]).rules
    wanted = missed = 0
    for folder in sorted(path.parent for path in shipped("captures").glob("*/expect.toml")):
        expected = expectation(folder)
        verdict = judge(Inputs([str(folder / "capture.pcap")]).flows(), rules, expected.inventory)
        kinds = {d.finding.kind for d in verdict.detections}
        want = {one.kind for one in expected.finding}
        wanted, missed = wanted + len(want), missed + len(want - kinds)
        for word, some in (("missed", want - kinds), ("beside", kinds - want)):
            if some:
                print(f"{folder.name}: {word} {', '.join(sorted(map(str, some)))}")
    print(f"captures: {wanted - missed} of {wanted} found")


def main() -> None:
    """Run what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="?", default=Path("../shared/corpus/flows"), help="folder with truth.json and the tables")
    parser.add_argument("--roles", type=Path, help="inventory with the roles of customers")
    parser.add_argument("--day", action="store_true", help="all scenarios as one stream")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    captures()
    if not (options.corpus / "truth.json").is_file():
        print(f"{options.corpus} holds no truth.json: flow tables are left out")
        return
    flow_tables(options.corpus, options.roles, options.jobs)
    if options.day:
        merged_day(options.corpus)


if __name__ == "__main__":
    main()
