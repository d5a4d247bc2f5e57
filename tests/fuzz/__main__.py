"""Coverage-guided fuzzing of what reads files that anybody may have written.

    python -m tests.fuzz [--seconds 30] [TARGET...]

Needs `pip install atheris`. Beginning with the default rules and the examples it changes them, keeps what reaches code
that nothing has reached before, and goes on from there. What breaks something is kept in tests/fuzz/found/TARGET and
tried by the tests from then on. Exit code 1 when there was any.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

_NAMES = ("condition", "rules", "config", "state")
_LONGEST = 4096


def main() -> int:
    """Fuzzes one target after the other, each in a process of its own: libFuzzer ends it."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="how long each of them")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(_NAMES)} (default: all)")
    asked = parser.parse_args()
    for name in asked.targets:
        if name not in _NAMES:
            parser.error(f"there is no target {name!r}; there are: {', '.join(_NAMES)}")
    if asked.inside:
        _fuzz(asked.inside, asked.corpus, asked.seconds)
    failed = [name for name in asked.targets or _NAMES if not _run(name, asked.seconds)]
    print(f"broken: {', '.join(failed)}" if failed else "nothing was found")
    return bool(failed)


def _run(name: str, seconds: int) -> bool:
    print(f"{name}: {seconds} s", flush=True)
    with tempfile.TemporaryDirectory() as corpus, tempfile.TemporaryDirectory() as scratch:
        command = (sys.executable, "-m", "tests.fuzz", "--inside", name, "--corpus", corpus, "--seconds", str(seconds))
        # libFuzzer ends by _exit(2): nothing in there cleans up after itself.
        return subprocess.run(command, env={**os.environ, "TMPDIR": scratch}, check=False).returncode == 0


def _fuzz(name: str, corpus: Path, seconds: int) -> None:
    """Never returns."""
    import atheris

    with atheris.instrument_imports(include=["eunomia"]):
        from tests.fuzz.targets import FOUND, TARGETS, seeds
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number:04d}").write_bytes(seed)
    found = FOUND / name
    found.mkdir(parents=True, exist_ok=True)  # libFuzzer makes none
    bounds = [f"-max_total_time={seconds}", f"-max_len={_LONGEST}", "-timeout=10", "-rss_limit_mb=4096"]
    atheris.Setup(
        [sys.argv[0], *bounds, f"-artifact_prefix={found}/", "-print_final_stats=1", str(corpus)], TARGETS[name]
    )
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
