"""The other side's container, from the cgroup that an event tells of it."""

from __future__ import annotations

import polars as pl

from eunomia.containers.peers import Peers, with_peers
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from tests.containers.runtime import A, Host, path

SCHEMA = Schema((Column("peer_cgroup_id", pl.UInt64, "whose"), Column("number", pl.Int64, "which")))


def batch(*cgroup_ids: int | None) -> Batch:
    """Events with other sides in these cgroups."""
    rows = [(cgroup_id, number) for number, cgroup_id in enumerate(cgroup_ids)]
    return Batch("test", SCHEMA, pl.DataFrame(rows, schema=SCHEMA.polars(), orient="row"))


def test_named_unnamed_host_and_nobody() -> None:
    host = Host()
    host.containers.add(7, path(A))
    host.containers.add(8, "/system.slice")
    known = Peers(host.containers)
    out = known.handle(batch(7, 8, None, 99, 7))
    assert out.frame.columns == [column.name for column in known.columns(SCHEMA)]
    assert out.frame["number"].to_list() == [0, 1, 2, 3, 4], "nobody waits, and all stay in order"
    assert out.frame["peer_container_id"].to_list() == [A[:12], "host", None, None, A[:12]]
    assert out.frame["peer_container_name"].null_count() == 5
    host.answer(A, "web")
    assert known.handle(batch(7)).frame["peer_container_name"].to_list() == ["web"]


def test_batches_that_tell_of_no_peers_go_on_as_they_are() -> None:
    plain = Schema((Column("number", pl.Int64, "which"),))
    given = Batch("test", plain, pl.DataFrame({"number": [1]}))
    assert Peers(Host().containers).handle(given) is given
    assert with_peers(plain) is plain
