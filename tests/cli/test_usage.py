"""Wrong usage: exit code 2 and one line that says what is wrong, where, and what to do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import eunomia, refused

RUN = ("run", "process")
WRONG = [
    (("frobnicate",), "no command 'frobnicate'; there are: run, "),
    (("trackes",), "did you mean trackers"),
    (("run", "proces"), "no tracker 'proces'; did you mean process"),
    (("run", "xyz"), "there are: .*files, ipc, .*process"),
    (("trackers", "proces"), "did you mean process"),
    (("trackers", "process", "x"), "extra argument"),
    (("doctor", "x"), "extra argument"),
    (("completion", "tcsh"), "'bash', 'zsh', 'fish'"),
    ((*RUN, "extra"), "extra argument"),
    ((*RUN, "--nope"), "'--nope'"),
    ((*RUN, "--exit"), "'--exits'"),
    ((*RUN, "--fmt", "xml"), "'table', 'json', 'csv', 'parquet'"),
    ((*RUN, "--fmt", "parquet"), "give a file with -o FILE.parquet"),
    ((*RUN, "-T", "0"), "'-T'.* more than 0"),
    ((*RUN, "-T", "-1"), "'-T'.* more than 0"),
    ((*RUN, "-T", "soon"), "'-T'.*'soon' is no number"),
    ((*RUN, "-T", "nan"), "'-T'.*nan is no finite number"),
    ((*RUN, "-T", "inf"), "'-T'.*inf is no finite number"),
    ((*RUN, "-T"), "'-T' requires an argument"),
    ((*RUN, "-p", "0"), "'-p'"),
    ((*RUN, "-p", "x"), "'-p'"),
    ((*RUN, "-p", "99999999999", "--wait"), "'-p'"),
    ((*RUN, "--children"), "--children goes with -p"),
    ((*RUN, "--mntns", "foo"), "'--mntns'.*'foo'.*lsns"),
    ((*RUN, "--mntns", "mnt:[12]x"), "'--mntns'"),
    ((*RUN, "--mntns", "²"), "'--mntns'"),
    ((*RUN, "--mntns", str(1 << 32)), "'--mntns'"),
    ((*RUN, "--pidns", "0"), "'--pidns'"),
    ((*RUN, "--uid", "nosuchuser"), "'--uid'.*no user is called 'nosuchuser'"),
    ((*RUN, "--uid", "rooot"), "did you mean root"),
    ((*RUN, "--uid", "-5"), "'--uid'"),
    ((*RUN, "--uid", str(1 << 32)), "'--uid'"),
    ((*RUN, "--min-duration", "-3"), "'--min-duration'.* at least 0"),
    ((*RUN, "--min-duration", "nan"), "'--min-duration'"),
    ((*RUN, "--min-duration", "1e300"), "'--min-duration'.* too large"),
    ((*RUN, "--ring-bytes", "5000"), "'--ring-bytes'.* power of two"),
    ((*RUN, "--ring-bytes", str(1 << 40)), "'--ring-bytes'.* power of two"),
    ((*RUN, "-c", ""), "'-c'.* empty"),
    ((*RUN, "-o", ""), "'-o'.* empty"),
    (("containers", "-c", ""), "'-c'.* empty"),
]


@pytest.mark.parametrize(("args", "told"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_wrong_usage(args: tuple[str, ...], told: str) -> None:
    assert re.search(told, refused(*args))


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ("time,pidd", "no column 'pidd'; did you mean pid"),
        ("zzz", "no column 'zzz'; there are: time, "),
        ("", "no column ''"),
        ("pid,pid", "named twice"),
    ],
)
def test_columns(columns: str, told: str, tmp_path: Path) -> None:
    assert told in refused(*RUN, "--columns", columns)
    for file in ("out.json", "out.parquet"):
        assert told in refused(*RUN, "--columns", columns, "-o", tmp_path / file)
    assert not list(tmp_path.iterdir()), "nothing is left"


@pytest.mark.kernel
@pytest.mark.parametrize("ending", ["json", "csv", "txt", "parquet"])
def test_files_that_cannot_be(ending: str, tmp_path: Path) -> None:
    (tmp_path / f"directory.{ending}").mkdir()
    (tmp_path / "file").touch()
    wrong = {
        f"missing/out.{ending}": "create its directory first",
        f"directory.{ending}": "directory",
        f"file/out.{ending}": "directory",
        f"{'x' * 300}.{ending}": "too long",
    }
    before = sorted(tmp_path.iterdir())
    for name, told in wrong.items():
        assert re.search(f"cannot write .*{told}", refused(*RUN, "-o", tmp_path / name))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.kernel
@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_a_file_without_permission(ending: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    tracing_only = "+bpf,+perfmon"
    before = ("setpriv", f"--bounding-set=-all,{tracing_only}", f"--inh-caps=-all,{tracing_only}")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    done = eunomia(*RUN, "-T", "1", "-o", closed / f"out.{ending}", before=before)
    assert done.returncode == 2, done.stderr
    assert re.search(r"cannot write .*Permission denied; name a file in a directory you may write to", done.stderr)
    assert not list(closed.iterdir())


@pytest.mark.kernel
def test_unknown_targets() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    told = refused(*RUN, "-p", str(gone.pid))
    assert re.search(rf"no process {gone.pid}: the nearest are \d+ \(.+\), .*; --wait would wait for it", told)
    assert "no container 'nosuch'" in refused(*RUN, "-c", "nosuch")
    assert "no cgroup '/no/such'" in refused(*RUN, "--cgroup", "/no/such")
    assert "no container 'nosuch'" in eunomia("containers", "-c", "nosuch").stderr


@pytest.mark.parametrize("host", ["foo", "ssh://me@host", "tcp://:x", "unix://"])
def test_a_docker_host_that_makes_no_sense(host: str) -> None:
    for args in ((*RUN, "-T", "1"), ("containers",)):
        assert "environment variable DOCKER_HOST: " in refused(*args, env={"DOCKER_HOST": host})


@pytest.mark.parametrize("args", [("trackers",), ("trackers", "process", "--fmt", "json"), ("--help",)])
def test_output_that_cannot_be_written(args: tuple[str, ...]) -> None:
    command = 'exec 2>&1 >/dev/full; exec "$@"'
    done = eunomia(*args, before=("sh", "-c", command, "sh"))
    assert done.returncode == 1
    assert done.stdout.endswith("eunomia: error: stdout: No space left on device\n")


@pytest.mark.kernel
def test_closed_descriptors() -> None:
    """They must not be taken up by files of the run, which would then be printed to."""
    done = eunomia(*RUN, "-T", "5", before=("sh", "-c", 'exec "$@" >&-', "sh"))
    assert done.returncode == 1
    assert "stdout cannot be written: Bad file descriptor" in done.stderr
    silent = eunomia(*RUN, "-T", "0.3", "--fmt", "csv", before=("sh", "-c", 'exec "$@" 2>&- <&-', "sh"))
    assert silent.returncode == 0
    assert silent.stdout.startswith("time,container_id")
