"""Makes a flood at a steady rate: `python -m benchmarks.producer CALLS_PER_S SECONDS`, beginning at a line on stdin.

It imports nothing of Eunomia, and prints how long it took.
"""

from __future__ import annotations

import ctypes
import sys
import time

_PR_SET_NAME = 15
_STEP_S = 0.001


def main() -> None:
    """Calls at that rate; 0 is as fast as can be."""
    per_s, seconds = int(sys.argv[1]), float(sys.argv[2])
    prctl, name = ctypes.CDLL(None).prctl, ctypes.c_char_p(b"flood")
    sys.stdin.readline()
    start = time.monotonic()
    done = 0
    while (now := time.monotonic() - start) < seconds:
        due = int(now * per_s) if per_s else done + 100
        for _ in range(due - done):
            prctl(_PR_SET_NAME, name, 0, 0, 0)
        done = due
        if per_s:
            time.sleep(_STEP_S)
    print(time.monotonic() - start)


if __name__ == "__main__":
    main()
