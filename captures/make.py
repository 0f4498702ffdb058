#!/usr/bin/env python3
"""Make the captures of this folder again: `sudo python3 captures/make.py NAME...` or `--all`; `--list` says what each needs."""

import argparse
import os
import signal
import subprocess
import sys

from lab import accounts, attacks, benign, benign6, crowds, floods, floods6, leads, logins, reflectors, scans  # noqa: F401 (importing registers the scenarios)
from lab.scenario import ALWAYS_NEEDED, REGISTRY, Scenario, make, manifest


def missing(wanted: Scenario) -> list[str]:
    """Debian packages of the scenario that are not installed."""
    argv = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *ALWAYS_NEEDED, *wanted.packages]
    found = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    return [name for name in (*ALWAYS_NEEDED, *wanted.packages) if f"{name} installed" not in found.splitlines()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--all", action="store_true", help="every scenario")
    parser.add_argument("--list", action="store_true", help="the scenarios and the Debian packages each needs")
    asked = parser.parse_args()
    if asked.list:
        for one in REGISTRY.values():
            print(f"{one.name}: {' '.join(one.packages)}\n    {one.shows}")
        return 0
    names = list(REGISTRY) if asked.all else asked.names
    if not names:
        parser.error("name a scenario, or --all")
    if unknown := [name for name in names if name not in REGISTRY]:
        parser.error(f"no such scenario: {', '.join(unknown)}")
    if os.geteuid() != 0:
        parser.error("network namespaces need root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the lab is taken down then, too
    failed = 0
    for name in names:
        if absent := missing(REGISTRY[name]):
            print(f"{name}: left out, needs: apt-get install {' '.join(absent)}", file=sys.stderr)
            failed += 1
            continue
        print(f"{name}: {make(REGISTRY[name])} packets", file=sys.stderr)
        manifest()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
