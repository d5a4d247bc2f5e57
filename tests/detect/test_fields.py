"""The fields of the language: each is described, and each can be had of every tracker."""

from __future__ import annotations

import polars as pl
import pytest

from eunomia.detect.errors import ConditionError
from eunomia.detect.fields import KNOWN, Fields
from eunomia.detect.fields_of_events import ARGUMENT_NAMES
from eunomia.detect.render import fields_in, message
from eunomia.detect.tree import FieldRef, Span
from tests.detect.schemas import all_columns, frame_of, schemas, with_context
from tests.detect.test_compile import EVENTS, facts_of

# What Falco's own rule files ask for in their conditions.
ASKED = """
evt.type evt.num evt.rawres evt.res evt.is_open_read evt.is_open_write evt.is_open_exec evt.buffer evt.arg
fd.name fd.nameraw fd.name_changed fd.num fd.type fd.typechar fd.directory fd.filename fd.connected
fd.ip fd.sip fd.cip fd.net fd.snet fd.cnet fd.rnet fd.port fd.lport fd.sport fd.rport fd.l4proto fd.sockfamily
fd.sip.name fd.cip.name fd.rip.name
proc.name proc.pname proc.exe proc.pexe proc.exepath proc.cmdline proc.pcmdline proc.args proc.env proc.cwd proc.tty
proc.sname proc.aname proc.aexe proc.vpid proc.is_vpgid_leader proc.duration proc.is_exe_upper_layer
proc.is_exe_from_memfd thread.cap_effective thread.cap_permitted user.name user.uid user.loginuid group.name group.gid
container.id container.privileged container.image.repository container.mounts container.mount.dest container.start_ts
k8s.ns.name k8s.pod.name
"""


@pytest.mark.parametrize("name", ASKED.split())
def test_falco_fields_are_known(name: str) -> None:
    assert name in KNOWN


@pytest.mark.parametrize("name", KNOWN)
def test_every_field_is_described_in_one_line(name: str) -> None:
    info = KNOWN[name]
    assert info.name == name
    assert info.description.strip()
    assert "\n" not in info.description
    assert not info.description.endswith(".")
    if info.make is None:
        assert "nothing here sees it" in info.description or "rules cannot ask" in info.description


def _arguments(name: str) -> list[str | None]:
    if name == "evt.arg":
        return [*sorted(ARGUMENT_NAMES)]
    if name == "container.mount.dest":
        return ["/srv"]
    numbered: dict[str, list[str | None]] = {
        "": [None],
        "optional": [None, "0", "1", "2"],
        "required": ["0", "1"],
    }
    return numbered[KNOWN[name].arguments]


@pytest.mark.parametrize("tracker", [*schemas()])
def test_every_field_can_be_had_of_every_tracker(tracker: str) -> None:
    for schema in (schemas()[tracker], with_context()[tracker]):
        fields = Fields(tracker, schema, all_columns())
        rows = [row for name, row in EVENTS.values() if name == tracker and row.keys() <= {c.name for c in schema}]
        frames = frame_of(schema), frame_of(schema, {}, *rows)
        for name in KNOWN:
            refs = [FieldRef(name, argument, Span(0, 0)) for argument in _arguments(name)]
            for frame in frames:
                found = frame.select(fields.expression(ref).alias(str(at)) for at, ref in enumerate(refs))
                assert found.width == len(refs)


def test_every_mapped_field_says_something_of_some_event() -> None:
    silent = set()
    for name, info in KNOWN.items():
        values = []
        for tracker, row in EVENTS.values():
            fields = Fields(tracker, with_context()[tracker], all_columns(), containers=facts_of)
            frame = frame_of(with_context()[tracker], row)
            refs = [FieldRef(name, argument, Span(0, 0)) for argument in _arguments(name)]
            values += [frame.select(fields.expression(ref).alias("x"))["x"][0] for ref in refs]
        if info.make is not None and all(value is None for value in values):
            silent.add(name)
    # Their columns have no values in the events above.
    assert silent == {
        *("evt.time", "evt.time.s", "evt.time.iso8601", "evt.datetime", "evt.rawtime", "fd.sip.name", "fd.rip.name"),
        *("proc.sname", "proc.duration", "proc.is_exe_from_memfd", "proc.exe_ino", "proc.ppid", "thread.tid"),
        *(
            "proc.exe_ino.ctime",
            "proc.exe_ino.ctime_duration_proc_start",
            "thread.cap_permitted",
            "group.gid",
            "group.name",
            "container.duration",
        ),
    }


def test_users_and_groups_by_name() -> None:
    schema = schemas()["files"]
    fields = Fields("files", schema, users={1000: "ada"}.get, groups={5: "tty"}.get)
    frame = frame_of(schema, {"uid": 1000, "gid": 5}, {"uid": 7, "gid": 7}, {})
    user, group = (fields.expression(FieldRef(name, None, Span(0, 0))) for name in ("user.name", "group.name"))
    assert frame.select(user.alias("u"), group.alias("g")).rows() == [("ada", "tty"), (None, None), (None, None)]


# Messages


@pytest.mark.parametrize(
    ("event", "template", "text"),
    [
        ("file", "%proc.name read %fd.name", "sshd read /etc/ssh/sshd_config"),
        ("file", "%{proc.name}x %proc.aname[2], 100%% of 5% (%fd.num)", "sshdx init, 100% of 5% (7)"),
        (
            "file",
            "%proc.aname|%evt.type|%container.info",
            "bash <- init|openat|container_id=0123456789ab container_name=web",
        ),
        ("file", "%evt.arg.flags %evt.res %dport %path.", "O_RDONLY|O_CLOEXEC SUCCESS <NA> /etc/ssh/sshd_config."),
        ("file", "%toupper(proc.name) %{basename(fd.name)}", "SSHD sshd_config"),
        ("bare", "%fd.name by %proc.name (%proc.cmdline)", "<NA> by <NA> (<NA>)"),
        (
            "exec",
            "%args|%proc.cmdline|%proc.tty|%proc.pcmdline",
            "python3 -m http.server|python3 -m http.server|34816|bash",
        ),
        ("exec", "no field", "no field"),
        ("exec", "", ""),
        (
            "connect",
            "%fd.name %fd.ip %evt.dir %tracker.%event",
            "172.17.0.2:40000->169.254.169.254:80 172.17.0.2 < tcp.connect",
        ),
        ("accept", "%fd.name", "2001:db8::7:80->172.17.0.2:40000"),
    ],
)
def test_messages(event: str, template: str, text: str) -> None:
    tracker, row = EVENTS[event]
    schema = with_context()[tracker]
    expr = message(template, Fields(tracker, schema, all_columns()))
    assert frame_of(schema, row).with_columns(expr.alias("message"))["message"].to_list() == [text]


def test_a_wrong_field_in_a_message() -> None:
    template = "by %proc.nme of %fd.name"
    with pytest.raises(ConditionError, match=r"did you mean proc\.name") as caught:
        message(template, Fields("files", schemas()["files"], all_columns()))
    assert template[caught.value.span.start : caught.value.span.end] == "%proc.nme"
    with pytest.raises(ConditionError, match="the end of the field"):
        list(fields_in("%{proc.name fd.name}"))


def test_the_fields_of_a_message() -> None:
    assert [ref.name for ref in fields_in("%proc.name of %{proc.aname[2]} 5% %%x")] == ["proc.name", "proc.aname"]


def test_null_where_a_column_is_another_trackers() -> None:
    fields = Fields("files", schemas()["files"], all_columns())
    found = frame_of(schemas()["files"], {}).select(fields.expression(FieldRef("dport", None, Span(0, 0))))
    assert found.rows() == [(None,)]
    assert found.dtypes == [pl.String]
