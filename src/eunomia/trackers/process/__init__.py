"""Processes: what was started with which arguments, and how it ended."""

from collections.abc import Sequence

from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Schema
from eunomia.trackers.declaration import Hook, Option, Options, Tracker

_MS = 1_000_000


def _every_kind(options: Options) -> bool:
    return not options["min_duration"]


def _handlers(options: Options, schema: Schema, roots: Roots) -> Sequence[Handler]:
    if not options["tree"]:
        return ()
    from eunomia.trackers.process.tree import Tree

    return (Tree(schema, roots),)


TRACKER = Tracker(
    description="processes started and ended: file, arguments, exit code, signal, duration",
    hooks=(
        Hook("exec", "a process runs a program", (("exec_btf",), ("exec_raw",)), _every_kind),
        Hook(
            "exec_failed",
            "a program could not be run",
            (
                ("execve_enter", "execve_exit", "execveat_enter", "execveat_exit"),
                ("sys_exit_btf",),
                ("sys_exit_raw",),
            ),
            lambda options: options["failed"] and _every_kind(options),
        ),
        Hook(
            "fork",
            "a process makes another",
            (("fork_btf",), ("fork_raw",)),
            lambda options: options["forks"] and _every_kind(options),
        ),
        Hook("exit", "a process ends", (("exit_btf",), ("exit_raw",)), lambda options: options["exits"]),
    ),
    options=(
        Option("exits", True, "report processes that end"),
        Option("forks", False, "report processes that are made (fork, vfork, clone; not threads)"),
        Option("failed", False, "report programs that could not be run, with the reason"),
        Option(
            "min-duration",
            0.0,
            "report only the end of processes that lived at least so long",
            "MS",
            "min_duration_ns",
            _MS,
        ),
        Option("tree", False, "show each process below its parent"),
    ),
    table=(
        "time",
        "event",
        "container",
        "pid",
        "ppid",
        "uid",
        "comm",
        "duration",
        "result",
        "args",
    ),
    handlers=_handlers,
)
