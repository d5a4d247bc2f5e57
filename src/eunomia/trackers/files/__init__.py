"""Files: what each process reads, writes, opens, deletes and renames."""

from collections.abc import Mapping, Sequence

from eunomia.host.roots import Roots
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Schema
from eunomia.trackers.declaration import Hook, Option, Options, Tracker
from eunomia.trackers.files.metrics import METRICS
from eunomia.trackers.files.reads import check_name, table
from eunomia.trackers.paths import check_pattern

_SORTS = (
    *("bytes", "opens", "reads", "read_bytes", "writes", "write_bytes"),
    *("deletes", "renames", "errors", "latency", "path"),
)
_EVENTS = (
    *("open", "create", "unlink", "rmdir", "rename", "link"),
    *("symlink", "mkdir", "mknod", "chmod", "chown", "truncate"),
)
_SUBMITTED = ("open", "create", "unlink", "rmdir", "rename", "link", "symlink", "mkdir", "truncate")


def _interval(options: Options) -> float | None:
    return None if options["events"] else options["interval"]


def _settings(options: Options) -> Mapping[str, int | bytes]:
    return {"all_reads": options["reads"] and not options["reads_of"], **table(options["reads_of"])}


def _handlers(options: Options, schema: Schema, _roots: Roots) -> Sequence[Handler]:
    if not options["events"]:
        return ()
    from eunomia.trackers.files.calls import Calls

    return (Calls(options, schema),)


def _fold(options: Options, schema: Schema, _roots: Roots) -> Sequence[Handler]:
    from eunomia.pipeline.selecting import Chosen, Top
    from eunomia.trackers.files.rows import Rows
    from eunomia.trackers.paths import chosen

    rows = Rows(options, schema)
    steps: list[Handler] = [rows]
    condition = chosen(options["include"], options["exclude"], ("path", "host_path"))
    if condition is not None:
        steps.append(Chosen(condition))
    if options["top"]:
        steps.append(Top(options["top"]))
    if options["latency"]:
        from eunomia.trackers.files.histograms import Histograms

        steps.append(Histograms(rows.columns(schema)))
    return steps


TRACKER = Tracker(
    description="files read, written, opened, deleted and renamed: counts and bytes, or each call with its path",
    hooks=(
        Hook(
            "calls",
            "a system call on a file returns, and is counted",
            (("count_btf",), ("count_raw",)),
            lambda options: not options["events"] and not options["latency"],
            counts=True,
        ),
        Hook(
            "timed",
            "such a call begins, so that it is known how long it took, and returns",
            (("begin_btf", "count_btf"), ("begin_raw", "count_raw")),
            lambda options: not options["events"] and options["latency"],
            counts=True,
        ),
        Hook(
            "events",
            "a call that opens, makes, deletes, renames or changes a file returns, and is reported",
            (("report_btf",), ("report_raw",)),
            lambda options: options["events"],
            events=_EVENTS,
        ),
        Hook(
            "submitted",
            "such a call is asked of io_uring, and is done",
            (("submit_req", "uring_done", "uring_wait"), ("submit_sqe", "uring_done", "uring_wait")),
            lambda options: options["events"],
            events=_SUBMITTED,
            optional=True,
        ),
        Hook(
            "cancelled",
            "a chain of what is asked of io_uring breaks, and the rest of it is not done",
            (("uring_fail_link",),),
            lambda options: options["events"],
            events=_SUBMITTED,
            optional=True,
        ),
        Hook(
            "unanswered",
            "io_uring has no room to say what became of such a call",
            (("uring_overflow",),),
            lambda options: options["events"],
            events=_SUBMITTED,
            optional=True,
        ),
    ),
    options=(
        Option("interval", 1.0, "how often what was counted is shown", "SECONDS", minimum=0.1),
        Option("sort", "bytes", "order of an interval's rows, the most first", "COLUMN", choices=_SORTS),
        Option("top", 0, "only so many rows of an interval, the first ones; 0 shows all", "ROWS"),
        Option("include", (), "only paths that match: * for anything, also slashes", "GLOB,…", check=check_pattern),
        Option("exclude", (), "no paths that match", "GLOB,…", check=check_pattern),
        Option("latency", False, "measure how long the counted calls take (a second hook)", constant="latency"),
        Option("events", False, "report each call that opens, makes, deletes, renames or changes a file"),
        Option("failed", True, "with --events: report calls that failed, too", constant="failed"),
        Option("reads", True, "with --events: report opens that only read, too"),
        Option(
            "reads-of",
            (),
            "with --events: of opens that only read, those alone of files with one of these names, without a path",
            "NAME,…",
            check=check_name,
        ),
    ),
    table=("time", "event", "container", "pid", "comm", "result", "flags", "path", "new_path"),
    totals_table=(
        *("time", "container", "pid", "comm", "opens", "reads", "read_bytes", "writes", "write_bytes"),
        *("deletes", "renames", "total_latency", "max_latency", "path"),
    ),
    handlers=_handlers,
    interval=_interval,
    apart=(*(("events", name) for name in ("top", "sort", "latency", "interval")), ("reads", "reads_of")),
    needs={"failed": "events", "reads": "events", "reads_of": "events"},
    settings=_settings,
    fold=_fold,
    shown_with={"total_latency": "latency", "max_latency": "latency"},
    metrics=METRICS,
)
