"""The Python API: what a program or a notebook gets."""

from __future__ import annotations

import gc
import inspect
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import eunomia
from eunomia.config import AgentConfig, TrackerConfig
from eunomia.trackers import registry
from tests.cli.command import Shell
from tests.dockerd import DockerDaemon


def fresh(code: str) -> str:
    """What a new Python says to that."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def others() -> frozenset[threading.Thread]:
    """Threads that another test has left, which this one cannot answer for."""
    return frozenset(threading.enumerate())


def left(others: frozenset[threading.Thread]) -> list[str]:
    """Threads of ours that still run, but for those that end at this moment."""
    end = time.monotonic() + 3
    while True:
        mine = frozenset(threading.enumerate()) - others
        found = [thread.name for thread in mine if thread.name.startswith("eunomia-")]
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.02)


def test_what_there_is() -> None:
    assert set(eunomia.__all__) == {
        *("Batch", "Record", "Summary", "Watch", "containers", "read", "watch", "__version__"),
        *("EunomiaError", "LoadError", "PrivilegeError", "UnsupportedError", "UsageError"),
    }
    assert all(getattr(eunomia, name) is not None for name in eunomia.__all__)
    assert set(eunomia.__all__) <= set(dir(eunomia))
    with pytest.raises(AttributeError, match="nosuch"):
        _ = eunomia.nosuch  # type: ignore[attr-defined]


def test_all_of_it_is_described_and_typed() -> None:
    for name in eunomia.__all__:
        one = getattr(eunomia, name)
        if not isinstance(one, str):
            assert inspect.getdoc(one), name
        if inspect.isfunction(one):
            assert all(each.annotation is not each.empty for each in inspect.signature(one).parameters.values()), name


def test_importing_it_loads_next_to_nothing() -> None:
    loaded = fresh("import sys, eunomia; print(*[one for one in sys.modules if one.startswith(('eunomia', 'polars'))])")
    assert set(loaded.split()) == {"eunomia", "eunomia.containers", "eunomia.version"}


@pytest.mark.parametrize(
    "before",
    ["", "import eunomia.agent;", "import eunomia.containers.names;", "from eunomia.containers.docker import Docker;"],
)
def test_the_function_and_the_package_of_one_name(before: str) -> None:
    assert fresh(f"{before}import eunomia; print(callable(eunomia.containers))") == "True"
    assert fresh(f"import eunomia; {before}print(callable(eunomia.containers))") == "True"
    assert fresh(f"import eunomia; {before}from eunomia.containers.docker import Docker; print(Docker)")


@pytest.mark.parametrize(
    ("trackers", "asked", "told"),
    [
        ((), {}, "name a tracker: .*process"),
        (("proces",), {}, "there is no tracker 'proces'; did you mean process"),
        (("process",), {"fork": True}, "process: there is no option 'fork'; did you mean forks?"),
        (("process",), {"containr": "web"}, "there is no option 'containr'; did you mean container?"),
        (("process",), {"zzz": 1}, "there is no option 'zzz'; there are: exits, forks, "),
        (("process",), {"exits": 1}, "option exits: 1: true or false is expected"),
        (("process",), {"min_duration": "5"}, "option min-duration: '5': a number is expected"),
        (("process",), {"min_duration": True}, "option min-duration: True: a number is expected"),
        (("process",), {"min_duration": -1}, "option min-duration: .*: 0 is the least"),
        (("process",), {"pid": "1"}, "'1' is no number"),
        (("process",), {"pid": True}, "True is no number"),
        (("process",), {"uid": 1 << 40}, "1099511627776 is no id"),
        (("process",), {"uid": -1}, "-1 is no id"),
        (("syscall",), {"only": ["opnat"]}, "option only: 'opnat': did you mean openat"),
        (("process",), {"container": 1}, "1 is no text"),
        (("process",), {"container": [1]}, "1 is no text"),
        (("process",), {"seconds": 0}, "seconds=0 is no time to watch"),
        (("process",), {"children": True}, "children=True goes with pid"),
    ],
)
def test_mistakes_are_told_before_anything_begins(trackers: tuple[str, ...], asked: Any, told: str) -> None:
    with pytest.raises(eunomia.UsageError, match=told):
        eunomia.watch(*trackers, **asked)


@pytest.mark.parametrize("given", ["openat,read", ["openat", "read"], ("openat", "read")])
def test_lists(given: object) -> None:
    (tracker,) = eunomia.watch("syscall", only=given)._config.trackers
    assert registry.get("syscall").settle(tracker.options)["only"] == ("openat", "read")


def test_what_is_asked_for_arrives() -> None:
    made = eunomia.watch("process", container="web", pid=[1, 2], uid=3, wait=True, forks=True, docker_host=None)
    config: AgentConfig = made._config
    assert config.trackers == (TrackerConfig("process", {"forks": True}),)
    assert config.filter.containers == ("web",)
    assert (config.filter.pids, config.filter.uids, config.filter.wait) == ((1, 2), (3,), True)
    assert made.summary is None
    assert made.missing == ()
    made.stop()


@pytest.fixture
def shell() -> Any:
    """A shell to watch."""
    made = Shell()
    yield made
    made.close()


def watch(shell: Shell, **asked: Any) -> eunomia.Watch:
    return eunomia.watch("process", pid=shell.process.pid, children=True, docker_host=None, **asked)


@pytest.mark.kernel
def test_batches_as_they_come(shell: Shell, others: frozenset[threading.Thread]) -> None:
    with watch(shell) as events:
        shell.do("/bin/true one")
        seen = pl.DataFrame()
        for batch in events:
            assert batch.source == "process"
            seen = pl.concat([seen, batch.frame]) if seen.height else batch.frame
            if seen.height >= 2:
                break
    assert seen["args"].to_list()[0] == ["/bin/true", "one"]
    summary = events.summary
    assert summary is not None
    assert (summary.emitted, summary.delivered, summary.lost) == (2, 2, {})
    assert left(others) == []


@pytest.mark.kernel
def test_a_timed_watch_gives_everything_and_ends(shell: Shell) -> None:
    with ThreadPoolExecutor(1) as pool:  # iterated on a thread that is not the main one
        events = watch(shell, seconds=1.5)
        frames = pool.submit(lambda: [batch.frame for batch in events])
        while events._run is None:
            time.sleep(0.01)
        for number in range(20):
            shell.do(f"/bin/true {number}")
        rows = pl.concat(frames.result(20))
    assert rows.filter(event="exec").height == 20
    assert events.summary is not None
    assert events.summary.delivered == rows.height
    assert next(events, None) is None


@pytest.mark.kernel
@pytest.mark.parametrize("reads", [True, False])
def test_a_timed_watch_ends_however_busy_it_is_and_whoever_reads(shell: Shell, *, reads: bool) -> None:
    shell.keep_busy()  # there is always a next batch
    with watch(shell, seconds=1) as events:
        end = time.monotonic() + 15
        while events.summary is None and time.monotonic() < end:
            if reads:
                next(events, None)
            else:
                time.sleep(0.05)
        assert events.summary is not None
        assert 0.9 < events.summary.duration_s < 10
        rows = sum(len(batch) for batch in events)
        assert rows > 0 or reads, "what was seen can still be read"


@pytest.mark.kernel
def test_what_is_not_read_is_lost_and_told(shell: Shell) -> None:
    with watch(shell) as events:
        shell.do("/bin/true")
        time.sleep(0.5)
    assert events.summary is not None
    assert events.summary.lost == {"not read before the watch ended": 2}
    assert events.summary.delivered == 0
    assert events.summary.emitted == 2
    events.stop()
    assert list(events) == []


@pytest.mark.kernel
def test_it_ends_when_nobody_holds_it(shell: Shell, others: frozenset[threading.Thread]) -> None:
    shell.keep_busy()
    for batch in watch(shell):
        assert len(batch)
        break
    gc.collect()
    assert left(others) == []


@pytest.mark.kernel
def test_an_error_in_the_block_ends_it(shell: Shell, others: frozenset[threading.Thread]) -> None:
    with pytest.raises(ZeroDivisionError), watch(shell):
        _ = 1 / 0
    assert left(others) == []


@pytest.mark.kernel
def test_what_the_machine_refuses_is_raised_at_the_beginning(tmp_path: Path) -> None:
    with pytest.raises(eunomia.UsageError, match="no process 4194304"):
        with eunomia.watch("process", pid=4194304, record=tmp_path / "rec", docker_host=None):
            pass
    assert not (tmp_path / "rec").exists()


@pytest.mark.kernel
def test_a_record_beside(shell: Shell, tmp_path: Path) -> None:
    frames = []
    with watch(shell, record=tmp_path / "rec", seconds=1) as events:
        shell.do("/bin/true; sh -c 'kill -9 $$'")
        frames = [batch.frame for batch in events]
    record = eunomia.read(tmp_path / "rec")
    assert_frame_equal(record["process"].collect(), pl.concat(frames))
    assert record.sql("SELECT count(*) FROM process WHERE signal = 'SIGKILL'").item() == 1
    (run,) = record.runs
    assert run.summary is not None
    assert run.summary["emitted"] == 4


@pytest.mark.kernel
@pytest.mark.docker
def test_containers(dockerd: DockerDaemon) -> None:
    identifier = dockerd.start("api-web", "sleep", "60")
    try:
        known = eunomia.containers(dockerd.host).filter(name="api-web")
        assert known.select("container_id", "id", "runtime", "state", pl.col("pids").list.len()).rows() == [
            (identifier[:12], identifier, "docker", "running", 1)
        ]
        assert known["namespaces"].list.len().item() >= 6
        assert known["created"].dtype == pl.Datetime("ns", "UTC")
        unnamed = eunomia.containers().filter(id=identifier)  # its daemon is not where Docker usually is
        assert unnamed["name"].to_list() == [""]
        with eunomia.watch("process", container="api-web", seconds=3, docker_host=dockerd.host) as events:
            dockerd.cli("exec", "api-web", "/bin/busybox", "true", "from-here")
            rows = pl.concat(batch.frame for batch in events)
        assert set(rows["container_name"]) == {"api-web"}
        assert ["/bin/busybox", "true", "from-here"] in rows["args"].to_list()
    finally:
        dockerd.remove("api-web")
