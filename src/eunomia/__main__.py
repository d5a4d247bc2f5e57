"""The program: `eunomia`, and `python -m eunomia`."""

from __future__ import annotations

import signal


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed, 2 used wrongly; ended by a signal before it began."""
    # Ctrl-C ends us as it ends any program, where a run has not asked for better; Python would show the import it met.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from eunomia.cli.main import main as begin

    begin()


if __name__ == "__main__":
    main()
