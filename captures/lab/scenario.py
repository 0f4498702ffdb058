"""What a scenario is, and how one run of it becomes a folder: capture.pcap, expect.toml, README.md."""

import hashlib
import platform
import shutil
import subprocess
import textwrap
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from lab import record
from lab.topology import IPV4, IPV6, PROVIDER, Family, Lab, v4, v6

FOLDER = Path(__file__).resolve().parent.parent
MANIFEST = FOLDER / "SHA256SUMS"
ALWAYS_NEEDED = ("iproute2", "ethtool", "tcpdump")


@dataclass(frozen=True)
class Expected:
    """One finding a capture must give; what is left out is not checked. No `offender` where the port names the customer."""

    rule: str
    kind: str
    offender: str
    target_ports: tuple[int, ...] = ()
    min_targets: int = 1
    note: str = ""


@dataclass(frozen=True)
class Scenario:
    """One capture: its name is the folder's name, `play` does the deed inside a lab while the recorder runs."""

    name: str
    shows: str
    play: Callable[[Lab], None]
    prepare: Callable[[Lab], None]
    packages: tuple[str, ...]
    findings: tuple[Expected, ...] = ()
    roles: dict[int, tuple[str, ...]] = field(default_factory=dict)
    customers: tuple[int, ...] = (10,)
    interface: str = "uplink"
    ports: dict[str, int] = field(default_factory=dict)
    """exporter#interface and its customer, where the sources are forged."""
    remark: str = ""


REGISTRY: dict[str, Scenario] = {}


def scenario(
    prepare: Callable[[Lab], None], *, shows: str, packages: tuple[str, ...], **more: object
) -> Callable[[Callable[[Lab], None]], Callable[[Lab], None]]:
    """Register the decorated function under its own name, with hyphens."""

    def register(play: Callable[[Lab], None]) -> Callable[[Lab], None]:
        name = play.__name__.replace("_", "-")
        REGISTRY[name] = Scenario(name, shows, play, prepare, packages, **more)  # type: ignore[arg-type]
        return play

    return register


def in_both(
    prepare: Callable[[Lab, Family], None], *, shows: str, packages: tuple[str, ...], findings: tuple[Expected, ...] = (), **more: object
) -> Callable[[Callable[[Lab, Family], None]], Callable[[Lab, Family], None]]:
    """Register the decorated function over IPv4 under its own name, and over IPv6 with `-v6` behind it.

    `findings` are those over IPv4; `{over}` in `shows` is where the other says that it is IPv6.
    """

    def register(play: Callable[[Lab, Family], None]) -> Callable[[Lab, Family], None]:
        for family, suffix, over in ((IPV4, "", ""), (IPV6, "-v6", " over IPv6")):
            name = play.__name__.replace("_", "-") + suffix
            found = tuple(replace(one, offender=family.own(10)) if one.offender == v4(10) else one for one in findings)
            told = shows.format(over=over)
            REGISTRY[name] = Scenario(name, told, _within(play, family), _within(prepare, family), packages, found, **more)  # type: ignore[arg-type]
        return play

    return register


def _within(deed: Callable[[Lab, Family], None], family: Family) -> Callable[[Lab], None]:
    return lambda lab: deed(lab, family)


def make(wanted: Scenario) -> int:
    """Run the scenario in a lab of its own and write its folder; the number of packets kept."""
    folder = FOLDER / wanted.name
    with Lab() as lab:
        wanted.prepare(lab)
        lab.told.append(("", "recording starts"))
        raw, began = lab.scratch / "raw.pcap", time.time()
        with record.recording(lab, raw, wanted.interface):
            wanted.play(lab)
        trimmed = lab.scratch / "trimmed.pcap"
        packets = record.trim(raw, trimmed)
        if not packets:
            raise RuntimeError(f"{wanted.name}: nothing was recorded\n{(lab.scratch / 'output.log').read_text()[-2000:]}")
        folder.mkdir(exist_ok=True)
        shutil.copyfile(trimmed, folder / "capture.pcap")
        told = list(lab.told)
    (folder / "expect.toml").write_text(expectation(wanted, packets))
    (folder / "README.md").write_text(readme(wanted, packets, began, told))
    return packets


def manifest() -> None:
    """SHA256SUMS over every capture, in the form `sha256sum -c` reads."""
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(FOLDER).as_posix()}\n"
        for file in sorted(FOLDER.glob("*/capture.pcap"))
    ]
    MANIFEST.write_text("".join(lines))


def expectation(wanted: Scenario, packets: int) -> str:
    """The text of expect.toml."""
    own = ", ".join(f'"{prefix}"' for prefix in PROVIDER)
    lines = [f"packets = {packets}", f"own = [{own}]"]
    if wanted.ports:
        lines.append("ports = { " + ", ".join(f'"{port}" = "C-{number}"' for port, number in wanted.ports.items()) + " }")
    for number in wanted.customers:
        lines += ["", "[[customer]]", f'id = "C-{number}"', f'prefixes = ["{v4(number)}/32", "{v6(number)}/128"]']
        lines += [f'contacts = ["owner{number}@customer.example"]']
        if number in wanted.roles:
            lines.append("roles = [" + ", ".join(f'"{role}"' for role in wanted.roles[number]) + "]")
    for finding in wanted.findings:
        lines += ["", "[[finding]]"]
        lines += [f"# {line}" for line in textwrap.wrap(finding.note, 110)]
        lines += [f'rule = "{finding.rule}"', f'kind = "{finding.kind}"']
        if finding.offender:
            lines.append(f'offender = "{finding.offender}"')
        if finding.target_ports:
            lines.append(f"target_ports = {list(finding.target_ports)}")
        lines.append(f"min_targets = {finding.min_targets}")
    return "\n".join(lines) + "\n"


def readme(wanted: Scenario, packets: int, began: float, told: list[tuple[str, str]]) -> str:
    """The text of README.md, from what really ran."""
    when = datetime.fromtimestamp(began, UTC)
    commands = "\n".join(f"{role + ': ' if role else '# '}{line}" for role, line in told)
    outcome = ", ".join(f"{finding.rule} by {finding.offender or 'the customer behind the port'}" for finding in wanted.findings) or "nothing: a look-alike"
    remark = f"\n{textwrap.fill(wanted.remark, 110)}\n" if wanted.remark else ""
    return f"""# {wanted.name}

{textwrap.fill(wanted.shows, 110)}
{remark}
Expected: {outcome}.

- packets: {packets}, headers only (no payload byte is stored), snap length {record.SNAP_BYTES}
- recorded on: {when:%Y-%m-%d %H:%M} UTC, on the edge's `{wanted.interface}`
- made by: `sudo python3 captures/make.py {wanted.name}`
- tools: {", ".join(versions((*ALWAYS_NEEDED, *wanted.packages)))}, Linux {platform.release()}
- addresses: documentation and benchmark ranges only (RFC 5737, RFC 3849, RFC 2544); no real host took part
- licence: Apache-2.0, made by this project

What ran, in which namespace (`$LAB` is the lab's temporary folder):

```
{commands}
```
"""


def versions(packages: tuple[str, ...]) -> list[str]:
    """`name version` of each Debian package."""
    argv = ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *packages]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]
