"""Conditions as expressions: every operator, and what happens where there is no value."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.detect.compile import ALWAYS, NEVER, check_condition, compile_condition
from eunomia.detect.container_facts import NOTHING, ContainerFacts
from eunomia.detect.errors import ConditionError
from eunomia.detect.events import ALL, FALCO, TRACKED, events_of
from eunomia.detect.fields import KNOWN, Fields
from eunomia.detect.parse import NUMBER_OPERATORS, OPERATORS, parse
from eunomia.trackers import registry
from tests.detect.schemas import all_columns, frame_of, schemas, with_context
from tests.detect.test_parse import TOKENS

FILE: dict[str, Any] = {
    "event": "open",
    "path": "/etc/ssh/sshd_config",
    "name": "../etc/ssh/sshd_config",
    "flags": "O_RDONLY|O_CLOEXEC",
    "mode": "0000",
    "fd": 7,
    "inode": 2**63 + 5,
    "comm": "sshd",
    "pid": 42,
    "uid": 0,
    "container_id": "0123456789ab",
    "container_name": "web",
    "exe": "/usr/sbin/sshd",
    "args": "/usr/sbin/sshd -D -p 22",
    "ancestors": [
        {"pid": 41, "comm": "bash", "exe": "/bin/bash", "args": "bash -c x"},
        {"pid": 1, "comm": "init", "exe": "/sbin/init", "args": "init"},
    ],
}
EXEC = {
    "event": "exec",
    "comm": "python3",
    "args": ["python3", "-m", "http.server"],
    "executable": "/usr/bin/python3.11",
    "filename": "/usr/bin/python3",
    "cwd": "/root",
    "exe_upper_layer": True,
    "stdin": "tty",
    "container_id": "host",
    "parent_comm": "bash",
}
CONNECT = {
    "event": "connect",
    "direction": "out",
    "saddr": "172.17.0.2",
    "sport": 40000,
    "daddr": "169.254.169.254",
    "dport": 80,
    "comm": "curl",
}
ACCEPT = CONNECT | {"event": "accept", "direction": "in", "daddr": "2001:db8::7"}
FAIL = CONNECT | {"event": "fail", "error": "ECONNREFUSED"}
CREDENTIALS = {
    "event": "credentials",
    "syscall": "setuid",
    "euid": 0,
    "effective": 1 << 21 | 1,
    "gained": ["CAP_SYS_ADMIN"],
}
MOUNT = {"event": "mount", "path": "/mnt", "flags": "MS_BIND", "text": "ext4"}
DUP = {"event": "dup_stdio", "fd": 1, "family": "AF_INET", "address": "192.0.2.7", "port": 4444}
LISTEN = DUP | {"event": "listen", "fd": 5, "address": "192.0.2.8", "port": 2375}
BPF = {"event": "bpf", "command": "BPF_PROG_LOAD"}
FAILED = FILE | {"error": "EACCES", "fd": None}

EVENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "file": ("files", FILE),
    "failed": ("files", FAILED),
    "write": ("files", {"event": "create", "path": "/new", "flags": "O_WRONLY|O_CREAT", "mode": "0755", "fd": 3}),
    "rename": ("files", {"event": "rename", "path": "/a", "new_path": "/b"}),
    "bare": ("files", {"event": "unlink"}),
    "exec": ("process", EXEC),
    "credentials": ("process", CREDENTIALS),
    "connect": ("tcp", CONNECT),
    "accept": ("tcp", ACCEPT),
    "fail": ("tcp", FAIL),
    "mount": ("sensitive", MOUNT),
    "bpf": ("sensitive", BPF),
    "dup": ("sensitive", DUP),
    "listen": ("sensitive", LISTEN),
}


FACTS = ContainerFacts(
    "web",
    "registry:5000/a/nginx:1.27@sha256:00",
    None,
    "default/web-0",
    "docker",
    "/srv:/data:ro,/var/run/docker.sock:/docker.sock:rw",
    1_700_000_000_000_000_000,
)


def facts_of(container_id: str) -> ContainerFacts:
    """What is known of the container above."""
    return FACTS if container_id == FILE["container_id"] else NOTHING


def met(condition: str, event: str) -> bool:
    """Whether one event meets a condition."""
    tracker, row = EVENTS[event]
    schema = with_context()[tracker]
    fields = Fields(tracker, schema, all_columns(), containers=facts_of)
    frame = frame_of(schema, row, row)
    found = frame.select(compile_condition(parse(condition), fields).alias("met"))["met"]
    assert found.dtype == pl.Boolean
    assert found.null_count() == 0
    assert len(found) == 2
    assert found[0] == found[1]
    return bool(found[0])


@pytest.mark.parametrize(
    ("event", "condition"),
    [
        # texts
        ("file", "fd.name = /etc/ssh/sshd_config"),
        ("file", "path == /etc/ssh/sshd_config and not path != /etc/ssh/sshd_config"),
        ("file", "fd.name startswith /etc/ and fd.name endswith _config and fd.name contains ssh"),
        ("file", "not fd.name contains SSH and fd.name icontains SSH"),
        ("file", "fd.name bstartswith 2f657463 and fd.name bcontains 737368"),
        ("file", "fd.name glob /etc/*config and fd.name glob '/etc/ssh/sshd?con[e-g]ig' and not fd.name glob /etc/ssh"),
        ("file", "fd.name iglob /ETC/* and not fd.name glob /ETC/*"),
        ("file", "fd.name glob '/@(etc|usr)/+(s|h)/*' and not fd.name glob '*[!a-z_/]*'"),
        ("file", "fd.name regex '/etc/[a-z]+/.*' and not fd.name regex /etc"),
        ("file", "fd.name in (/a, /etc/ssh/sshd_config) and not fd.name in (/a, /b) and not fd.name in ()"),
        ("file", "fd.name intersects (/a, /etc/ssh/sshd_config)"),
        ("file", "fd.name pmatch (/var, /etc) and fd.name pmatch (/etc/ssh/) and fd.name pmatch (/e*/ssh)"),
        ("file", "not fd.name pmatch (/et) and not fd.name pmatch (/*/sshd_config) and not fd.name pmatch ()"),
        ("file", "fd.name contains anyof (x, ssh) and not fd.name contains allof (x, ssh)"),
        ("file", "fd.name contains oneof (x, ssh) and not fd.name contains oneof (etc, ssh)"),
        ("file", "fd.name != allof (/a, /b) and fd.name = anyof (/a, /etc/ssh/sshd_config)"),
        ("file", "proc.name exists and fd.directory = /etc/ssh and fd.filename = sshd_config"),
        ("file", "fd.nameraw startswith ../ and fs.path.name = fd.name or fd.nameraw startswith ../"),
        # numbers
        ("file", "fd.num > 6 and fd.num >= 7 and fd.num < 8 and fd.num <= 7 and fd.num = 7 and fd.num != 8"),
        ("file", "fd.num = 0x7 and fd.num in (1, 7) and not fd.num in (-1, 70000000000) and fd.num < 7.5"),
        ("file", "inode = 9223372036854775813 and inode in (-1, 9223372036854775813)"),
        ("file", "not inode in (9223372036854775812, 9223372036854775814, -1) and inode > -1"),
        ("file", "evt.num = 1 or evt.num >= 0"),
        ("file", "not evt.num = 0"),
        # truths
        ("file", "evt.is_open_read = true and evt.is_open_write = false and evt.is_open_read != false"),
        ("file", "evt.failed = false and evt.is_open_exec = false"),
        ("write", "evt.is_open_write = true and evt.is_open_exec = true and evt.is_open_create = true"),
        # flags: whole names
        ("file", "evt.arg.flags contains O_CLOEXEC and not evt.arg.flags contains O_CLO"),
        ("file", "flags contains O_RDONLY and flags contains 'O_CLOEXEC|O_RDONLY' and flags icontains o_rdonly"),
        ("file", "flags intersects (O_CREAT, O_CLOEXEC) and not flags intersects (O_CREAT) and flags startswith O_RD"),
        ("file", "evt.arg[flags] contains O_RDONLY"),
        # results
        ("file", "evt.res = SUCCESS and evt.rawres = 7 and evt.rawres >= 0"),
        ("failed", "evt.res = EACCES and evt.rawres = -13 and not evt.rawres >= 0 and evt.failed = true"),
        ("fail", "evt.res = ECONNREFUSED and evt.rawres < 0 and fd.connected = false"),
        # types
        ("file", "evt.type = open and evt.type in (openat, mount) and evt.type = openat"),
        ("file", "evt.type startswith open and not evt.type = execve and not evt.type in (sendto, unlink)"),
        ("file", "evt.dir = < and not evt.dir = > and evt.dir != >"),
        ("file", "tracker = files and event = open and not event in (rename, unlink) and tracker != tcp"),
        (
            "credentials",
            "evt.type = setuid and not evt.type in (setgid, capset) and evt.arg.uid = root and evt.arg.uid = 0",
        ),
        ("rename", "evt.arg.oldpath = /a and evt.arg.newpath = /b and evt.type in (rename, renameat2)"),
        # processes
        ("file", "proc.name = sshd and proc.exepath = /usr/sbin/sshd and proc.exe = /usr/sbin/sshd"),
        ("file", "proc.cmdline = 'sshd -D -p 22' and proc.args = '-D -p 22' and proc.pid = 42"),
        (
            "file",
            "proc.pname = bash and proc.pexepath = /bin/bash and proc.pcmdline = 'bash -c x' and proc.pexe = bash",
        ),
        ("file", "proc.aname = init and proc.aname = bash and not proc.aname = sshd and proc.aname in (x, init)"),
        ("file", "proc.aname[0] = sshd and proc.aname[1] = bash and proc.aname[2] = init and not proc.aname[3] exists"),
        ("file", "proc.aexepath[2] = /sbin/init and proc.apid[1] = 41 and proc.acmdline[1] startswith 'bash -c'"),
        ("file", "proc.aname != bash and proc.aname startswith in"),
        ("exec", "proc.cmdline = 'python3 -m http.server' and proc.args = '-m http.server' and proc.exe = python3"),
        ("exec", "proc.exepath = /usr/bin/python3.11 and evt.arg.filename = /usr/bin/python3 and proc.cwd = /root/"),
        ("exec", "proc.is_exe_upper_layer = true and proc.tty != 0 and proc.pname = bash and container.id = host"),
        (
            "exec",
            "args = -m and args in (python3, -m, http.server) and not args in (python3, -m) and args intersects (-m)",
        ),
        ("exec", "container.name = host and container.id in (host)"),
        ("credentials", "thread.cap_effective contains CAP_SYS_ADMIN and thread.cap_effective icontains sys_admin"),
        ("credentials", "gained = CAP_SYS_ADMIN and gained in (CAP_SYS_ADMIN)"),
        # containers
        ("file", "container.id != host and container.name = web and k8s.ns.name = default and k8s.pod.name = web-0"),
        ("file", "container.image.repository = registry:5000/a/nginx and container.image.tag = 1.27"),
        (
            "file",
            "container.image.digest = sha256:00 and container.type = docker",
        ),
        ("file", "container.mounts contains docker.sock and container.mount.dest[/srv] = /data"),
        ("file", "not container.mount.dest[/etc] exists and container.start_ts > 0"),
        ("exec", "not container.image exists and not container.image.repository = nginx and not k8s.ns.name exists"),
        ("file", "user.name = root and user.uid = 0"),
        # connections
        ("connect", "fd.sip = 169.254.169.254 and fd.cip = 172.17.0.2 and fd.sport = 80 and fd.cport = 40000"),
        ("connect", "fd.rip = 169.254.169.254 and fd.lip = 172.17.0.2 and fd.rport = 80 and fd.lport = 40000"),
        ("connect", "fd.name = '172.17.0.2:40000->169.254.169.254:80' and fd.l4proto = tcp and fd.typechar = 4"),
        ("connect", "fd.ip = 172.17.0.2 and fd.ip = 169.254.169.254 and fd.port = 80 and fd.port in (1, 40000)"),
        ("connect", "fd.snet in (10.0.0.0/8, 169.254.0.0/16) and fd.cnet = 172.16.0.0/12 and fd.net != 127.0.0.0/8"),
        (
            "connect",
            "not fd.snet = 10.0.0.0/8 and fd.sip in (10.0.0.0/8, 169.254.0.0/16) and fd.rnet = 169.254.169.254",
        ),
        ("connect", "evt.type = connect and fd.connected = true and fd.sockfamily = ip"),
        ("accept", "fd.sip = 172.17.0.2 and fd.sport = 40000 and fd.cip = 2001:DB8:0::7 and fd.cnet = 2001:db8::/32"),
        ("accept", "evt.type in (accept, accept4) and fd.type = ipv6 and not fd.cnet in (0.0.0.0/0)"),
        # system calls
        ("mount", "evt.type = mount and fd.name = /mnt and evt.arg.flags contains MS_BIND and text = ext4"),
        ("bpf", "evt.arg.cmd = BPF_PROG_LOAD and evt.type = bpf and not fd.name exists"),
        ("dup", "evt.type in (dup, dup2) and evt.rawres in (0, 1, 2) and fd.type in (ipv4, ipv6) and fd.num = 1"),
        ("dup", "fd.rip = 192.0.2.7 and fd.rport = 4444 and not fd.lport = 4444 and fd.ip = 192.0.2.7"),
        ("listen", "fd.lport = 2375 and fd.sport = 2375 and fd.sip = 192.0.2.8 and not fd.rip exists"),
        # functions
        ("file", "toupper(proc.name) = SSHD and tolower(toupper(proc.name)) = sshd and basename(proc.exepath) = sshd"),
        ("file", "len(proc.name) = 4 and len(proc.aname) = 2 and basename(proc.exepath) = val(proc.name)"),
        ("file", "fd.name contains val(proc.name) and not fd.name = val(proc.name) and user.uid = val(user.uid)"),
        ("file", "concat(proc.name, ':', fd.filename) = 'sshd:sshd_config' and join(',', proc.aname) = 'bash,init'"),
        (
            "exec",
            "getopt(args, 'm:')[m] = http.server and getopt(args, 'm:') = m and join(' ', args) startswith python3",
        ),
        ("exec", "b64(concat('cHl0aG9u', '')) = python and proc.name startswith b64(concat('cHl0aG9u', ''))"),
        # what is missing
        ("bare", "not fd.name = /x and not fd.name != /x and not fd.name in (/x) and not fd.name exists"),
        ("bare", "not (fd.name contains x or fd.name pmatch (/x) or fd.num > 0 or fd.num <= 0 or fd.num != 1)"),
        ("bare", "not evt.is_open_read = true and not evt.is_open_exec = true and not evt.is_open_exec = false"),
        ("bare", "not proc.aname = x and not proc.aname != x and not proc.aname exists and not fd.directory = /"),
        ("bare", "not dport = 80 and not dport != 80 and not dport in (80, 81) and not dport exists"),
        ("bare", "not fd.sip = 1.2.3.4 and not fd.snet != 1.2.3.0/24 and not flags contains O_CREAT"),
        (
            "bare",
            "not proc.vpid = 1 and not proc.vpid != 1 and not proc.env exists and not container.privileged = true",
        ),
        ("bare", "not fd.name = val(proc.name) and not fd.name != val(proc.name) and not len(fd.name) >= 0"),
        ("bare", "not concat(proc.name, fd.name) != x and not (not (not fd.name = x))"),
        ("bare", "not fd.name != allof (a, b) and not fd.name contains anyof (a) and not fd.name = oneof (a)"),
        ("connect", "not path = /x and not path exists and not event = open"),
    ],
)
def test_met(event: str, condition: str) -> None:
    assert met(condition, event)
    assert not met(f"not ({condition})", event)


@pytest.mark.parametrize(
    ("condition", "message", "where"),
    [
        ("a = 1 and proc.nme = x", "there is no field 'proc.nme'; did you mean proc.name", "proc.nme"),
        ("a = 1 and pth = x", "no tracker has a column 'pth'; did you mean path", "pth"),
        ("a = 1 and macro", "there is no macro 'macro'", "macro"),
        ("a = 1 and fd.num = x", "fd.num: a number is expected, not 'x'", "fd.num = x"),
        ("a = 1 and fd.num in (1, ssh)", "a number is expected, not 'ssh'", "fd.num in (1, ssh)"),
        ("a = 1 and fd.num = 99999999999999999999", "larger than any number", "fd.num = 99999999999999999999"),
        ("a = 1 and fd.num contains 1", "contains compares texts", "fd.num contains 1"),
        ("a = 1 and proc.name > 1", "> compares numbers", "proc.name > 1"),
        ("a = 1 and evt.failed = maybe", "true or false is expected", "evt.failed = maybe"),
        ("a = 1 and fd.sip = example.org", "an address is expected", "fd.sip = example.org"),
        ("a = 1 and fd.snet = 1.2.3.4/99", "a network such as", "fd.snet = 1.2.3.4/99"),
        ("a = 1 and fd.name regex '/x(a'", "unclosed group, at its character 3", "fd.name regex '/x(a'"),
        ("a = 1 and fd.name glob '!(a)'", "not supported", "fd.name glob '!(a)'"),
        ("a = 1 and fd.name bcontains xyz", "no bytes", "fd.name bcontains xyz"),
        ("a = 1 and proc.name[1] = x", "takes no argument", "proc.name[1]"),
        ("a = 1 and proc.aname[x] = y", "is a number", "proc.aname[x]"),
        ("a = 1 and evt.arg = y", "needs an argument", "evt.arg"),
        ("a = 1 and evt.arg.flgs = y", "did you mean flags", "evt.arg.flgs"),
        ("a = 1 and evt.type = opne", "did you mean open", "evt.type = opne"),
        ("a = 1 and event = opne", "did you mean open", "event = opne"),
        ("a = 1 and tracker = flies", "did you mean files", "tracker = flies"),
        ("a = 1 and len(tolower(fd.num)) = 1", "takes a text", "len(tolower(fd.num))"),
        ("a = 1 and fd.name glob val(proc.name)", "cannot compare two fields", "fd.name glob val(proc.name)"),
        ("a = 1 and concat(fd.name) = 1", "two texts or more", "concat(fd.name)"),
        ("a = 1 and concat(fd.name, proc.aname) = 1", "see join", "concat(fd.name, proc.aname)"),
        ("a = 1 and join(fd.name, fd.name) = 1", "takes a list and a text", "join(fd.name, fd.name)"),
        ("a = 1 and ancestors = x", "see proc.aname", "ancestors"),
    ],
)
def test_mistakes(condition: str, message: str, where: str) -> None:
    schema = with_context()["files"]
    fields = Fields("files", schema, all_columns() | {"a"})
    with pytest.raises(ConditionError) as caught:
        compile_condition(parse(condition), fields)
    assert message in str(caught.value)
    assert condition[caught.value.span.start : caught.value.span.end] == where


def test_checking_leaves_macros_alone() -> None:
    fields = Fields("", schemas()["files"], all_columns())
    check_condition(parse("open_read and not fd.name in (/x) and dport = 80"), fields)
    with pytest.raises(ConditionError, match=r"proc\.nme"):
        check_condition(parse("open_read and proc.nme = x"), fields)


def test_what_is_known_beforehand() -> None:
    fields = Fields("files", schemas()["files"], all_columns())
    assert compile_condition(parse("evt.type = connect and fd.name = x"), fields) is NEVER
    assert compile_condition(parse("event = exec or dport = 80"), fields) is NEVER
    assert compile_condition(parse("not dport = 80"), fields) is ALWAYS
    frame = frame_of(schemas()["files"], {}, {}, {})
    assert frame.select(NEVER)["literal"].to_list() == [False] * 3
    assert frame.filter(ALWAYS).height == 3
    assert frame.head(0).select(ALWAYS).height == 0


def test_what_is_known_of_certain_events() -> None:
    fields = Fields("files", schemas()["files"], all_columns())
    opened = fields.only({"open", "create"})
    assert compile_condition(parse("evt.type in (open, openat)"), opened) is ALWAYS
    assert compile_condition(parse("evt.type = unlink and path = /x"), opened) is NEVER
    assert compile_condition(parse("event in (open, create) or path = /x"), opened) is ALWAYS
    assert compile_condition(parse("not event != open"), opened) is not ALWAYS
    frame = frame_of(schemas()["files"], {"event": "open"}, {"event": "create"})
    created = compile_condition(parse("evt.type = creat and not event = open"), opened)
    assert frame.select(created.alias("met"))["met"].to_list() == [False, True]
    process = Fields("process", schemas()["process"]).only({"credentials"})
    frame = frame_of(
        schemas()["process"], *({"event": "credentials", "syscall": name} for name in ("setuid", "setgid"))
    )
    by_call = compile_condition(parse("evt.type = setuid"), process)
    assert frame.select(by_call.alias("met"))["met"].to_list() == [True, False]


@pytest.mark.parametrize("event", EVENTS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_known_changes_nothing(event: str, data: st.DataObject) -> None:
    tracker, row = EVENTS[event]
    names = data.draw(st.lists(st.sampled_from(sorted(FALCO)), min_size=1, max_size=4))
    own = data.draw(st.lists(st.sampled_from(TRACKED[tracker]), min_size=1, max_size=3))
    condition = data.draw(
        st.sampled_from(["evt.type in ({0}) and not event in ({1})", "not evt.type in ({0}) or event in ({1})"])
    ).format(", ".join(names), ", ".join(own))
    others = data.draw(st.sets(st.sampled_from(TRACKED[tracker])))
    schema = with_context()[tracker]
    fields = Fields(tracker, schema, all_columns())
    frame = frame_of(schema, row)
    exprs = (compile_condition(parse(condition), one) for one in (fields, fields.only({row["event"], *others})))
    one, other = (frame.select(expr.alias("met"))["met"].to_list() for expr in exprs)
    assert one == other


def test_a_large_list_is_one_look_up() -> None:
    schema = schemas()["files"]
    paths = ", ".join(f"/file/{number}" for number in range(5_000))
    expr = compile_condition(parse(f"fd.name in ({paths})"), Fields("files", schema))
    rows = [{"path": f"/file/{number}"} for number in (0, 4_999, 5_000)]
    assert frame_of(schema, *rows).select(expr.alias("met"))["met"].to_list() == [True, True, False]
    assert str(expr).count("is_in") == 1


# Events


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("evt.type = execve", {"process.exec"}),
        ("evt.type in (open, openat) and fd.name = x", {"files.open", "files.create"}),
        ("evt.type = open and evt.type = creat", {"files.create"}),
        ("evt.type in (unlink, rename) or evt.type = sendto", {"files.unlink", "files.rename"}),
        ("evt.type = sendto", set()),
        ("tracker = tcp and event in (connect, close)", {"tcp.connect", "tcp.close"}),
        ("event = exec or tracker = tcp and event = connect", {"process.exec", "tcp.connect"}),
        ("tracker = cgroup and not event = created", {"cgroup.removed"}),
        ("not (not evt.type = setns)", {"sensitive.setns"}),
        ("tracker = files and not (evt.type in (open, openat, openat2, creat) or not event startswith op)", set()),
        ("evt.type = execve and (proc.name = a or not proc.name = b)", {"process.exec"}),
    ],
)
def test_events(condition: str, expected: set[str]) -> None:
    assert {f"{tracker}.{event}" for tracker, event in events_of(parse(condition))} == expected


def test_a_condition_that_does_not_say_needs_all() -> None:
    assert events_of(parse("proc.name = x")) == ALL
    assert events_of(parse("not evt.type = openat and tracker = files")) == {one for one in ALL if one[0] == "files"}


def test_events_are_those_of_the_trackers() -> None:
    for tracker, events in TRACKED.items():
        if tracker in registry.names():
            dtype = schemas()[tracker]["event"].dtype
            assert isinstance(dtype, pl.Enum)
            assert set(events) == set(dtype.categories), tracker
    assert {origin for origins in FALCO.values() for origin in origins} <= ALL


@pytest.mark.parametrize("event", EVENTS)
def test_only_events_that_were_promised_match(event: str) -> None:
    tracker, row = EVENTS[event]
    for name, origins in FALCO.items():
        if met(f"evt.type = {name}", event):
            assert (tracker, row["event"]) in origins


# Any condition


VALUES = (
    "x",
    "-1",
    "5",
    "0x1f",
    "1e3",
    "true",
    "/etc/*",
    "10.0.0.0/8",
    "::1",
    "(a",
    "[",
    "[!",
    "*(a|b",
    "a|b",
    "\\",
    "é",
)
NAMES = st.sampled_from([*KNOWN, *sorted(all_columns()), "evt.arg.flags", "evt.arg.uid", "evt.arg.name"])


@st.composite
def conditions(draw: st.DrawFn) -> str:
    """A condition that parses, and may yet mean nothing."""
    name = draw(NAMES)
    name += draw(st.sampled_from(["", "", "[1]", "[0]", "[flags]"]))
    name = draw(st.sampled_from(["{}", "{}", "{}", "tolower({})", "len({})", "b64({})", "concat({}, 'x')"])).format(
        name
    )
    operator = draw(st.sampled_from(OPERATORS))
    values = draw(st.lists(st.sampled_from(VALUES) | st.text(max_size=5), max_size=4))
    quoted = ["'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" for value in values]
    if operator in NUMBER_OPERATORS:
        return f"{name} {operator} {draw(st.sampled_from(['1', '-5', '0xff', '2.5', 'val(fd.num)', '1e+300']))}"
    if operator in ("in", "intersects", "pmatch"):
        return f"{name} {operator} ({', '.join(quoted)})"
    modifier = draw(st.sampled_from(["", "", "anyof", "allof", "oneof"])) if operator != "exists" else ""
    if operator == "exists":
        return f"{name} exists"
    if modifier:
        return f"{name} {operator} {modifier} ({', '.join(quoted)})"
    return f"{name} {operator} {draw(st.sampled_from([*quoted, 'val(proc.name)', 'val(proc.aname)', 'val(fd.num)']))}"


ROWS = {
    tracker: [row for name, row in EVENTS.values() if name == tracker] + [{}] for tracker in ("files", "process", "tcp")
}


@given(st.sampled_from(sorted(ROWS)), st.lists(conditions(), min_size=1, max_size=3))
@settings(max_examples=600, deadline=None)
def test_any_condition_holds_or_is_refused(tracker: str, parts: list[str]) -> None:
    schema = with_context()[tracker]
    fields = Fields(tracker, schema, all_columns())
    try:
        node = parse(" and not ".join(parts))
        expr = compile_condition(node, fields)
        opposite = compile_condition(parse(f"not ({' and not '.join(parts)})"), fields)
    except ConditionError as error:
        assert str(error)
        return
    found: Any = frame_of(schema, *ROWS[tracker]).select(expr.alias("met"), opposite.alias("not"))
    assert found["met"].null_count() == 0
    assert found["met"].to_list() == [not one for one in found["not"].to_list()]


@given(st.lists(st.sampled_from(TOKENS), max_size=12).map(" ".join))
@settings(max_examples=300, deadline=None)
def test_any_words_are_compiled_or_refused(text: str) -> None:
    fields = Fields("files", schemas()["files"], all_columns())
    try:
        compile_condition(parse(text), fields)
    except ConditionError as error:
        assert str(error)
