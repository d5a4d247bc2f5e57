"""The short way to say what is dangerous, as the daemon's configuration has it.

```toml
[danger]
syscalls = ["ptrace", "init_module"]
files = ["/etc/shadow", "/root/.ssh/"]

[[rules]]
name = "Miner"
type = "process"
trigger = "xmrig"
message = "a miner runs in %container.name"
```

Each of these is a rule like any other.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

from eunomia.detect.events import events_of
from eunomia.detect.mistakes import nearest
from eunomia.detect.rule import Level, Origin, Place, Rule, Step
from eunomia.detect.tree import And, Check, FieldRef, Node, Or, Span
from eunomia.errors import UsageError
from eunomia.schema.syscalls import NAMES

_NOWHERE = Span(0, 0)
_FILES = frozenset(
    ("files", event)
    for event in ("open", "create", "unlink", "rename", "link", "symlink", "mknod", "chmod", "chown", "truncate")
)
_IPC = frozenset(("ipc", event) for event in ("unix_connect", "unix_bind", "unix_send", "mq_open", "fifo_open"))
_TCP = frozenset((("tcp", "connect"), ("tcp", "accept"), ("tcp", "fail")))
_WHO = "%proc.name (%proc.cmdline) in %container.name"
_PORT = re.compile(r":?([0-9]{1,5})")
_WITH_PORT = re.compile(r"\[?(?P<address>[0-9a-fA-F.:]+?)\]?:(?P<port>[0-9]{1,5})")

Meaning = tuple[Node, frozenset[Origin]]


def dangerous_syscall(name: str, place: Place) -> Rule:
    """A rule of `[danger] syscalls`.

    Raises:
        UsageError: there is no such system call.
    """
    said = f"dangerous system call {name} by {_WHO}"
    return simple_rule(f"Dangerous system call: {name}", "syscall", name, said, place, Level.ALERT)


def dangerous_file(path: str, place: Place) -> Rule:
    """A rule of `[danger] files`: a path, a directory that ends in `/`, or a pattern.

    Raises:
        UsageError: it is no path.
    """
    said = f"dangerous file: %evt.type of %fd.name by {_WHO}"
    return simple_rule(f"Dangerous file: {path}", "files", path, said, place, Level.ALERT)


def simple_rule(
    name: str, kind: str, trigger: str, message: str, place: Place, level: Level = Level.WARNING, origin: str = ""
) -> Rule:
    """A rule of `[[rules]]`.

    Args:
        kind: its `type`: one of `KINDS`.
        trigger: what is looked for.
        message: what the alert says; fields such as %proc.name are filled in.

    Raises:
        UsageError: it cannot be meant.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no type {kind!r} of rule; {nearest(kind, KINDS)}")
    if not trigger.strip():
        raise UsageError("the trigger is empty: say what the rule looks for")
    condition, on = KINDS[kind](trigger.strip())
    written = f"{kind}: {trigger}"
    return Rule(name, "", Step(condition, on, written), message, level, place=place, origin=origin or place.file)


def _check(field: str, operator: str, value: str, *transforms: str) -> Check:
    return Check(FieldRef(field, None, _NOWHERE, transforms), operator, (value,), _NOWHERE)


def _process(trigger: str) -> Meaning:
    """A program by its path, or by its name: that of the thread or that of the file."""
    on = frozenset({("process", "exec")})
    operator = "glob" if set(trigger) & set("*?[") else "="
    if "/" in trigger:
        return _check("proc.exepath", operator, trigger), on
    return Or((_check("proc.name", operator, trigger), _check("proc.exepath", operator, trigger, "basename"))), on


def _file(trigger: str) -> Meaning:
    """A path, everything below a directory, or a pattern, as the process or the host sees it."""
    if not trigger.startswith(("/", "*")):
        raise UsageError(f"{trigger!r} is no path: begin with /, or with * for a pattern")
    operator = "glob" if set(trigger) & set("*?[") else "startswith" if trigger.endswith("/") else "="
    return Or(
        tuple(_check(field, operator, trigger) for field in ("path", "host_path", "new_path", "new_host_path"))
    ), _FILES


def _syscall(trigger: str) -> Meaning:
    """A system call; where a tracker knows it better than by its number, that one's event."""
    if trigger not in NAMES:
        raise UsageError(f"there is no system call {trigger!r}; {nearest(trigger, NAMES)}")
    condition = _check("evt.type", "=", trigger)
    on = events_of(condition)
    return (condition, on) if on else (_check("syscall", "=", trigger), frozenset({("syscall", "call")}))


def _tcp(trigger: str) -> Meaning:
    """The other side: an address, a network, a port, or address:port."""
    port = _PORT.fullmatch(trigger)
    if port:
        return _check("fd.rport", "=", _port(port[1])), _TCP
    if _is_network(trigger):
        return _address(trigger), _TCP
    both = _WITH_PORT.fullmatch(trigger)
    if both is None or not _is_network(both["address"]):
        raise UsageError(f"{trigger!r} is no address, network, port or ADDRESS:PORT")
    return And((_address(both["address"]), _check("fd.rport", "=", _port(both["port"])))), _TCP


def _port(text: str) -> str:
    if not 0 < int(text) < 1 << 16:
        raise UsageError(f"{text} is no port: there are 1 to 65535")
    return text


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _address(text: str) -> Node:
    return _check("fd.rnet" if "/" in text else "fd.rip", "=", text)


def _ipc(trigger: str) -> Meaning:
    """A socket, queue or pipe by its name."""
    return _check("name", "glob" if set(trigger) & set("*?[") else "=", trigger), _IPC


KINDS: dict[str, Callable[[str], Meaning]] = {
    "process": _process,
    "syscall": _syscall,
    "files": _file,
    "tcp": _tcp,
    "ipc": _ipc,
}
"""The types of rules there are."""
