"""Files that are right become the configuration they say; of wrong ones every mistake is told with its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eunomia.config import FilterConfig, PrometheusConfig, RunConfig, SinkConfig, TrackerConfig
from eunomia.configfile.document import ConfigError
from eunomia.configfile.reading import read

SMALLEST = '[[tracker]]\ntype = "process"\n'
BOTH = f'{SMALLEST}[[tracker]]\ntype = "cgroup"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "c.toml"


def parsed(file: Path, text: str) -> RunConfig:
    file.write_text(text)
    return read(file, "unix:///docker")


def mistakes(file: Path, text: str) -> list[str]:
    """Each as LINE: TEXT."""
    with pytest.raises(ConfigError) as caught:
        parsed(file, text)
    told = list(caught.value.mistakes)
    assert all(one.startswith(f"{file}:") for one in told), told
    assert "\n".join(told) == str(caught.value)
    return [one.removeprefix(f"{file}:") for one in told]


def test_the_smallest_file(file: Path) -> None:
    run = parsed(file, SMALLEST)
    assert run.agent.trackers == (TrackerConfig("process"),)
    assert run.agent.filter == FilterConfig()
    assert run.agent.docker_host == "unix:///docker"
    assert run.sinks == {"stdout": SinkConfig("stdout")}
    assert run.routes == {"process": ("stdout",)}
    assert run.duration_s is None


def test_everything(file: Path) -> None:
    run = parsed(
        file,
        """
        time_s = 30
        docker_host = "tcp://localhost:2375"
        [filter]
        containers = "web"
        pids = [1, 2]
        children = true
        [[tracker]]
        type = "process"
        name = "web.1"
        ring_bytes = 65536
        sinks = ["stdout", "disk"]
        options = { min_duration = 5, tree = true }
        [tracker.filter]
        uids = ["root", 1000, "12"]
        cgroups = ["/a", "/b"]
        mnt_namespaces = [4026531840]
        pid_namespaces = 4026531836
        wait = true
        [[tracker]]
        type = "cgroup"
        filter = {}
        sinks = "own"
        [[tracker]]
        type = "process"
        [sink.disk]
        file = "out.json"
        columns = ["time", "tracker", "pid", "args"]
        [sink.own]
        file = "{tracker}.parquet"
        """,
    )
    own = FilterConfig(
        cgroups=("/a", "/b"), uids=(0, 1000, 12), mnt_namespaces=(4026531840,), pid_namespaces=(4026531836,), wait=True
    )
    options = {"min_duration": 5.0, "tree": True}
    assert run.agent.trackers == (
        TrackerConfig("process", options, 65536, own, "web.1"),
        TrackerConfig("cgroup", filter=FilterConfig()),
        TrackerConfig("process"),
    )
    assert run.agent.filter == FilterConfig(containers=("web",), pids=(1, 2), children=True)
    assert run.agent.docker_host == "tcp://localhost:2375"
    assert run.duration_s == 30
    assert run.routes == {"web.1": ("stdout", "disk"), "cgroup": ("own",), "process": ("disk", "own")}
    assert run.sinks == {
        "disk": SinkConfig("disk", "json", "out.json", ("time", "tracker", "pid", "args")),
        "own": SinkConfig("own", "parquet", "{tracker}.parquet"),
        "stdout": SinkConfig("stdout"),
    }
    assert [one.label for one in run.sources("own")] == ["cgroup", "process"]


@pytest.mark.parametrize(
    ("sink", "fmt"),
    [
        ("", "table"),
        ('file = "-"', "table"),
        ('file = "x"', "table"),
        ('file = "x.jsonl"', "json"),
        ('file = "x.CSV"', "csv"),
        ('file = "x.csv"\nformat = "json"', "json"),
        ('format = "csv"', "csv"),
        ('file = "x.parquet"', "parquet"),
    ],
)
def test_formats(sink: str, fmt: str, file: Path) -> None:
    (found,) = parsed(file, f"{SMALLEST}[sink.a]\n{sink}").sinks.values()
    assert found.format == fmt
    assert found.file is None or found.file.startswith("x")


def test_a_file_from_windows(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + SMALLEST.replace("\n", "\r\n").encode())
    assert read(file, None).agent.trackers


IN = 'in [[tracker]] "process"'
# What is wrong, and what must be told: a line, and a regular expression.
WRONG: list[tuple[str, list[tuple[int, str]]]] = [
    # nothing there
    ("", [(1, "there is no tracker: write [[tracker]]")]),
    ("tracker = []", [(1, "there is no tracker")]),
    ('[tracker]\ntype = "process"', [(1, "write [[tracker]] instead of [tracker]")]),
    ("[[tracker]]", [(1, "[[tracker]] 1: type is missing: which tracker")]),
    # unknown keys
    (f"tim_s = 1\n{SMALLEST}", [(1, 'unknown key "tim_s"; did you mean time_s?')]),
    (f"zzz = 1\n{SMALLEST}", [(1, 'unknown key "zzz"; there are: time_s, docker_host, filter, tracker, sink')]),
    ('[[trackers]]\ntype = "process"', [(1, "there is no"), (1, 'unknown key "trackers"; did you mean tracker?')]),
    (f'{SMALLEST}nam = "x"', [(3, f'unknown key "nam" {IN}; did you mean name?')]),
    (f'{SMALLEST}name = "web"\nnam = "x"', [(4, 'unknown key "nam" in [[tracker]] "web"; did you mean name?')]),
    (f"[filter]\ncontainer = 'x'\n{SMALLEST}", [(2, 'unknown key "container" in [filter]; did you mean containers?')]),
    (f"{SMALLEST}filter.pid = 1", [(3, '"pid" in filter of [[tracker]] "process"; did you mean pids?')]),
    (f"{SMALLEST}[sink.a]\nfiel = 'x'", [(4, 'unknown key "fiel" in [sink.a]; did you mean file?')]),
    # one table too high
    (f"{SMALLEST}min_duration = 1", [(3, f'unknown key "min_duration" {IN}; did you mean options.min_duration?')]),
    (f"{SMALLEST}min-duration = 1", [(3, f'unknown key "min-duration" {IN}; did you mean options.min_duration?')]),
    (f"{SMALLEST}containers = 'x'", [(3, f'unknown key "containers" {IN}; did you mean filter.containers?')]),
    # options
    (f"{SMALLEST}options.tre = true", [(3, f'unknown option "tre" of process {IN}; did you mean tree?')]),
    (f"{SMALLEST}options.min-duration = 1", [(3, f'"min-duration" of process {IN}; did you mean min_duration?')]),
    (f"{SMALLEST}options.zzz = 1", [(3, f'unknown option "zzz" of process {IN}; there are: exits, forks')]),
    ('[[tracker]]\ntype = "cgroup"\noptions.x = 1', [(3, "there are: none")]),
    (f"{SMALLEST}options.tree = 1", [(3, f"option tree: 1: true or false is expected {IN}")]),
    (f"{SMALLEST}[tracker.options]\nmin_duration = -1", [(4, f"option min-duration: -1.0: 0 is the least {IN}")]),
    (f"{SMALLEST}options.min_duration = nan", [(3, "a finite number is expected")]),
    (f"{SMALLEST}options.min_duration = inf", [(3, "a finite number is expected")]),
    (f"{SMALLEST}options.min_duration = 1e300", [(3, "is the most")]),
    (f"{SMALLEST}options.min_duration = '5'", [(3, "a number is expected")]),
    (f"{SMALLEST}options = 3", [(3, f"options {IN}: a table is expected, not 3")]),
    # trackers
    ('[[tracker]]\ntype = "proces"', [(2, "there is no tracker 'proces'; did you mean process or resources or ipc?")]),
    ('[[tracker]]\ntype = "xyz"\nname = "w"', [(2, 'type in [[tracker]] "w": there is no tracker \'xyz\'; there ')]),
    ("[[tracker]]\ntype = 1", [(2, "type in [[tracker]] 1: 1: a text is expected")]),
    (f"{SMALLEST}{SMALLEST}", [(3, "the tracker of line 1 is called that too; give one a name")]),
    (f"{SMALLEST}name = 'a'\n{SMALLEST}name = 'a'", [(6, "line 1")]),
    (f"{SMALLEST}name = 'a b'", [(3, "name in [[tracker]] \"a b\": 'a b': letters, digits and _ . - make a name")]),
    (f"{SMALLEST}name = '../x'", [(3, "make a name")]),
    (f"{SMALLEST}name = ''", [(3, "make a name")]),
    (f"{SMALLEST}ring_bytes = 5000", [(3, f"ring_bytes {IN}: 5000: a power of two between ")]),
    (f"{SMALLEST}ring_bytes = true", [(3, "true: a whole number is expected")]),
    (f"{SMALLEST}ring_bytes = 65536.0", [(3, "65536.0: a whole number is expected")]),
    ("tracker = [1, 2]", [(1, "[[tracker]] 1: a table is expected, not 1"), (1, "] 2: a table is expected, not 2")]),
    ("tracker = 7", [(1, "write [[tracker]]")]),
    # filters
    (f"[filter]\npids = [1,\n 'x',\n 0]\n{SMALLEST}", [(3, "pids in [filter]: 'x': a whole"), (4, "0 is too small")]),
    (f"[filter]\npids = 99999999\n{SMALLEST}", [(2, "99999999 is too large: at most 4194304")]),
    (f"[filter]\nchildren = true\n{SMALLEST}", [(2, "children in [filter] goes with pids")]),
    (f"[filter]\nchildren = 'yes'\n{SMALLEST}", [(2, "'yes': true or false is expected")]),
    (f"[filter]\ncontainers = ['a', '']\n{SMALLEST}", [(2, "containers in [filter]: '': it is empty")]),
    (f"[filter]\nuids = 'nosuchuser'\n{SMALLEST}", [(2, "no user is called 'nosuchuser'")]),
    (f"[filter]\nuids = -1\n{SMALLEST}", [(2, "-1 is too small")]),
    (f"[filter]\nuids = [1.5]\n{SMALLEST}", [(2, "1.5: a whole number or a text is expected")]),
    (f"[filter]\nmnt_namespaces = 4294967296\n{SMALLEST}", [(2, "too large")]),
    (f"filter = 'web'\n{SMALLEST}", [(1, "[filter]: a table is expected, not 'web'")]),
    (f"{SMALLEST}filter = []", [(3, 'filter of [[tracker]] "process": a table is expected, not an array')]),
    # the top
    (f"time_s = 0\n{SMALLEST}", [(1, "time_s: 0.0 is too small: more than 0")]),
    (f"time_s = inf\n{SMALLEST}", [(1, "time_s: inf: a finite number is expected")]),
    (f"time_s = 'soon'\n{SMALLEST}", [(1, "time_s: 'soon': a number is expected")]),
    (f"time_s = 2026-11-21\n{SMALLEST}", [(1, "time_s: 2026-11-21: a number is expected")]),
    (f"docker_host = 'ssh://x'\n{SMALLEST}", [(1, "docker_host: 'ssh://x': ")]),
    # sinks
    (f"{SMALLEST}sinks = ['dsik']\n[sink.disk]", [(3, f'sinks {IN}: there is no sink "dsik"; did you mean disk?')]),
    (f"{SMALLEST}sinks = ['a',\n'a']\n[sink.a]", [(4, '"a" is named twice')]),
    (f"{SMALLEST}sinks = []", [(3, "there is none, so its events would go nowhere")]),
    (f"{SMALLEST}[[sink]]\nfile = 'x'", [(3, "a sink has a name: write [sink.NAME] instead of [[sink]]")]),
    (f"{SMALLEST}[sink]\nfile = 'x'", [(4, "file belongs to a sink, which has a name: write [sink.NAME]")]),
    (f"{SMALLEST}[sink]\na = 1", [(4, "[sink.a]: a table is expected, not 1")]),
    (f"{SMALLEST}[sink.a]\nformat = 'xml'", [(4, "format in [sink.a]: 'xml': there are: table, json, csv, parquet")]),
    (f"{SMALLEST}[sink.a]\nfile = ' '", [(4, "file in [sink.a]: ' ': it is empty")]),
    (f"{SMALLEST}[sink.a]\nformat = 'parquet'", [(4, "Parquet cannot be printed")]),
    (f"{SMALLEST}[sink.a]\n[sink.b]", [(4, "[sink.a] and [sink.b] would write to the same place, stdout")]),
    (f"{SMALLEST}sink.a.file = 'x'", [(3, 'unknown key "sink"')]),
    (f"{SMALLEST}[sink.a]\nfile = 'x'\n[sink.b]\nfile = './x'", [(6, "would write to the same place, ./x")]),
    (f"{SMALLEST}[sink.a]\ncolumns = ['time', 'pidd']", [(4, 'there is no column "pidd"; did you mean pid')]),
    (f"{SMALLEST}[sink.a]\ncolumns = ['time',\n'time']", [(5, '"time" is named twice')]),
    (f"{SMALLEST}[sink.a]\ncolumns = []", [(4, "columns in [sink.a]: there is none")]),
    (f"{SMALLEST}[sink.a]\nformat = 'csv'\ncolumns = 'tracker'", [(5, 'there is no column "tracker"')]),
    (
        f"{BOTH}[sink.a]\nformat = 'csv'",
        [(6, "csv has the columns of one tracker, and process, cgroup write there; give each a file of its own")],
    ),
    (f"{BOTH}[sink.a]\ncolumns = 'args'", [(6, 'there is no column "args"; there are: time')]),
    (
        f"{BOTH}[sink.a]\nformat = 'json'\ncolumns = 'args'",
        [(7, "columns in [sink.a]: cgroup has none of them")],
    ),
    # no TOML
    ("a = ", [(1, "invalid value")]),
    ("a = 1\na = 2", [(2, "cannot overwrite a value")]),
    ("x = [1,\n\n", [(2, "invalid value")]),
    ("[a\nb]", [(1, "")]),
    ("a = 'x\n", [(1, "")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), WRONG, ids=[text.replace(SMALLEST, "…") or "empty" for text, _ in WRONG])
def test_wrong_files(text: str, told: list[tuple[int, str]], file: Path) -> None:
    found = mistakes(file, text)
    assert len(found) == len(told), found
    for one, (line, part) in zip(found, told, strict=True):
        assert re.match(rf"{line}: .*{re.escape(part)}", one), one


def test_every_mistake_at_once_in_order(file: Path) -> None:
    text = """\
time_s = -1
[filter]
pidz = [1]
[[tracker]]
type = "process"
options.tre = true
sinks = ["nowhere"]
[[tracker]]
typ = "cgroup"
"""
    assert [int(one.split(":")[0]) for one in mistakes(file, text)] == [1, 3, 6, 7, 8, 9]


def test_what_cannot_be_read(file: Path, tmp_path: Path) -> None:
    for path, told in ((tmp_path / "none", "No such file"), (tmp_path, "directory")):
        with pytest.raises(ConfigError, match=f"cannot read .*{told}"):
            read(path, None)
    file.write_bytes(b'a = 1\nb = "\xff"\n')
    with pytest.raises(ConfigError, match=r":2: not UTF-8"):
        read(file, None)
    file.write_text(f"a = {'[' * 50_000}")
    with pytest.raises(ConfigError, match=r"nested too deeply|nvalid|nclosed"):
        read(file, None)


def test_one_file_by_two_names(file: Path, tmp_path: Path) -> None:
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to("real")
    text = f"{SMALLEST}[sink.a]\nfile = '{tmp_path}/real'\n[sink.b]\nfile = '{tmp_path}/link'"
    assert "same place" in mistakes(file, text)[0]


def test_files_apart_are_one_of_each_tracker(file: Path) -> None:
    text = f"{BOTH}[sink.a]\nfile = '{{tracker}}.csv'\n[sink.b]\nfile = 'cgroup.csv'\nformat = 'json'"
    assert "[sink.a] and [sink.b] would write to the same place, cgroup.csv" in mistakes(file, text)[0]


# Metrics.


def test_metrics_are_served_when_they_are_asked_for(file: Path) -> None:
    assert parsed(file, SMALLEST).prometheus is None
    assert parsed(file, f"{SMALLEST}[prometheus]\n").prometheus == PrometheusConfig()
    text = 'prometheus = {listen = "[::]:99", drop_labels = ["pod", "syscall"], cap = 5, expire_s = 7}\n'
    assert parsed(file, text + SMALLEST).prometheus == PrometheusConfig(("::", 99), ("pod", "syscall"), 5, 7.0)


def test_for_metrics_alone_no_tracker_and_no_sink_has_to_be_named(file: Path) -> None:
    usual = (TrackerConfig("process"), TrackerConfig("tcp"))
    file.write_text("[prometheus]\n")
    run = read(file, None, usual)
    assert (run.agent.trackers, run.sinks, run.routes) == (usual, {}, {"process": (), "tcp": ()})
    file.write_text(BOTH)
    assert read(file, None, usual).routes == {"process": (), "cgroup": ()}
    file.write_text(f'[sink.a]\nformat = "json"\n{SMALLEST}')
    assert read(file, None, usual).routes == {"process": ("a",)}
    file.write_text('[sink.a]\nformat = "json"\n')
    assert read(file, None, usual).routes == {"process": ("a",), "tcp": ("a",)}
