"""Processes: what was started with which arguments, how it ended, and what it changed about itself."""

from collections.abc import Mapping, Sequence

from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Schema
from eunomia.trackers.declaration import Hook, Option, Options, Tracker
from eunomia.trackers.process.metrics import METRICS

_MS = 1_000_000
_EXPLAINED = ("credentials", "namespaces", "comms")
"""The options whose events `change` puts into words."""


def _every_kind(options: Options) -> bool:
    return not options["min_duration"]


def _reports_changes(options: Options) -> bool:
    return _every_kind(options) and (options["credentials"] or options["namespaces"])


def _settings(options: Options) -> Mapping[str, int]:
    return {"changes_failed": options["failed"], "fork_namespaces": options["namespaces"]}


def _handlers(options: Options, schema: Schema, roots: Roots) -> Sequence[Handler]:
    handlers: list[Handler] = []
    if any(options[name] for name in _EXPLAINED):
        from eunomia.trackers.process.change import Change

        handlers.append(Change())
    if options["tree"]:
        from eunomia.trackers.process.tree import Tree

        handlers.append(Tree(handlers[-1].columns(schema) if handlers else schema, roots))
    return handlers


_CALLS = (
    ("changes_enter_btf", "changes_exec_btf", "changes_exit_btf"),
    ("changes_enter_raw", "changes_exec_raw", "changes_exit_raw"),
)

TRACKER = Tracker(
    description="processes started and ended: file, arguments, exit code, signal, duration, what they change",
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
            lambda options: (options["failed"] or options["failed_execs"]) and _every_kind(options),
        ),
        Hook(
            "fork",
            "a process makes another",
            (("fork_btf",), ("fork_raw",)),
            lambda options: (options["forks"] or options["namespaces"]) and _every_kind(options),
        ),
        Hook("exit", "a process ends", (("exit_btf",), ("exit_raw",)), lambda options: options["exits"]),
        Hook(
            "changes",
            "a process has got other credentials or namespaces",
            (("credentials_fentry", "namespaces_fentry"), ("credentials_kprobe", "namespaces_kprobe"), *_CALLS),
            lambda options: _reports_changes(options) and not options["failed"],
            ("credentials", "namespace"),
        ),
        Hook(
            "changes_or_not",
            "a call for other credentials or namespaces returns",
            _CALLS,
            lambda options: _reports_changes(options) and options["failed"],
            ("credentials", "namespace"),
        ),
        Hook(
            "comm",
            "a thread gets another name",
            (("comm_btf",), ("comm_raw",)),
            lambda options: options["comms"] and _every_kind(options),
        ),
    ),
    options=(
        Option("exits", True, "report processes that end"),
        Option("forks", False, "report processes that are made (fork, vfork, clone; not threads)", constant="forks"),
        Option("failed", False, "report programs that could not be run, and changes refused, with the reason"),
        Option("failed-execs", False, "report programs that could not be run, with the reason, but no changes refused"),
        Option(
            "credentials", False, "report changes of user, group and capabilities, also by exec", constant="credentials"
        ),
        Option("namespaces", False, "report processes that enter other namespaces", constant="namespaces"),
        Option("comms", False, "report threads that rename themselves"),
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
        "change",
        "args",
    ),
    shown_with={"change": _EXPLAINED},
    handlers=_handlers,
    settings=_settings,
    metrics=METRICS,
    metrics_options={"failed_execs": True},
    adds=("forks", "failed_execs", "credentials", "namespaces", "comms"),
)
