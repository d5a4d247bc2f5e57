"""What was not allowed, as columns and as alerts."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from eunomia.respond.lsm import denials
from eunomia.respond.lsm.denier import _spec
from eunomia.schema.alert import ALERT

_EVENT = _spec().event
_ASKED: dict[str, tuple[dict[str, object], str | None]] = {
    "exec": ({"path": "/bin/nc"}, "/bin/nc"),
    "capability": ({"capability": 21}, "CAP_SYS_ADMIN"),
    "socket": ({"family": 17}, "packet"),
    "connect": ({"address": "10.0.0.1", "port": 22}, "10.0.0.1:22"),
    "write": ({"path": None}, None),
}


def _events(asked: list[str], **more: object) -> pl.DataFrame:
    usual: dict[str, object] = {
        "time": datetime(2026, 3, 4, tzinfo=UTC), "cgroup_id": 7, "pid": 4, "tid": 5, "ppid": 1, "uid": 0, "gid": 0,
        "mnt_ns": 1, "pid_ns": 1, "user_ns": 1, "comm": "sh", "denied": True, "untold": False, "capability": 255,
        "family": 0, "port": 0, "address": "::", "path": None,
    }  # fmt: skip
    rows = [{**usual, "event": one, **_ASKED[one][0], **more} for one in asked]
    return pl.DataFrame(rows, schema=_EVENT.schema.polars())


def test_each_has_its_object() -> None:
    made = denials.batch(_events([*_ASKED]), _EVENT.schema, lambda _id: ("abc", "web"))
    assert dict(made.frame.select("event", "object").rows()) == {one: told for one, (_, told) in _ASKED.items()}
    assert made.frame["container_name"].unique().to_list() == ["web"]
    assert made.frame.columns == [column.name for column in made.schema]
    assert all(column.description for column in made.schema)


@pytest.mark.parametrize(
    ("address", "told"), [("2001:db8::1", "[2001:db8::1]:0"), ("10.0.0.1", "10.0.0.1:0"), ("::", "[::]:0")]
)
def test_addresses(address: str, told: str) -> None:
    made = denials.batch(_events(["connect"], address=address, port=0), _EVENT.schema, lambda _id: (None, None))
    assert made.frame["object"].to_list() == [told]


def test_equal_ones_are_one_alert() -> None:
    events = pl.concat([_events(["exec", "exec", "write"]), _events(["exec"], denied=False)])
    made = denials.alerts(denials.batch(events, _EVENT.schema, lambda _id: ("abc", "web")), "here")
    assert made.schema is ALERT
    assert made.frame.schema == ALERT.polars()
    told = made.frame.select("message", "count", "level", "container_name", "node").rows()
    assert told == [
        ("denied: exec of /bin/nc by sh", 2, "warning", "web", "here"),
        ("denied: write of ? by sh", 1, "warning", "web", "here"),
        ("not in the policy: exec of /bin/nc by sh", 1, "warning", "web", "here"),
    ]
    assert json.loads(made.frame["event"][0]) == {"event": "exec", "object": "/bin/nc", "denied": True}
