"""What strace says of the same command."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

NEVER_RETURN = {"exit", "exit_group"}
"""strace does not count them."""
_ABIS = {"": "native", "32 bit": "compat32", "x32": "x32"}
_HEADING = re.compile(r"System call usage summary for (.*) mode:")
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)")
Calls = set[tuple[str, str]]


def by_strace(out: Path, *command: str, **run: Any) -> Calls:
    """Calls, each with its entry, that a command makes, those aside that never return."""
    subprocess.run(["strace", "-f", "-c", "-U", "calls,name", "-o", str(out), *command], check=True, **run)
    found, abi = set(), _ABIS[""]
    for line in out.read_text().splitlines():
        if heading := _HEADING.match(line):
            abi = _ABIS[heading[1]]
        elif (row := line.split()) and row[0].isdigit() and row[-1] != "total":
            found.add((row[-1], abi))
    return found


def values_by_strace(out: Path, places: dict[str, int], *command: str, **run: Any) -> dict[str, set[int]]:
    """Call -> the values of one of its arguments: the place of that is given."""
    names = ",".join(places)
    subprocess.run(
        ["strace", "-f", "-e", f"trace={names}", "-e", f"raw={names}", "-e", "signal=none", "-o", str(out), *command],
        check=True,
        **run,
    )
    found: dict[str, set[int]] = {}
    for line in out.read_text().splitlines():
        if (call := _CALL.match(line)) and call[1] in places:
            given = re.split(r", |\)| <", call[2])[places[call[1]]]
            found.setdefault(call[1], set()).add(int(given, 0))
    return found
