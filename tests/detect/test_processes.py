"""The table of processes and what is told from it, against a machine that is played through."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eunomia.detect.context import COLUMNS, Context
from eunomia.detect.processes import MOST_ANCESTORS, Processes, read_lineage
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.processes import RUNNING
from eunomia.schema.semantic import Column

MS = 1_000_000
S = 1_000 * MS
KINDS = pl.Enum(["exec", "exec_failed", "fork", "exit", "credentials", "namespace", "comm"])
BASE = {
    "time": pl.Datetime("ns", "UTC"),
    "container_id": pl.String(),
    "pid": pl.UInt32(),
    "tid": pl.UInt32(),
    "ppid": pl.UInt32(),
    "comm": pl.String(),
}
PROCESS = {
    **BASE,
    "event": KINDS,
    "parent_comm": pl.String(),
    "args": pl.List(pl.String()),
    "executable": pl.String(),
}


def schema(columns: dict[str, Any]) -> Schema:
    return Schema(tuple(Column(name, dtype, name) for name, dtype in columns.items()))


def batch(source: str, columns: dict[str, Any], rows: list[dict[str, Any]]) -> Batch:
    filled = [{"container_id": "host", "tid": row["pid"], **row} for row in rows]
    return Batch(source, schema(columns), pl.DataFrame(filled, schema=columns))


def happened(time_ns: int, event: str, pid: int, ppid: int, name: str = "", **more: Any) -> dict[str, Any]:
    told = {"comm": name, "executable": f"/bin/{name}", "args": [name, "-x"]} if event == "exec" else {"comm": name}
    return {"time": time_ns, "event": event, "pid": pid, "ppid": ppid, **told, **more}


def learnt(*rows: dict[str, Any], processes: Processes | None = None) -> Processes:
    processes = Processes() if processes is None else processes
    given_batch = batch("process", PROCESS, list(rows))
    assert processes.handle(given_batch) is given_batch
    return processes


def running(*rows: tuple[int, int, str], container_id: str = "host", start_ns: int = 0) -> pl.DataFrame:
    told = [(start_ns, pid, ppid, name, f"/bin/{name}", [name, "-x"], container_id) for pid, ppid, name in rows]
    return pl.DataFrame(told, schema=RUNNING, orient="row")


def told(processes: Processes, *rows: tuple[int, int, int], container_id: str = "host") -> list[dict[str, Any]]:
    """What is added to events: time, pid, ppid."""
    asked = [
        {"time": time_ns, "pid": pid, "ppid": ppid, "comm": "?", "container_id": container_id}
        for time_ns, pid, ppid in rows
    ]
    context = Context(processes)
    answer = context.handle(batch("files", BASE, asked))
    assert answer.schema == context.columns(schema(BASE))
    assert answer.frame.schema == answer.schema.polars()
    return answer.frame.select(column.name for column in COLUMNS).to_dicts()


# A machine that is played through.


@dataclass
class Task:
    """A process as the kernel has it: `images` are all it has run, `ppid` is who would get its exit code."""

    pid: int
    starter: Task | None
    ppid: int
    image: str
    children: list[Task] = field(default_factory=list)


@dataclass
class Machine:
    alive: dict[int, Task] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[tuple[int, int], dict[str, Any]]] = field(default_factory=list)
    """After each step, of each process by pid and ppid: what is to be told of it."""

    def __post_init__(self) -> None:
        first = self.alive[1] = Task(1, None, 0, "init")
        self.alive[2] = Task(2, first, 1, "sh")
        first.children.append(self.alive[2])
        self.answers.append(self.told())

    def step(self, kind: str, which: int, name: int) -> None:
        time_ns = len(self.answers) * MS
        those = sorted(self.alive)
        pid = those[which % len(those)]
        task = self.alive[pid]
        if kind == "fork":
            child = Task(next(n for n in range(2, 99) if n not in self.alive), task, pid, task.image)
            task.children.append(child)
            self.alive[child.pid] = child
            self.events.append(happened(time_ns, "fork", child.pid, pid, task.image))
        elif kind == "exec":
            task.image = f"p{name}"
            self.events.append(happened(time_ns, "exec", pid, task.ppid, task.image))
        elif pid != 1:
            self.events.append(happened(time_ns, "exit", pid, task.ppid, task.image))
            del self.alive[pid]
            for child in task.children:
                child.ppid = 1
        self.answers.append(self.told())

    def told(self) -> dict[tuple[int, int], dict[str, Any]]:
        return {(task.pid, task.ppid): self.told_of(task) for task in self.alive.values()}

    def told_of(self, task: Task) -> dict[str, Any]:
        parent = self.alive.get(task.ppid)
        ancestors: list[dict[str, Any]] = []
        one = task.starter
        while one is not None and len(ancestors) < MOST_ANCESTORS:
            ancestors.append({"pid": one.pid, "comm": one.image, "exe": f"/bin/{one.image}", "args": f"{one.image} -x"})
            one = one.starter
        return {
            "exe": f"/bin/{task.image}",
            "args": f"{task.image} -x",
            "exe_outside": False,
            "parent_comm": parent.image if parent else None,
            "parent_exe": f"/bin/{parent.image}" if parent else None,
            "parent_args": f"{parent.image} -x" if parent else None,
            "ancestors": ancestors,
        }


STEPS = st.lists(
    st.tuples(st.sampled_from(["fork", "fork", "exec", "exit"]), st.integers(0, 9), st.integers(0, 4)), max_size=40
)


@given(STEPS, st.integers(1, 9), st.randoms(use_true_random=False))
def test_every_process_at_every_moment(steps: list[tuple[str, int, int]], size: int, random: Any) -> None:
    machine = Machine()
    for step in steps:
        machine.step(*step)
    processes = Processes()
    processes.add_running(running((1, 0, "init"), (2, 1, "sh")))
    for begin in range(0, len(machine.events), size):
        learnt(*machine.events[begin : begin + size], processes=processes)
    asked = [
        (place * MS + MS // 2, pid, ppid, answer)
        for place, answers in enumerate(machine.answers)
        for (pid, ppid), answer in answers.items()
    ]
    random.shuffle(asked)
    assert told(processes, *(row[:3] for row in asked)) == [row[3] for row in asked]


@given(STEPS)
def test_without_forks_what_ran_an_exec_is_known(steps: list[tuple[str, int, int]]) -> None:
    machine, run = Machine(), {1: "init", 2: "sh"}
    for step in steps:
        machine.step(*step)
    seen = [event for event in machine.events if event["event"] != "fork"]
    for event in seen:
        run[event["pid"]] = event["comm"] if event["event"] == "exec" else ""
    processes = Processes()
    processes.add_running(running((1, 0, "init"), (2, 1, "sh")))
    learnt(*seen, processes=processes)
    now_ns = len(machine.answers) * MS
    asked = [(now_ns, pid, task.ppid) for pid, task in machine.alive.items() if run.get(pid) == task.image]
    assert [one["exe"] for one in told(processes, *asked)] == [f"/bin/{run[pid]}" for _, pid, _ in asked]


# What a machine does not do by itself.


def test_nobody_is_known() -> None:
    answer = told(Processes(), (5, 7, 6), (5, 0, 0))
    assert [one["exe"] for one in answer] == [None, None]
    assert [one["ancestors"] for one in answer] == [[], []]


def test_a_batch_without_events() -> None:
    assert told(Processes()) == []


def test_a_fork_that_was_not_seen_runs_what_its_parent_runs() -> None:
    processes = Processes()
    processes.add_running(running((1, 0, "init"), (50, 1, "nginx")))
    (answer,) = told(processes, (5, 51, 50))
    assert answer["exe"] == "/bin/nginx"
    assert [one["pid"] for one in answer["ancestors"]] == [50, 1]
    (answer,) = told(processes, (6, 52, 51))
    assert [one["pid"] for one in answer["ancestors"]] == [51, 50, 1]


def test_in_a_record_who_is_unknown_may_be_older_than_its_parents_program() -> None:
    (answer,) = told(learnt(happened(5, "exec", 50, 1, "bash")), (9, 51, 50))
    assert answer["exe"] is None
    assert answer["parent_exe"] == "/bin/bash"


def test_events_after_the_end_are_still_its_own() -> None:
    processes = learnt(happened(5, "exec", 50, 1, "curl"), happened(9, "exit", 50, 1))
    assert told(processes, (30 * S, 50, 1))[0]["exe"] == "/bin/curl"


def test_a_pid_given_again_without_a_fork_seen() -> None:
    processes = Processes()
    processes.add_running(running((1, 0, "init"), (40, 1, "sh"), (41, 1, "cron"), (50, 40, "curl")))
    learnt(happened(9, "exit", 50, 40), processes=processes)
    answers = told(processes, (8, 50, 40), (20, 50, 41), (21, 50, 41))
    assert [one["exe"] for one in answers] == ["/bin/curl", "/bin/cron", "/bin/cron"]


def test_a_container_ends_the_ancestors_with_who_started_it() -> None:
    processes = Processes()
    processes.add_running(running((1, 0, "init"), (10, 1, "shim")))
    processes.add_running(running((20, 10, "nginx"), (21, 20, "nginx"), container_id="aaaaaaaaaaaa"))
    (answer,) = told(processes, (5, 21, 20), container_id="aaaaaaaaaaaa")
    assert [one["pid"] for one in answer["ancestors"]] == [20, 10]
    (answer,) = told(processes, (5, 10, 1))
    assert [one["pid"] for one in answer["ancestors"]] == [1]


INSIDE = "aaaaaaaaaaaa"


def _exec(pid: int, ppid: int, name: str, container_id: str, *, on_host: bool | None) -> Processes:
    columns = {**PROCESS, "exe_on_host": pl.Boolean()}
    processes = Processes()
    processes.handle(
        batch(
            "process",
            columns,
            [happened(5, "exec", pid, ppid, name, container_id=container_id, exe_on_host=on_host)],
        )
    )
    return processes


def test_a_runtime_comes_from_outside() -> None:
    """Before it is moved into the container, or right there and yet among the host's mounts."""
    for before, on_host in (("host", True), ("host", None), ("host", False), (INSIDE, True)):
        processes = _exec(50, 1, "runc", before, on_host=on_host)
        assert told(processes, (9, 50, 1), container_id=INSIDE)[0]["exe_outside"] is True
        learnt(happened(10, "fork", 51, 50, "runc", container_id=INSIDE), processes=processes)
        assert told(processes, (11, 51, 50), container_id=INSIDE)[0]["exe_outside"] is True
        learnt(happened(12, "comm", 51, 50, "runc:[2:INIT]", container_id=INSIDE), processes=processes)
        assert told(processes, (13, 51, 50), container_id=INSIDE)[0]["exe_outside"] is True
        learnt(happened(14, "exec", 51, 50, "runc", container_id=INSIDE), processes=processes)
        assert told(processes, (15, 51, 50), container_id=INSIDE)[0]["exe_outside"] is False


def test_what_a_container_runs_does_not() -> None:
    for on_host in (False, None):
        processes = _exec(50, 1, "runc", INSIDE, on_host=on_host)
        assert told(processes, (9, 50, 1), container_id=INSIDE)[0]["exe_outside"] is False
        # A cgroup of its own making, named as another container's would be.
        assert told(processes, (9, 50, 1), container_id="feedfeedfeed")[0]["exe_outside"] is False
    assert told(Processes(), (9, 50, 1), container_id=INSIDE)[0]["exe_outside"] is None


def test_what_is_known_already_stays() -> None:
    processes = learnt(happened(5, "exec", 50, 1, "new"))
    processes.add_running(running((1, 0, "init"), (50, 1, "old")))
    (answer,) = told(processes, (9, 50, 1))
    assert answer["exe"] == "/bin/new"
    assert [one["comm"] for one in answer["ancestors"]] == ["init"]


def test_a_circle_of_parents_is_not_followed() -> None:
    processes = learnt(happened(5, "exec", 50, 51, "a"), happened(6, "exec", 51, 50, "b"))
    processes.add_running(running((50, 51, "a"), (51, 50, "b")))
    assert [[one["pid"] for one in row["ancestors"]] for row in told(processes, (9, 50, 51), (9, 51, 50))] == [[], [50]]


def test_the_dead_are_forgotten_and_their_children_go_to_their_parent() -> None:
    processes = Processes()
    processes.add_running(running((1, 0, "init"), (40, 1, "sh")))
    learnt(
        happened(1 * S, "fork", 50, 40, "sh"),
        happened(2 * S, "fork", 51, 50, "sh"),
        happened(3 * S, "exit", 50, 40, "sh"),
        processes=processes,
    )
    asked = (90 * S, 51, 1)
    assert [one["pid"] for one in told(processes, asked)[0]["ancestors"]] == [50, 40, 1]
    learnt(happened(62 * S, "exec", 60, 40, "ls"), processes=processes)
    assert processes.count == 5
    learnt(happened(64 * S, "exec", 60, 40, "ls"), processes=processes)
    assert processes.count == 4
    assert [one["pid"] for one in told(processes, asked)[0]["ancestors"]] == [40, 1]
    assert processes.evicted == 0


def test_a_chain_of_the_dead_does_not_grow() -> None:
    processes = learnt(happened(0, "exec", 2, 1, "sh"), processes=Processes(remember_ns=S))
    for number in range(2, 500):
        learnt(
            happened(number * S, "fork", number + 1, number),
            happened(number * S + 1, "exit", number, number - 1),
            processes=processes,
        )
    assert processes.count < 5
    last, _ = processes.at(500, 900 * S)
    hops = 0
    while last is not None:
        last, hops = last.parent, hops + 1
    assert hops < 5


def test_room_is_made_of_the_dead_first() -> None:
    processes = Processes(most=3)
    processes.add_running(running((1, 0, "init"), (2, 1, "a"), (3, 1, "b")))
    learnt(happened(1, "exit", 2, 1), happened(2, "fork", 4, 3), processes=processes)
    assert (processes.count, processes.evicted) == (3, 1)
    assert [one["exe"] for one in told(processes, (9, 3, 1), (9, 4, 3))] == ["/bin/b", "/bin/b"]
    learnt(happened(3, "fork", 5, 3), processes=processes)
    assert (processes.count, processes.evicted) == (3, 2)


def test_those_that_no_exec_told_of_are_bounded_too() -> None:
    processes = Processes(most=10)
    told(processes, *((5, pid, 1) for pid in range(2, 100)))
    assert (processes.count, processes.evicted) == (10, 88)


def test_a_process_that_renames_itself() -> None:
    processes = learnt(
        happened(1, "exec", 50, 1, "sh"),
        happened(2, "comm", 50, 1, "kworker"),
        happened(3, "comm", 50, 1, "thread", tid=51),
    )
    answers = told(processes, (1, 60, 50), (9, 60, 50))
    assert [(one["parent_comm"], one["parent_exe"]) for one in answers] == [("sh", "/bin/sh"), ("kworker", "/bin/sh")]


def test_columns_that_are_there_stay_and_missing_arguments_are_filled() -> None:
    rows = [
        happened(5, "exec", 50, 1, "sh", parent_comm="kernel's"),
        happened(6, "credentials", 50, 1, "sh", parent_comm="kernel's"),
    ]
    given_batch = batch("process", PROCESS, rows)
    processes = Processes()
    answer = Context(processes).handle(processes.handle(given_batch))
    assert answer.frame["args"].to_list() == [["sh", "-x"]] * 2
    assert answer.frame["parent_comm"].to_list() == ["kernel's"] * 2
    assert answer.frame["exe"].to_list() == ["/bin/sh"] * 2
    names = [column.name for column in answer.schema]
    assert names[names.index("comm") + 1 :][:5] == ["exe", "exe_outside", "parent_exe", "parent_args", "ancestors"]
    assert len(names) == len(set(names))


def lines(processes: Processes, pid: int) -> list[int]:
    """Who started a process, by pid."""
    process, _ = processes.at(pid, 100 * S)
    return [] if process is None else [one.pid for one in process.lineage()]


def test_who_started_whom_is_known_after_a_restart() -> None:
    """A process left by its parent: the kernel names its first process, the table the one that really was it."""
    before = Processes()
    before.add_running(running((1, 0, "init"), (10, 1, "sshd"), (20, 10, "sh"), (30, 20, "nohup")))
    learnt(happened(10 * S, "fork", 40, 30), happened(11 * S, "exit", 30, 20), processes=before)
    learnt(happened(80 * S, "exit", 20, 1), happened(90 * S, "exit", 99, 1), processes=before)
    state = read_lineage(json.loads(json.dumps(before.state())))
    now = pl.concat([running((1, 0, "init"), (10, 1, "sshd")), running((40, 1, "nohup"), start_ns=10 * S + 5 * MS)])
    after, fresh = Processes(), Processes()
    after.add_running(now, state)
    fresh.add_running(now)
    assert lines(after, 40) == [10, 1]
    assert lines(fresh, 40) == [1]


def test_another_process_with_the_same_pid_has_no_such_parent() -> None:
    before = Processes()
    before.add_running(running((1, 0, "init"), (10, 1, "sh"), (20, 10, "x")))
    after = Processes()
    now = pl.concat([running((1, 0, "init"), (10, 1, "sh")), running((20, 1, "y"), start_ns=50 * S)])
    after.add_running(now, read_lineage(before.state()))
    assert lines(after, 20) == [1]


@pytest.mark.parametrize("rows", [[[1, 2, 0]], [[1, 2, -1]], [["1", 2, None]], [[1, 2]], [[1, 2, None], [2, 3, 1]], 5])
def test_a_damaged_table_is_refused(rows: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        read_lineage(rows)
