"""The default rules: whether each is whole and has its page, and what the conditions of some make of events."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from eunomia.configfile.columns import rule_schemas
from eunomia.detect.compile import compile_condition
from eunomia.detect.engine import Detector
from eunomia.detect.fields import Fields
from eunomia.detect.loading import load
from eunomia.detect.needs import needs, reads_everything
from eunomia.detect.rule import Level, Rule, RuleSet
from eunomia.schema.batch import Batch
from tests.detect.rule_pages import INDEX, OURS, PAGES, index, page, rules, with_rule
from tests.detect.schemas import all_columns, frame_of, with_context

NAMES = sorted(rules())
FEWEST = 45
NAMES_IN_KERNEL = 256
Event = dict[str, Any]

BUSYBOX = {"comm": "cat", "exe": "/bin/busybox"}
DPKG = {"comm": "dpkg", "exe": "/usr/bin/dpkg"}
RUNC = {"comm": "runc:[2:INIT]", "exe": "/usr/bin/runc", "exe_outside": True}
LOST = {"comm": "runc:[2:INIT]", "exe": None, "exe_outside": None}
"""A runtime's process of which nobody knows what it runs, since events were lost."""
SHIM = {**RUNC, "exe": "/usr/bin/containerd-shim-runc-v2"}
"""One that seems to run what its parent does, since its own start was lost."""
OWN_RUNC = {**RUNC, "exe_outside": False}
POSTINST = {"comm": "sh", "exe": "/usr/bin/dash", "ancestors": [{"pid": 7, "comm": "x", "exe": "/usr/bin/dpkg"}]}
USER = {"old_uid": 1000, "old_euid": 1000, "old_suid": 1000, "uid": 1000}


@cache
def checked() -> RuleSet:
    """The rules, each name in them held against the trackers' columns."""
    return load([], schemas=rule_schemas())


def found(rule: Rule, event: str, row: Event) -> bool:
    """Whether a rule's condition is true of an event."""
    tracker, _, name = event.partition(".")
    assert (tracker, name) in rule.step.on
    schema = with_context()[tracker]
    usual = {"container_id": "0123456789ab", "event": name, **BUSYBOX}
    if tracker == "process" and name == "exec":
        usual |= {"executable": row.get("exe", "/bin/busybox")}
    expression = compile_condition(rule.step.condition, Fields(tracker, schema, all_columns()))
    return bool(frame_of(schema, {**usual, **row}).select(expression).item())


def test_they_are_right_and_enough() -> None:
    assert checked().warnings == ()
    assert len(checked().rules) >= FEWEST


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_a_person_needs(name: str) -> None:
    rule = rules()[name]
    assert rule.description and rule.advice and rule.output and rule.step.on
    assert any(tag.startswith("T1") for tag in rule.tags), "a MITRE ATT&CK technique"
    assert "%container.name" in rule.output, "where it happened"


@pytest.mark.parametrize("name", NAMES)
def test_each_has_its_page(name: str) -> None:
    text = page(rules()[name]).read_text()
    assert with_rule(text, rules()[name]) == text, "write it anew with: .venv/bin/python -m tests.detect.rule_pages"
    assert text.partition(OURS)[2].strip(), "what is known of false positives"


def test_there_are_no_other_pages() -> None:
    assert {path.name for path in PAGES.iterdir()} == {INDEX.name, *(page(rule).name for rule in rules().values())}
    assert INDEX.read_text() == index(), "write it anew with: .venv/bin/python -m tests.detect.rule_pages"


def test_reading_is_watched_for_some_names_only() -> None:
    assert reads_everything(rules_set := checked()) == ()
    assert len(needs(rules_set)["files"]["reads_of"]) <= NAMES_IN_KERNEL


def write(path: str, **more: Any) -> Event:
    return {"path": path, "flags": "O_WRONLY|O_CLOEXEC", **more}


def read(path: str, **more: Any) -> Event:
    return {"path": path, "name": path, "flags": "O_RDONLY", **more}


@pytest.mark.parametrize(
    ("name", "event", "row"),
    [
        ("Release agent written", "files.open", write("/mnt/x/release_agent")),
        ("Release agent written", "files.open", write("/mnt/release_agent", error="EACCES")),
        ("Core pattern written", "files.open", write("/host/proc/sys/kernel/core_pattern", error="EROFS")),
        ("Core pattern written", "files.open", write("/proc/sys/kernel/core_pattern", **OWN_RUNC)),
        ("Core pattern written", "files.open", write("/proc/sys/kernel/core_pattern", **{**RUNC, "exe_outside": None})),
        ("Namespace joined", "sensitive.setns", {"text": "mnt", "flags": "0", "exe": None}),
        ("Root directory exchanged", "sensitive.pivot_root", {"path": "/", **OWN_RUNC}),
        ("Root directory exchanged", "sensitive.pivot_root", {"path": "/", **SHIM, "exe_outside": False}),
        ("SysRq key pressed", "files.open", write("/proc/sysrq-trigger", flags="O_RDWR")),
        ("Block device made", "files.mknod", {"path": "/tmp/x", "mode": "60600"}),
        ("Raw disk opened", "files.open", read("/dev/vda1")),
        ("Raw disk opened", "files.open", write("/dev/nvme3n1p2")),
        ("Disk mounted", "sensitive.mount", {"path2": "/dev/vda1", "text": "ext4", "flags": "0"}),
        ("Control groups mounted", "sensitive.mount", {"path2": "none", "text": "cgroup", "flags": "MS_RDONLY"}),
        ("File system mounted", "sensitive.mount", {"path2": "/a", "flags": "MS_BIND|MS_REC"}),
        (
            "Runtime socket used",
            "ipc.unix_connect",
            {"name": "/x", "peer_comm": "dockerd", "peer_container_id": "host"},
        ),
        ("Runtime socket used", "ipc.unix_connect", {"name": "/var/run/docker.sock"}),
        ("Runtime socket used", "ipc.unix_connect", {"name": "/x", "bound_name": "/run/docker.sock"}),
        ("Container runtime overwritten", "files.open", write("/usr/bin/runc", name="/proc/self/fd/4")),
        ("Root of another process used", "files.open", read("/etc/shadow", name="/proc/1/root/etc/shadow")),
        ("Root of another process used", "files.open", write("/tmp/x", name="x", foreign=True)),
        ("Root of another process used", "files.unlink", {"path": "/tmp/x", "name": "x", "foreign": True}),
        ("Module loaded from a container", "sensitive.finit_module", {"path": "/x.ko", "error": "EPERM"}),
        ("Module loaded on the host", "sensitive.finit_module", {"path": "/x.ko", "container_id": "host"}),
        ("Namespace joined", "sensitive.setns", {"comm": "runc:[2:INIT]", "text": "net", "flags": "0"}),
        ("Program run from memory", "process.exec", {"exe": "/memfd:x", "exe_memfd": True}),
        ("Program run that is not of the image", "process.exec", {"exe": "/opt/x", "exe_upper_layer": True}),
        ("Reverse shell", "process.exec", {"exe": "/bin/bash", "stdin_peer": "192.0.2.1:4444"}),
        ("Reverse shell", "process.exec", {"exe": "/t/nginx", "stdin_peer": "192.0.2.1:1", "exe_upper_layer": True}),
        ("Shell started by a server", "process.exec", {"exe": "/bin/dash", "parent_exe": "/usr/sbin/nginx"}),
        ("Shell started by a server", "process.exec", {"comm": "sh", "parent_exe": "/usr/bin/redis-server"}),
        ("Password hashes read", "files.open", read("/etc/shadow")),
        ("Password hashes read", "files.open", read("/etc/shadow", comm="sshd", exe="/tmp/sshd")),
        ("Password hashes read", "files.open", read("/etc/shadow", comm="x", exe="/usr/bin/perl", args="perl -e 1")),
        ("Private key read", "files.open", read("/home/joe/.ssh/id_ed25519")),
        ("Environment of another process read", "files.open", read("/proc/7/environ")),
        ("Code put into another process", "files.open", write("/proc/7/mem", name="/proc/7/mem")),
        ("Code put into another process", "sensitive.ptrace", {"command": "PTRACE_POKETEXT"}),
        ("Setuid bit set", "files.chmod", {"path": "/tmp/x", "mode": "4755"}),
        ("Setuid bit set", "files.create", {"path": "/tmp/x", "mode": "6711"}),
        ("Root by a setuid program", "process.credentials", {**USER, "euid": 0, "syscall": "execve", "exe": "/t/su"}),
        ("Root by a call", "process.credentials", {**USER, "euid": 0, "syscall": "setresuid", "old_permitted": 128}),
        ("Root by a call", "process.credentials", {**USER, "old_suid": 0, "euid": 0, "old_permitted": 0}),
        ("Root without a right to it", "process.credentials", {**USER, "euid": 0, "old_permitted": 0}),
        ("Schedule changed", "files.rename", {"path": "/tmp/x", "new_path": "/etc/cron.d/x"}),
        ("SSH keys admitted", "files.open", write("/root/.ssh/authorized_keys")),
        ("Library preloaded everywhere", "files.create", write("/etc/ld.so.preload", container_id="host")),
        ("Program file changed", "files.symlink", {"path": "/tmp/x", "new_path": "/usr/bin/ls"}),
        ("Log cleared", "files.open", write("/var/log/auth.log", flags="O_WRONLY|O_TRUNC", exe="/bin/bash")),
        ("Shell history removed", "files.symlink", {"path": "/dev/null", "new_path": "/root/.bash_history"}),
        ("Program poses as a kernel thread", "process.exec", {"args": ["[kworker/0:1]"], "exe": "/tmp/x"}),
        ("Packet socket opened", "sensitive.socket", {"family": "AF_PACKET", "type": "SOCK_RAW"}),
        ("Metadata service reached", "tcp.fail", {"daddr": "169.254.169.254", "dport": 80, "direction": "out"}),
        ("Files encrypted", "files.rename", {"path": "/data/a", "new_path": "/data/a.locked"}),
    ],
)
def test_attacks_are_found(name: str, event: str, row: Event) -> None:
    assert found(checked().rules[name], event, row)


@pytest.mark.parametrize(
    ("name", "event", "row"),
    [
        ("Release agent written", "files.open", write("/mnt/x/release_agent", container_id="host")),
        ("Release agent written", "files.open", read("/mnt/x/release_agent")),
        ("Core pattern written", "files.open", write("/proc/sys/kernel/core_pattern", error="ENOENT")),
        ("Kernel setting written", "files.open", write("/proc/sys/net/ipv4/ip_forward")),
        ("Kernel setting written", "files.open", write("/proc/sys/kernel/sched_rt_runtime_us", **RUNC)),
        ("Block device made", "files.mknod", {"path": "/dev/x", "mode": "20600"}),
        ("Disk mounted", "sensitive.mount", {"path2": "/dev/vda", "text": "ext4", "flags": "MS_BIND"}),
        ("Kernel file system mounted", "sensitive.mount", {"path2": "proc", "text": "proc", "flags": "0", **RUNC}),
        ("File system mounted", "sensitive.mount", {"path2": "none", "flags": "MS_REC|MS_PRIVATE"}),
        ("Runtime socket used", "ipc.unix_connect", {"name": "/run/app.sock", "peer_comm": "dockerd"}),
        ("Runtime socket used", "ipc.unix_connect", {"name": "/x", "bound_name": "/run/not-docker.sock"}),
        ("Container runtime overwritten", "files.open", read("/usr/bin/runc")),
        ("Root of another process used", "files.open", read("/x", name="/proc/1/root/x")),
        ("Root of another process used", "files.open", read("/x", name="x", foreign=True)),
        ("Root of another process used", "files.open", write("/x", name="x", foreign=False)),
        ("Namespace joined", "sensitive.setns", {"text": "mnt", "flags": "0", **RUNC}),
        ("Namespace joined", "sensitive.setns", {"text": "mnt", "flags": "0", **LOST}),
        ("Root directory exchanged", "sensitive.pivot_root", {"path": "/", **LOST}),
        ("Root directory exchanged", "sensitive.pivot_root", {"path": "/", **SHIM}),
        (
            "Root directory exchanged",
            "sensitive.pivot_root",
            {"path": "/", **RUNC, "comm": "exe", "exe": "/usr/sbin/runc"},
        ),
        ("Program run from memory", "process.exec", {"exe": "/memfd:runc_cloned:/proc/self/exe", "exe_memfd": True}),
        ("Program run that is not of the image", "process.exec", {"exe": "/x", "exe_upper_layer": True, **POSTINST}),
        ("Reverse shell", "process.exec", {"exe": "/bin/bash", "stdin": "tty"}),
        ("Shell started by a server", "process.exec", {"exe": "/bin/dash", "parent_exe": "/usr/sbin/sshd"}),
        ("Shell started by a server", "process.exec", {"comm": "date", "parent_exe": "/usr/sbin/nginx"}),
        (
            "Shell started by a server",
            "process.exec",
            {
                "comm": "sh",
                "exe": "/bin/dash",
                "parent_exe": "/usr/lib/postgresql/15/bin/postgres",
                "args": ["sh", "-c", "locale -a"],
            },
        ),
        ("Password hashes read", "files.open", read("/etc/shadow", exe="/usr/sbin/sshd")),
        ("Password hashes read", "files.open", read("/etc/shadow", error="EACCES")),
        ("Password hashes read", "files.open", read("/srv/shadow")),
        (
            "Password hashes read",
            "files.open",
            read("/etc/shadow", comm="pg_x", exe="/usr/bin/perl", args="perl -wT /usr/bin/pg_x -h"),
        ),
        ("Private key read", "files.open", read("/home/joe/.ssh/id_ed25519", exe="/usr/bin/ssh")),
        ("Environment of another process read", "files.open", read("/proc/7/environ", name="/proc/self/environ")),
        ("Code put into another process", "files.open", write("/proc/7/mem", name="/proc/self/mem")),
        ("Setuid bit set", "files.chmod", {"path": "/usr/bin/su", "mode": "4755", **DPKG}),
        ("Setuid bit set", "files.chmod", {"path": "/var/mail", "mode": "2775"}),
        ("Root by a setuid program", "process.credentials", {**USER, "euid": 0, "syscall": "execve", "exe": "/bin/su"}),
        ("Root by a call", "process.credentials", {**USER, "old_uid": 0, "euid": 0, "old_permitted": 128}),
        ("Root without a right to it", "process.credentials", {**USER, "euid": 0, "old_permitted": 128}),
        ("Root without a right to it", "process.credentials", {**USER, "old_suid": 0, "euid": 0, "old_permitted": 0}),
        ("Schedule changed", "files.rename", {"path": "/etc/cron.d/x", "new_path": "/etc/cron.d/y", **POSTINST}),
        ("Schedule changed", "files.open", read("/etc/crontab")),
        (
            "Accounts changed",
            "files.rename",
            {"path": "/etc/passwd+", "new_path": "/etc/passwd", "exe": "/usr/sbin/useradd"},
        ),
        ("Program file changed", "files.create", write("/usr/local/bin/tool")),
        ("Program file changed", "files.rename", {"path": "/usr/bin/a.dpkg-new", "new_path": "/usr/bin/a", **DPKG}),
        ("Log cleared", "files.open", write("/var/log/auth.log", flags="O_WRONLY|O_APPEND")),
        ("Log cleared", "files.truncate", {"path": "/var/log/syslog", "exe": "/usr/sbin/logrotate"}),
        (
            "Shell history removed",
            "files.open",
            write("/root/.bash_history", flags="O_WRONLY|O_TRUNC", exe="/bin/bash"),
        ),
        ("Program poses as a kernel thread", "process.exec", {"args": ["-bash"], "comm": "bash"}),
        ("Raw socket opened", "sensitive.socket", {"family": "AF_INET", "type": "SOCK_RAW", "exe": "/usr/bin/ping"}),
        ("Port scan", "tcp.connect", {"daddr": "192.0.2.1", "dport": 80, "direction": "in"}),
        ("Files encrypted", "files.rename", {"path": "/var/log/a", "new_path": "/var/log/a.1"}),
        ("Files encrypted", "files.rename", {"path": "/data/a.tmp", "new_path": "/data/a"}),
    ],
)
def test_ordinary_work_is_not(name: str, event: str, row: Event) -> None:
    assert not found(checked().rules[name], event, row)


def alerts(name: str, tracker: str, *rows: Event) -> list[tuple[str, str]]:
    """What one rule has to say of these events, a tenth of a second apart."""
    told: list[Batch] = []
    detector = Detector(RuleSet({name: checked().rules[name]}), told.append, node="here", clock=None)
    schema = with_context()[tracker]
    sink = detector.sink(tracker, schema)
    usual = {"container_id": "0123456789ab", "pid": 7, **BUSYBOX}
    frame = frame_of(schema, *({**usual, "time": n * 100_000_000, **row} for n, row in enumerate(rows, start=1)))
    sink.handle(Batch(tracker, schema, frame))
    return [(row["level"], row["rule"]) for batch in told for row in batch.frame.iter_rows(named=True)]


def test_many_ports_are_a_scan_and_one_is_none() -> None:
    def to(port: int) -> Event:
        return {"event": "fail", "direction": "out", "daddr": "192.0.2.1", "dport": port}

    assert alerts("Port scan", "tcp", *(to(port) for port in range(1, 31))) == [(Level.ALERT.label, "Port scan")]
    assert alerts("Port scan", "tcp", *(to(80) for _ in range(30))) == []


def test_many_places_of_secrets() -> None:
    homes = ("/root", "/home/a", "/home/b")
    places = [f"{home}/{rest}" for home in homes for rest in (".aws/credentials", ".ssh/id_rsa", ".kube/config")]
    tried = [{"event": "open", "ppid": 3, "error": "ENOENT", **read(path)} for path in places]
    assert alerts("Secrets searched", "files", *tried) == [(Level.ALERT.label, "Secrets searched")]
    assert alerts("Secrets searched", "files", *tried[:3] * 5) == []


def test_every_default_file_is_in_the_package() -> None:
    files = {Path(rule.place.file).name for rule in rules().values()}
    assert {"escape.yaml", "network.yaml"} <= files
