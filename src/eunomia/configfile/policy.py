"""Reads a policy that the kernel's security hooks enforce: TOML, see docs/policy.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as File

from eunomia.configfile.document import ConfigError, Document
from eunomia.configfile.keys import Key, Table, nearest
from eunomia.configfile.tables import Tables
from eunomia.errors import UsageError
from eunomia.privileges.policy import FAMILIES, MEMORY, PATH_BYTES, Answer, Listing, Policy
from eunomia.respond.lsm.tables import parse_peer, peers
from eunomia.schema.capabilities import NAMES

_PATTERNS = frozenset("*?[")


def path(text: str) -> str:
    """Takes the path of a file, or with / at the end that of a directory."""
    if text == MEMORY:
        return text
    if not text.startswith("/"):
        raise ValueError("a path begins with /, as the container sees it")
    if _PATTERNS & set(text):
        raise ValueError("there are no patterns: a directory ends with /, and all below it is meant")
    if "//" in text or {".", ".."} & set(text.split("/")) or "\0" in text:
        raise ValueError("write it as the kernel does: without //, /./ and /../")
    if len(text.encode()) > PATH_BYTES:
        raise ValueError(f"it has more than {PATH_BYTES} bytes")
    return text


def _file(text: str) -> str:
    if text == MEMORY:
        raise ValueError("memory is no file: it may always be written")
    return path(text)


def _peer(text: str) -> str:
    parse_peer(text, allowed=True)
    return text


def _one_of(known: tuple[str, ...], spelled: Callable[[str], str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        name = spelled(text)
        if name not in known:
            raise ValueError(nearest(name, known))
        return name

    return check


def _capability(text: str) -> str:
    name = text.upper()
    return name if name.startswith("CAP_") else f"CAP_{name}"


def _lists(header: str, description: str, what: str, check: Callable[[str], str]) -> Table:
    return Table(
        header,
        description,
        (
            Key("allow", (str,), f"{what} that are allowed; all others are denied then", several=True, check=check),
            Key("deny", (str,), f"{what} that are denied", several=True, check=check),
        ),
    )


EXEC = _lists("[exec]", f"Programs, by path; `{MEMORY}` stands for those in memory.", "programs", path)
WRITE = _lists("[write]", "Files, by path: opening for writing, making, renaming, removing.", "files", _file)
CONNECT = _lists(
    "[connect]",
    "Others that are connected or sent to: ADDRESS, ADDRESS/BITS or *, with :PORT or :PORT-PORT; IPv6 as [ADDRESS].",
    "addresses",
    _peer,
)
SOCKETS = _lists(
    "[sockets]",
    "Families of sockets: unix, inet, inet6, netlink, packet, …",
    "families",
    _one_of(tuple(FAMILIES), str.lower),
)
CAPABILITIES = _lists(
    "[capabilities]", "Capabilities, of those that there are.", "capabilities", _one_of(NAMES, _capability)
)
POLICY_TOP = Table(
    "the policy",
    "At the top of the file.",
    (
        Key(
            "action",
            (str,),
            "what becomes of what is not allowed: it is denied and told, or told only",
            default="deny",
            choices=tuple(Answer),
        ),
        Key("mounts", (bool,), "whether mounts may be changed where paths are judged", default="false"),
    ),
    (
        ("exec", "programs that are run"),
        ("write", "files that are changed"),
        ("connect", "others that are reached over the network"),
        ("sockets", "sockets that are made"),
        ("capabilities", "capabilities that are made use of"),
    ),
)
_LISTS = {table.header.strip("[]"): table for table in (EXEC, WRITE, CONNECT, SOCKETS, CAPABILITIES)}
POLICY_TABLES = (POLICY_TOP, *_LISTS.values())


def read_policy(file: File) -> Policy:
    """Reads a policy.

    Raises:
        ConfigError: with all mistakes of the file.
    """
    return _Reader(Document(file)).run()


class _Reader(Tables):
    def run(self) -> Policy:
        values = self._document.values
        top = self._table(POLICY_TOP, values, (), "")
        lists = {name: self._listing(name, values[name]) for name in _LISTS if name in values}
        made = Policy(**lists, mounts=top.get("mounts", False), answer=Answer(top.get("action", Answer.DENY)))
        if not lists:
            self._mistake((), f"it denies nothing: there are the tables {', '.join(f'[{name}]' for name in _LISTS)}")
        if "mounts" in values and not made.judges_paths:
            self._mistake(("mounts",), "mounts goes with [exec] or [write]: they are judged where paths are")
        try:
            if not self._document.is_wrong(("connect",)):
                peers(made.connect)
        except UsageError as error:
            self._mistake(("connect",), str(error))
        self._document.check()
        return made

    def _listing(self, name: str, given: object) -> Listing:
        table = _LISTS[name]
        settled = self._table(table, given, (name,), table.header)
        if isinstance(given, dict) and not {"allow", "deny"} & set(given):
            self._mistake((name,), f"{table.header}: give allow, deny, or both")
        allow, deny = settled.get("allow"), settled.get("deny", ())
        for place, one in enumerate(deny):
            if one in (allow or ()):
                self._mistake((name, "deny", place), f'deny in {table.header}: "{one}" is allowed as well')
        return Listing(allow, deny)


__all__ = ["POLICY_TABLES", "ConfigError", "read_policy"]
