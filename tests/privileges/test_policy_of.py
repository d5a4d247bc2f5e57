"""A policy from what was seen, and as text that reads as the same."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from eunomia.configfile.policy import read_policy
from eunomia.privileges.activity import Activity
from eunomia.privileges.policy import Answer, Listing, Policy
from eunomia.privileges.policy_of import policy_of, write
from eunomia.privileges.usage import Call, Observation, Phase, Usage
from eunomia.respond.lsm.tables import Verdict, judge, paths

_SOCKET = Call("socket")


def _usage(*calls: str, families: frozenset[int] | None = None) -> Usage:
    arguments = {} if families is None else {(_SOCKET, 0): families}
    made = {Phase.WORKLOAD: frozenset(map(Call, calls))}
    return Usage("web", "x86_64", made, arguments, (), Observation(60, from_start=True))


_WATCHED = frozenset(("writes", "changes"))


def test_all_of_it() -> None:
    activity = Activity(
        _WATCHED,
        written={"/var/log": "/var/log/x", "/var/log/deep": "/var/log/deep/y", "/": "/pid", "/proc/7": "/proc/7/comm"},
        made=frozenset(("/run/web",)),
        changed=frozenset(("/etc/key",)),
        files=(frozenset(), frozenset(("/pid", "/var/log/x"))),
    )
    made = policy_of(_usage("socket", "read", families=frozenset((1, 2))), activity, ["CAP_CHOWN"])
    assert made == Policy(
        write=Listing(("/etc/key", "/pid", "/proc/", "/run/web", "/run/web/", "/var/log/")),
        sockets=Listing(("inet", "unix")),
        capabilities=Listing(("CAP_CHOWN",)),
    )


def test_what_is_not_known_is_not_judged() -> None:
    assert policy_of(_usage("socket"), Activity(), None).kinds == ()
    assert policy_of(_usage("read"), Activity(frozenset(("writes",))), []).kinds == ("sockets", "capabilities")


_names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60)
_paths = st.lists(_names.filter(lambda one: one not in (".", "..")), min_size=2, max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)


@given(st.lists(_paths, min_size=1, max_size=4))
def test_what_was_written_may_be_written(written: list[str]) -> None:
    """Whatever it is called, unless its top directory cannot be said; and the text says the same."""
    activity = Activity(_WATCHED, written={path.rpartition("/")[0]: path for path in written})
    made = policy_of(_usage("read"), activity, None)
    allowed = paths(made.write)
    for path in written:
        top = path.split("/")[1]
        if not set("*?[") & set(top):
            assert judge(allowed, path, others=False) & Verdict.ALLOWED, path


def test_text(tmp_path: Path) -> None:
    policy = Policy(
        exec=Listing((), ('/a "quoted"\n\x7fpath/', "/ü/😀")),
        write=Listing(("/tmp/",)),
        mounts=True,
        answer=Answer.LOG,
    )
    file = tmp_path / "p.toml"
    file.write_text(write(policy, "of a name\nwith lines"))
    assert read_policy(file) == policy
    assert file.read_text().startswith("# of a name with lines\n")
