"""`python -m benchmarks [NAME...]`: what Eunomia costs, next to other tools. Needs root."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import sys

from benchmarks.measure import Row, show

NAMES = (
    "decode",
    "sustained",
    "filtered",
    "exec",
    "tcp",
    "syscall",
    "files",
    "request",
    "nginx",
    "memory",
    "startup",
    "record",
    "rules",
    "alert_latency",
    "databases",
    "apply",
    "lsm",
    "resources",
    "burst",
    "export",
)


def _print_table(rows: list[Row]) -> None:
    wide = max(len(row.case) for row in rows)
    for row in rows:
        verdict = {None: "", True: "reached", False: "MISSED"}[row.reached]
        figure = f"  {row.case:<{wide}}  {show(row.value):>10} {row.unit:<10}"
        print(f"{figure} {row.target:<10} {verdict:<8} {row.bounds}".rstrip())


def main() -> int:
    """Runs the benchmarks named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(NAMES)} (default: all)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of tables")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: whether it works, not what it costs")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in NAMES:
            parser.error(f"there is no benchmark {name!r}; there are: {', '.join(NAMES)}")
    if os.geteuid():
        parser.error("the benchmarks load BPF programs: run them as root")
    for name in arguments.names or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        rows = list(module.run(quick=arguments.quick))
        if arguments.json:
            for row in rows:
                print(json.dumps({"benchmark": name, **dataclasses.asdict(row), "reached": row.reached}), flush=True)
        else:
            print(f"{name}: {(module.__doc__ or '').splitlines()[0]}")
            _print_table(rows)
            print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
