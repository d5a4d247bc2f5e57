"""A run at a terminal: colours, width, headings, and nothing that a container could smuggle in."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.command import Live, Shell, eunomia, running

pytestmark = pytest.mark.kernel

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """A pseudo-terminal; what a program prints there is read by `text`."""

    def __init__(self, columns: int, lines: int) -> None:
        self._master, self.slave = pty.openpty()
        self._text = b""
        self.resize(columns, lines)

    def resize(self, columns: int, lines: int) -> None:
        """As when a window is."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def text(self) -> str:
        """Everything printed so far; takes what there is, until nothing comes for a moment."""
        while select.select([self._master], [], [], 0.2)[0]:
            try:
                more = os.read(self._master, 1 << 16)
            except OSError:  # EIO: nobody has the other end any more
                break
            if not more:
                break
            self._text += more
        return self._text.decode().replace("\r\n", "\n")

    def close(self) -> None:
        """Hangs up."""
        for fd in (self._master, self.slave):
            os.close(fd)


@contextmanager
def at_terminal(
    tmp_path: Path, *args: str, columns: int = 120, lines: int = 40, env: dict[str, str] | None = None
) -> Iterator[tuple[Live, Terminal]]:
    """A run whose stdout is a terminal."""
    terminal = Terminal(columns, lines)
    try:
        env = {"TERM": "xterm", **(env or {})}
        with running(tmp_path, "process", *args, stdout=terminal.slave, env=env) as run:
            yield run, terminal
            assert run.ended(signal.SIGINT) == 0, run.stderr
    finally:
        terminal.close()


def test_colours(tmp_path: Path, shell: Shell) -> None:
    with at_terminal(tmp_path, *shell.only, "--failed") as (_, terminal):
        shell.do("/bin/true; (exec /no/such/program) 2>/dev/null; true")
        text = terminal.text()
    heading, *lines = text.splitlines()
    assert heading.startswith("\x1b[1mTIME ")
    assert heading.endswith("\x1b[0m")
    plain = {"exec": "", "exit": "\x1b[2m", "exec_failed": "\x1b[31m"}
    seen = set()
    for line in lines:
        event = ESCAPE.sub("", line).split()[1]
        seen.add(event)
        assert re.match(re.escape(plain[event]) + r"\d\d:", line)
        assert line.endswith("\x1b[0m") == bool(plain[event])
    assert seen == set(plain)


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours(env: dict[str, str], tmp_path: Path, shell: Shell) -> None:
    with at_terminal(tmp_path, *shell.only, env=env) as (_, terminal):
        shell.do("/bin/true")
        assert "\x1b" not in terminal.text()


def test_lines_end_where_the_terminal_does(tmp_path: Path, shell: Shell) -> None:
    wide = "漢字" * 30
    with at_terminal(tmp_path, *shell.only, columns=50) as (_, terminal):
        shell.do(f"/bin/true {'x' * 300}; /bin/true {wide}")
        narrow = ESCAPE.sub("", terminal.text()).splitlines()
        terminal.resize(100, 40)
        shell.do(f"/bin/true {'x' * 300}")
        wider = ESCAPE.sub("", terminal.text()).splitlines()[len(narrow) :]
    assert max(map(len, narrow)) == 50
    assert narrow[1].endswith("…")
    assert max(map(len, wider)) == 100


def test_wide_characters_do_not_break_the_columns(tmp_path: Path, shell: Shell) -> None:
    with at_terminal(tmp_path, *shell.only, "--columns", "args,event", columns=100) as (_, terminal):
        shell.do("/bin/true 漢字 é; /bin/true abc e")
        lines = [line for line in ESCAPE.sub("", terminal.text()).splitlines() if line.startswith("/bin/true")]
    assert lines == ["/bin/true '漢字' 'é'  exec", "/bin/true abc e       exec"]


def test_the_heading_comes_again(tmp_path: Path, shell: Shell) -> None:
    with at_terminal(tmp_path, *shell.only, lines=12) as (_, terminal):
        shell.do("for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do /bin/true $n; done")
        lines = ESCAPE.sub("", terminal.text()).splitlines()
    headings = [place for place, line in enumerate(lines) if line.startswith("TIME ")]
    assert headings == [0, 11, 22, 33]


def test_arguments_cannot_draw(tmp_path: Path, shell: Shell) -> None:
    evil = r"\033[2J\033]0;owned\007\012\015fake line\u202e\u2028"
    with at_terminal(tmp_path, *shell.only, columns=200) as (_, terminal):
        shell.do(f"""/bin/true "$(/usr/bin/printf '{evil}x')" """)
        text = terminal.text()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028]", ESCAPE.sub("", text))
    assert not [line for line in text.splitlines() if line.startswith("fake")]
    assert r"\e[2J\e]0;owned?\n\rfake line??x" in text


def test_hang_up(tmp_path: Path, shell: Shell) -> None:
    """The terminal goes away without a signal, as when it is not the controlling one."""
    terminal = Terminal(80, 24)
    with running(tmp_path, "process", *shell.only, stdout=terminal.slave, env={"TERM": "xterm"}) as run:
        shell.do("/bin/true")
        terminal.text()
        terminal.close()
        assert run.ended(timeout_s=3) == 0
        assert "Traceback" not in run.stderr


def test_small_tables_fold_their_last_column(tmp_path: Path) -> None:
    terminal = Terminal(70, 40)
    script = f'exec "$@" >{os.ttyname(terminal.slave)}'
    assert eunomia("trackers", "process", before=("sh", "-c", script, "sh"), env={"TERM": "xterm"}).returncode == 0
    time.sleep(0.1)
    lines = ESCAPE.sub("", terminal.text()).splitlines()
    terminal.close()
    assert max(map(len, lines[1:])) <= 70
    assert any(re.fullmatch(r" {20,}\S.*", line) for line in lines), "folded below its column"
