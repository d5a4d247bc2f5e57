"""What else a workload was seen to do, as other trackers tell: paths written and used, users, rights gained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import polars as pl

from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Batch
from eunomia.schema.capabilities import NAMES

SUBJECTS = {
    "calls": ("which system calls it made", "usage"),
    "capabilities": ("which capabilities it needs", "capable"),
    "needs": ("which of those asked for were needed, and not just the runtime's", "capable --needs"),
    "users": ("which users it ran as", "process"),
    "gains": ("whether a program gained rights by being run", "process --credentials"),
    "writes": ("where it writes", "files"),
    "changes": ("what it makes, renames or gives away, besides what it reads and writes", "files --events"),
    "uses": ("which devices and mounts it uses", "files"),
    "sockets": ("which Unix sockets it makes or connects to", "ipc"),
}
"""What may be known of a container -> what that is in words, and the tracker that sees it."""


def seen_by(tracker: str, options: Mapping[str, Any]) -> frozenset[str]:
    """The subjects that a tracker sees, run with these options."""
    if tracker == "process":
        return frozenset(("users", *(("gains",) if options.get("credentials") else ())))
    if tracker == "files" and not options.get("include") and not options.get("exclude"):
        if not options.get("events"):
            return frozenset(("uses", "writes"))
        reads = options.get("reads", True) and not options.get("reads_of")
        return frozenset(("writes", "changes", *(("uses",) if reads else ())))
    if tracker == "ipc" and not options.get("interval") and "unix" in (options.get("kinds") or ("unix",)):
        return frozenset(("sockets",))
    if tracker == "capable":
        needs = ("needs",) if options.get("needs") else ()
        return frozenset() if options.get("denied") else frozenset(("capabilities", *needs))
    return frozenset(("calls",)) if tracker == "usage" else frozenset()


FACTS = pl.Schema(
    {"container_id": pl.String, "kind": pl.String, "place": pl.String, "example": pl.String, "times": pl.UInt64}
)
"""What is kept. `kind` is one of

write: a directory in which a name or a file was written; made: a directory; own: what got another owner or mode;
use: a directory of which a file was opened, or a device; opened, wrote: a file; exec: a program; user: UID:GID;
userns: a user namespace; named: what a program of its own is called, where that is also a runtime's name;
gain: a program that gave its process more rights; refused: a path on a read-only file system.
"""
MOST = 20_000
"""Facts of a kind that are kept at most, the first ones."""
RUNTIME_COMMS = r"^(runc|crun|youki|conmon|exe)(:.*)?$"
"""Names of the runtime's own processes inside a container's cgroup, before they run its program."""
ANYBODYS = r"^(runc|crun|youki|conmon|exe)$"
"""Those that a program of the container's own may have as well: what they do counts once it was seen to run one.

Facts of them are kept apart, KIND@NAME, since a batch that tells of the program's start may come later.
"""
_MAKES = ("create", "unlink", "rmdir", "rename", "link", "symlink", "mknod", "truncate")
_WRITES = r"O_WRONLY|O_RDWR|O_TRUNC|O_CREAT|O_TMPFILE"


@dataclass(frozen=True)
class Activity:
    """What one container was seen to do. Paths are those that it sees itself.

    Attributes:
        seen: the subjects that were watched; the others are not known.
        written: directories in which something was made, written or deleted -> one such path.
        made: directories that were made.
        changed: directories and files that got another owner or mode.
        used: directories of which a file was opened, and devices -> one such path.
        files: what it opened or connected to, and, of those, what it wrote.
        programs: paths of what it ran.
        users: (uid, gid) that it ran as: as the host sees them, or, for a recommendation, as the container does; None
            where these are not known.
        user_namespaces: inode numbers of those that its programs were run in.
        gained: programs that gave their process more rights than it had.
        refused: paths that could not be written since their file system is read-only.
    """

    seen: frozenset[str] = frozenset()
    written: Mapping[str, str] = field(default_factory=dict)
    made: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    used: Mapping[str, str] = field(default_factory=dict)
    files: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    programs: frozenset[str] = frozenset()
    users: frozenset[tuple[int, int]] | None = frozenset()
    user_namespaces: frozenset[int] = frozenset()
    gained: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()

    def is_used(self, path: str) -> bool:
        """Whether something at or below a path was opened, written, run or connected to; True where that is unsure."""
        opened, _ = self.files
        if path in opened or any(is_below(one, path) for one in (*self.used, *self.programs)):
            return True
        return self.is_written(path) or (len(opened) >= MOST and parent(path) in self.used)

    def is_written(self, path: str) -> bool:
        """Whether something at or below a path was written; True where that is unsure."""
        _, wrote = self.files
        if path in wrote or any(is_below(one, path) for one in (*self.written, *self.made, *self.changed)):
            return True
        return len(wrote) >= MOST and parent(path) in self.written


def parent(path: str) -> str:
    """The directory that a path is in."""
    return path.rpartition("/")[0] or "/"


def is_below(path: str, directory: str) -> bool:
    """Whether a path is a directory or in it."""
    return path == directory or path.startswith(f"{directory.rstrip('/')}/")


class Activities:
    """Takes batches of process, files and ipc, live or from a record, and keeps what matters of each container.

    Batches of different trackers may come on different threads.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._facts = pl.DataFrame(schema=FACTS)
        self._seen: set[str] = set()

    def watches(self, tracker: str, options: Mapping[str, Any]) -> None:
        """Notes that a tracker watches with these options; nothing may ever come from it."""
        self._seen |= seen_by(tracker, options)

    def sink(self, tracker: str, options: Mapping[str, Any]) -> Handler:
        """An end for the chain of a tracker that watches with these options, whatever its instance is called."""
        self.watches(tracker, options)
        return _Sink(self, tracker)

    def take(self, tracker: str, batch: Batch) -> None:
        """Keeps what a tracker's batch says."""
        facts = [one.select(FACTS.names()).cast(FACTS) for one in _facts(tracker, batch)]
        if facts:
            with self._lock:
                rows = pl.concat([self._facts, *facts])
                self._facts = (
                    rows.group_by("container_id", "kind", "place", maintain_order=True)
                    .agg(pl.col("example").first(), pl.col("times").sum())
                    .select(FACTS.names())
                    .filter(pl.int_range(pl.len()).over("kind") < MOST)
                )

    @property
    def named(self) -> frozenset[str]:
        """Names of containers' own programs that are also a runtime's."""
        return frozenset(self._facts.filter(kind="named")["place"].unique())

    @property
    def containers(self) -> frozenset[str]:
        """Ids of those that something is known of."""
        return frozenset(self._facts["container_id"].drop_nulls().unique())

    def of(self, container_ids: Iterable[str]) -> Activity:
        """What some containers together did, by the ids that batches have."""
        rows = _settled(self._facts.filter(pl.col("container_id").is_in(list(container_ids))))

        def all_of(kind: str) -> dict[str, str]:
            return dict(rows.filter(kind=kind).sort("place").select("place", "example").iter_rows())

        users = (one.split(":") for one in all_of("user"))
        return Activity(
            seen=frozenset(self._seen),
            written=all_of("write"),
            made=frozenset(all_of("made")),
            changed=frozenset(all_of("own")),
            used=all_of("use"),
            files=(frozenset(all_of("opened")), frozenset(all_of("wrote"))),
            programs=frozenset(all_of("exec")),
            users=frozenset((int(uid), int(gid)) for uid, gid in users),
            user_namespaces=frozenset(map(int, all_of("userns"))),
            gained=frozenset(all_of("gain")),
            refused=frozenset(all_of("refused")),
        )


class _Sink(Handler):
    """Hands every batch over."""

    def __init__(self, activities: Activities, tracker: str) -> None:
        self._activities = activities
        self._tracker = tracker

    def handle(self, batch: Batch) -> Batch:
        self._activities.take(self._tracker, batch)
        return batch


def _facts(tracker: str, batch: Batch) -> list[pl.DataFrame]:
    """The facts in a batch; several frames, since a rename is two of them."""
    if "container_id" not in batch.schema:
        return []
    frame = batch.frame.filter(pl.col("container_id").is_not_null())
    single = "event" in batch.schema  # else counted; a record may have both
    started = _of_starts(frame) if tracker == "process" else []
    own = frame.filter(~pl.col("comm").str.contains(RUNTIME_COMMS).fill_null(False))
    facts = [*started, *_of_workload(tracker, batch, own, single=single)]
    unsure = frame.filter(pl.col("comm").str.contains(ANYBODYS).fill_null(False))
    for (comm,), rows in unsure.group_by("comm"):
        apart = pl.concat_str("kind", pl.lit(f"@{comm}")).alias("kind")
        facts += [one.with_columns(apart) for one in _of_workload(tracker, batch, rows, single=single)]
    return facts


def _settled(rows: pl.DataFrame) -> pl.DataFrame:
    """With what is the container's own of the facts that were kept apart, and without the rest of them."""
    name = pl.col("kind").str.extract("@(.*)$")
    names = rows.filter(kind="named").select("container_id", name="place").unique()
    own = rows.with_columns(name=name).join(names, on=("container_id", "name"), how="semi")
    settled = pl.concat([rows.filter(name.is_null()), own.select(FACTS.names())])
    return settled.with_columns(pl.col("kind").str.replace("@.*$", ""))


def _of_workload(tracker: str, batch: Batch, own: pl.DataFrame, *, single: bool) -> list[pl.DataFrame]:
    if tracker == "process":
        return _of_credentials(own)
    if tracker == "files":
        counted = own.filter(pl.col("event").is_null()) if single else own
        calls = _of_calls(own.filter(pl.col("event").is_not_null())) if single else []
        return [*calls, *(_of_counts(counted) if "opens" in batch.schema else [])]
    return _of_sockets(own) if tracker == "ipc" and single else []


def _gathered(rows: pl.DataFrame, kind: str, place: pl.Expr, example: pl.Expr | None = None) -> pl.DataFrame:
    told = place if example is None else example
    named = rows.select("container_id", pl.lit(kind).alias("kind"), place.alias("place"), told.alias("e"))
    return (
        named.drop_nulls("place")
        .filter(pl.col("place") != "")
        .group_by("container_id", "kind", "place", maintain_order=True)
        .agg(pl.col("e").first().alias("example"), pl.len().cast(pl.UInt64).alias("times"))
    )


def _directory(path: str) -> pl.Expr:
    """The directory that a path is in."""
    parent = pl.col(path).str.replace(r"/[^/]*$", "")
    return pl.when(pl.col(path).str.starts_with("/")).then(pl.when(parent == "").then(pl.lit("/")).otherwise(parent))


def _used(path: str) -> pl.Expr:
    """Devices by themselves, all else by its directory."""
    return pl.when(pl.col(path).str.starts_with("/dev/")).then(pl.col(path)).otherwise(_directory(path))


def _of_calls(frame: pl.DataFrame) -> list[pl.DataFrame]:
    event = pl.col("event").cast(pl.String)
    done = frame.filter(pl.col("error").is_null())
    opens = event.is_in(("open", "create"))
    writes = event.is_in(_MAKES) | (opens & pl.col("flags").str.contains(_WRITES))
    moved = done.filter(event.is_in(("rename", "link", "symlink")))
    refused = frame.filter(pl.col("error").cast(pl.String) == "EROFS")
    return [
        _gathered(done.filter(writes & (event != "symlink")), "write", _directory("path"), pl.col("path")),
        _gathered(moved, "write", _directory("new_path"), pl.col("new_path")),
        _gathered(done.filter(event == "mkdir"), "made", pl.col("path")),
        _gathered(done.filter(event.is_in(("chmod", "chown"))), "own", pl.col("path")),
        _gathered(done.filter(opens), "use", _used("path"), pl.col("path")),
        _gathered(done.filter(opens), "opened", pl.col("path")),
        _gathered(done.filter(writes & (event != "symlink")), "wrote", pl.col("path")),
        _gathered(refused, "refused", pl.col("path")),
    ]


def _of_counts(frame: pl.DataFrame) -> list[pl.DataFrame]:
    changed = pl.sum_horizontal("writes", "deletes", "renames") > 0
    return [
        _gathered(frame.filter(changed), "write", _directory("path"), pl.col("path")),
        _gathered(frame.filter(changed), "wrote", pl.col("path")),
        _gathered(frame, "use", _used("path"), pl.col("path")),
        _gathered(frame, "opened", pl.col("path")),
    ]


def _of_starts(frame: pl.DataFrame) -> list[pl.DataFrame]:
    """Of programs that were run, whatever they are called."""
    event = pl.col("event").cast(pl.String)
    ran = frame.filter(event == "exec")
    facts = [
        _gathered(ran, "exec", pl.col("executable")),
        _gathered(ran, "user", pl.format("{}:{}", "uid", "gid"), pl.col("executable")),
    ]
    if "user_ns" in frame.columns:
        started = frame.filter(event.is_in(("exec", "credentials")))
        facts.append(_gathered(started, "userns", pl.col("user_ns").cast(pl.String)))
    if _ORIGIN.issubset(frame.columns):  # a runtime runs itself before it is inside, or as a copy in memory
        files = ~pl.col("exe_on_host") & ~pl.col("exe_memfd") & ~pl.col("exe_deleted")
        inside = files & (pl.col("pid_ns") != _PID_NS_INIT)
        named = ran.filter(inside.fill_null(False) & pl.col("comm").str.contains(ANYBODYS).fill_null(False))
        facts.append(_gathered(named, "named", pl.col("comm"), pl.col("executable")))
    return facts


_ORIGIN = frozenset(("exe_on_host", "exe_memfd", "exe_deleted", "pid_ns"))
_PID_NS_INIT = 4026531836
"""The machine's first PID namespace, the same everywhere (include/linux/proc_ns.h)."""


def _of_credentials(own: pl.DataFrame) -> list[pl.DataFrame]:
    changed = own.filter((pl.col("event").cast(pl.String) == "credentials") & pl.col("error").is_null())
    return [
        _gathered(changed, "user", pl.format("{}:{}", "uid", "gid"), pl.col("comm")),
        _gathered(changed.filter(_GAINS), "gain", pl.col("comm")),
    ]


_RAISED = pl.col("euid") != pl.col("old_euid")
_MORE = pl.col("permitted") & (pl.col("permitted") ^ pl.col("old_permitted")) > 0
_MAY_SETUID = pl.col("old_permitted") & (1 << NAMES.index("CAP_SETUID")) > 0
# Where functions of the kernel are hooked the call is not known. Without CAP_SETUID an exec is the likely way to
# another user, and to capabilities that were not permitted it is nearly the only one.
_GAINS = (
    pl.when(pl.col("syscall").is_null())
    .then(_MORE | (_RAISED & ~_MAY_SETUID))
    .otherwise(pl.col("syscall").cast(pl.String).is_in(("execve", "execveat")) & (_RAISED | _MORE))
)


def _of_sockets(frame: pl.DataFrame) -> list[pl.DataFrame]:
    event = pl.col("event").cast(pl.String)
    named = frame.filter(pl.col("name").str.starts_with("/"))
    return [
        _gathered(named.filter(event == "unix_bind"), "write", _directory("name"), pl.col("name")),
        _gathered(named.filter(event == "unix_connect"), "opened", pl.col("name")),
        _gathered(named.filter(event == "unix_connect"), "use", _directory("name"), pl.col("name")),
    ]
