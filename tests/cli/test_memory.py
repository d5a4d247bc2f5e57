"""What a run does not need any more is given back at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_MB = 1 << 20
# A frame, then NumPy's and C's blocks below the size that gets a mapping of its own, each above what stays in use.
_WORK = """
import sys
from eunomia.cli.memory import keep_little
if sys.argv[1] == "bounded":
    keep_little()
import numpy as np, polars as pl

def anonymous():
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Anonymous"))

def work():
    frame = pl.DataFrame({"text": ["x" * 100] * 200_000}).with_columns(pl.col("text").str.to_uppercase())
    blocks = [np.ones(900_000, np.uint8) for _ in range(40)]
    return frame.height + len(blocks)

pl.DataFrame({"a": [1]}).select(pl.col("a") + 1)
before = anonymous()
work()
print(anonymous() - before)
"""


@pytest.mark.parametrize("how", ["bounded", "left alone"])
def test_what_is_free_again_is_given_back(how: str) -> None:
    environment = {name: value for name, value in os.environ.items() if "MALLOC" not in name}
    command = [sys.executable, "-c", _WORK, how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    kept = int(done.stdout)
    assert kept < 5 * _MB if how == "bounded" else kept > 15 * _MB, f"{kept / _MB:.1f} MB"
