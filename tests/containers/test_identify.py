"""Events get their container, wait for its name, and are all accounted for."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.containers import registry
from eunomia.containers.identify import (
    NAME_WAIT_S,
    SELECTION_WAIT_S,
    Announcements,
    Decisions,
    Identify,
)
from eunomia.containers.selection import Selection
from eunomia.pipeline.losses import Losses
from eunomia.schema.batch import Batch, Schema
from eunomia.schema.semantic import Column
from tests.containers.runtime import A, B, C, Host, path

SCHEMA = Schema(
    (
        Column("time", pl.Int64, "order"),
        Column("cgroup_id", pl.UInt64, "where"),
        Column("number", pl.Int64, "which"),
    )
)
ANNOUNCED = Schema(
    (
        Column("event", pl.Enum(["created", "removed"]), "what"),
        Column("hierarchy", pl.UInt32, "where"),
        Column("id", pl.UInt64, "which"),
        Column("path", pl.String, "path"),
    )
)
OTHER_HIERARCHY, HIERARCHY = 3, 0


def batch(*rows: tuple[int, int]) -> Batch:
    """Events of (cgroup, number)."""
    data = [(number, cgroup_id, number) for cgroup_id, number in rows]
    return Batch("test", SCHEMA, pl.DataFrame(data, schema=SCHEMA.polars(), orient="row"))


class Scene:
    """Identify and its companions, on a host made up."""

    def __init__(self, wanted: Selection | None = None) -> None:
        self.host = Host()
        self.told: list[tuple[int, bool]] = []
        self.losses = Losses()
        self.decisions = Decisions(wanted or Selection(), lambda cgroup, wanted: self.told.append((cgroup, wanted)))
        self.identify = Identify(self.host.containers, self.decisions, self.losses, self.host.clock)
        self.announcements = Announcements(self.host.containers, [self.decisions], HIERARCHY)
        self.out: list[Batch] = []

    def announce(self, *events: tuple[str, int, str], hierarchy: int = HIERARCHY) -> None:
        """Cgroups created and removed."""
        rows = [(event, hierarchy, cgroup_id, where) for event, cgroup_id, where in events]
        self.announcements.handle(
            Batch("cgroup", ANNOUNCED, pl.DataFrame(rows, schema=ANNOUNCED.polars(), orient="row"))
        )

    def handle(self, *rows: tuple[int, int]) -> list[tuple[int, str | None, str | None]]:
        """Events go in; gives what comes out at once."""
        return self._keep([self.identify.handle(batch(*rows))])

    def tick(self) -> list[tuple[int, str | None, str | None]]:
        """What is due now."""
        self.announcements.tick()
        return self._keep(list(self.identify.tick()))

    def flush(self) -> list[tuple[int, str | None, str | None]]:
        """All that is left."""
        return self._keep(list(self.identify.flush()))

    def _keep(self, passed: list[Batch | None]) -> list[tuple[int, str | None, str | None]]:
        batches = [one for one in passed if one is not None]
        self.out += batches
        columns = ("number", "container_id", "container_name")
        return [row for one in batches for row in one.frame.select(columns).iter_rows()]

    @property
    def held(self) -> int:
        """Events that wait."""
        return sum(len(one) for one in self.identify._held)

    @property
    def passed(self) -> int:
        """Events that came out."""
        return sum(len(one) for one in self.out)

    def accounted(self) -> int:
        """Every event is in exactly one of these."""
        return self.passed + self.held + self.losses.filtered + sum(self.losses.lost.values())


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.announce(("created", 1, "/user.slice"), ("created", 10, path(A)), ("created", 20, path(B)))
    made.host.answer(A, "web")
    return made


SHORT_A, SHORT_B, SHORT_C = A[:12], B[:12], C[:12]


def test_columns(scene: Scene) -> None:
    scene.handle((10, 1))
    (out,) = scene.out
    assert [column.name for column in out.schema] == ["time", "container_id", "container_name", "cgroup_id", "number"]
    assert out.frame.columns == [column.name for column in out.schema]
    assert out.schema == scene.identify.columns(SCHEMA)
    assert out.frame.schema == out.schema.polars()
    assert out.source == "test"


def test_named_host_and_unknown_pass_at_once(scene: Scene) -> None:
    assert scene.handle((10, 1), (1, 2), (4711, 3), (10, 4)) == [
        (1, SHORT_A, "web"),
        (2, "host", None),
        (3, None, None),
        (4, SHORT_A, "web"),
    ]
    assert scene.held == 0


def test_one_that_was_never_announced_is_looked_up(scene: Scene) -> None:
    scene.host.unannounced[99] = path(A, "/below")
    assert scene.handle((99, 1)) == [(1, SHORT_A, "web")]


def test_waits_for_a_name_that_comes_late(scene: Scene) -> None:
    assert scene.handle((20, 1), (10, 2), (20, 3)) == [(2, SHORT_A, "web")], "others pass at once"
    assert scene.held == 2
    scene.host.clock.now_s += NAME_WAIT_S / 2
    assert scene.tick() == []
    scene.host.names.say(B, "db")
    assert scene.tick() == [(1, SHORT_B, "db"), (3, SHORT_B, "db")]
    assert scene.held == 0
    assert scene.handle((20, 4)) == [(4, SHORT_B, "db")]


def test_waits_no_longer_than_the_bound(scene: Scene) -> None:
    scene.handle((20, 1))
    scene.host.clock.now_s += NAME_WAIT_S - 0.01
    assert scene.tick() == []
    scene.host.clock.now_s += 0.02
    assert scene.tick() == [(1, SHORT_B, None)]
    assert scene.handle((20, 2)) == [(2, SHORT_B, None)], "later ones do not wait again"


def test_a_runtime_that_does_not_know_the_container_ends_the_wait(scene: Scene) -> None:
    scene.handle((20, 1))
    scene.host.names.say(B, None)
    assert scene.tick() == [(1, SHORT_B, None)]


def test_the_order_within_a_container_is_kept_while_it_waits(scene: Scene) -> None:
    scene.handle((20, 1), (20, 2))
    scene.handle((20, 3), (10, 4))
    scene.handle((20, 5))
    scene.host.names.say(B, "db")
    assert [number for number, *_ in scene.tick()] == [1, 2, 3, 5]


@pytest.mark.parametrize("by", ["name", "time"])
def test_the_order_is_kept_when_the_wait_ends_between_two_ticks(scene: Scene, by: str) -> None:
    # An agent takes the answers, then handles what has come in, and only then lets go of what was held.
    scene.handle((20, 1))
    if by == "name":
        scene.host.answer(B, "db")
    else:
        scene.host.clock.now_s += NAME_WAIT_S + 0.01
    got = [*scene.handle((20, 2)), *scene.tick()]
    assert [number for number, *_ in got] == [1, 2]


def test_flush_gives_all_named_or_not(scene: Scene) -> None:
    scene.handle((20, 1))
    scene.announce(("created", 30, path(C)))
    scene.handle((30, 2))
    assert scene.flush() == [(1, SHORT_B, None), (2, SHORT_C, None)]
    assert scene.held == 0
    assert scene.flush() == []


def test_events_of_a_container_that_is_gone(scene: Scene) -> None:
    scene.announce(("removed", 10, path(A)))
    assert scene.handle((10, 1)) == [(1, SHORT_A, "web")]


# With a selection


@pytest.fixture
def chosen() -> Scene:
    """Only the container `db` was asked for; three are made."""
    scene = Scene(Selection(names=frozenset(["db"])))
    scene.announce(("created", 10, path(A)), ("created", 20, path(B)), ("created", 1, "/user.slice/x"))
    return scene


def test_what_is_no_container_is_refused_at_once(chosen: Scene) -> None:
    assert chosen.told == [(1, False)]
    assert chosen.handle((1, 1)) == []
    assert (chosen.losses.filtered, chosen.losses.lost, chosen.held) == (1, {}, 0)


def test_the_kernel_is_told_when_the_name_is_known(chosen: Scene) -> None:
    chosen.handle((10, 1), (20, 2))
    assert chosen.held == 2
    chosen.host.names.say(A, "web")
    assert chosen.tick() == []
    assert chosen.told[1:] == [(10, False)]
    assert chosen.losses.filtered == 1
    chosen.host.names.say(B, "db")
    assert chosen.tick() == [(2, SHORT_B, "db")]
    assert chosen.told[1:] == [(10, False), (20, True)]
    assert chosen.handle((10, 3), (20, 4)) == [(4, SHORT_B, "db")]
    assert chosen.losses.filtered == 2
    assert len(chosen.told) == 3, "told once"
    assert chosen.accounted() == 4


def test_a_decision_waits_longer_than_a_name(chosen: Scene) -> None:
    chosen.handle((20, 1))
    chosen.host.clock.now_s += SELECTION_WAIT_S - 0.1
    assert chosen.tick() == []
    assert chosen.held == 1
    chosen.host.names.say(B, "db")
    assert chosen.tick() == [(1, SHORT_B, "db")]


def test_what_cannot_be_decided_in_time_is_lost_and_counted(chosen: Scene) -> None:
    chosen.handle((20, 1), (20, 2))
    chosen.host.clock.now_s += SELECTION_WAIT_S + 0.1
    assert chosen.tick() == []
    assert chosen.losses.lost == {"container not named in time": 2}
    assert chosen.accounted() == 2


def test_undecided_at_the_end_is_lost_and_counted(chosen: Scene) -> None:
    chosen.handle((20, 1))
    assert chosen.flush() == []
    assert chosen.losses.lost == {"container not named in time": 1}
    assert (chosen.losses.filtered, chosen.held) == (0, 0)


def test_chosen_by_id_nothing_waits_for_a_decision() -> None:
    scene = Scene(Selection(ids=frozenset([A])))
    scene.announce(("created", 10, path(A)), ("created", 20, path(B)))
    assert scene.told == [(10, True), (20, False)]
    scene.handle((10, 1), (20, 2))
    assert (scene.held, scene.losses.filtered) == (1, 1)
    scene.host.names.say(A, "web")
    assert scene.tick() == [(1, SHORT_A, "web")]


def test_without_a_selection_nothing_is_decided(scene: Scene) -> None:
    scene.handle((10, 1), (1, 2))
    scene.tick()
    assert scene.told == []
    assert scene.losses.filtered == 0


def test_forgotten_refusals(chosen: Scene) -> None:
    assert chosen.decisions.is_refused(1)
    chosen.decisions.forget(1)
    assert not chosen.decisions.is_refused(1)
    assert chosen.decisions.is_open(20)
    assert not chosen.decisions.is_open(4711)


def test_refusals_do_not_pile_up(chosen: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_REMEMBERED", 10)
    for cgroup_id in range(100, 200):
        chosen.announce(("created", cgroup_id, "/user.slice/y"), ("removed", cgroup_id, "/user.slice/y"))
    assert len(chosen.decisions._refused) < 50


# Announcements


def test_announcements_of_another_hierarchy_are_left_out() -> None:
    scene = Scene()
    scene.announce(("created", 10, path(A)), hierarchy=OTHER_HIERARCHY)
    assert list(scene.host.containers) == []
    scene.announce(("created", 10, path(A)))
    assert [one.id for one in scene.host.containers] == [A]


def test_created_and_removed_in_one_batch() -> None:
    scene = Scene()
    scene.announce(("created", 10, path(A)), ("created", 11, path(A, "/x")), ("removed", 10, path(A)))
    container = scene.host.containers.by_id(A)
    assert container is not None
    assert container.cgroups == {11}


def test_a_path_that_is_missing_is_the_root() -> None:
    scene = Scene()
    rows = [("created", HIERARCHY, 5, None)]
    scene.announcements.handle(Batch("cgroup", ANNOUNCED, pl.DataFrame(rows, schema=ANNOUNCED.polars(), orient="row")))
    assert scene.handle((5, 1)) == [(1, "host", None)]


def test_announcements_pass_on() -> None:
    scene = Scene()
    given_batch = Batch("cgroup", ANNOUNCED, pl.DataFrame(schema=ANNOUNCED.polars()))
    assert scene.announcements.handle(given_batch) is given_batch


# Whatever happens

steps = st.one_of(
    st.tuples(st.just("handle"), st.lists(st.sampled_from([1, 5, 10, 20, 30, 31]), max_size=6)),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 0.2, 3.0])),
    st.tuples(st.just("answer"), st.sampled_from([(A, "web"), (B, "db"), (C, None)])),
    st.tuples(st.just("tick"), st.none()),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=25), st.sampled_from([(), ("db",), ("nobody",)]))
def test_every_event_is_accounted_for(todo: list[tuple[str, object]], names: tuple[str, ...]) -> None:
    scene = Scene(Selection(names=frozenset(names)))
    scene.announce(("created", 1, "/"), ("created", 10, path(A)), ("created", 20, path(B)), ("created", 30, path(C)))
    scene.announce(("created", 31, path(C, "/below")))
    answered: set[object] = set()
    sent = 0
    for what, value in todo:
        if what == "handle":
            assert isinstance(value, list)
            if value:
                scene.handle(*((cgroup, sent + step) for step, cgroup in enumerate(value)))
            sent += len(value)
        elif what == "wait":
            assert isinstance(value, float)
            scene.host.clock.now_s += value
        elif what == "answer" and value not in answered:
            answered.add(value)
            assert isinstance(value, tuple)
            scene.host.names.say(*value)
        else:
            scene.tick()
        assert scene.accounted() == sent
    scene.flush()
    assert scene.held == 0
    assert scene.accounted() == sent
    if not names:
        assert scene.passed == sent, "with nothing selected nothing is lost or left out"
    numbers = [number for one in scene.out for number in one.frame["number"]]
    assert len(numbers) == len(set(numbers)), "none comes out twice"
