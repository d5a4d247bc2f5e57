"""The engine: which rules fire on which batches, what an alert says, and what happens when something goes wrong."""

from __future__ import annotations

import json
import time
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.detect.alerts import lasting
from eunomia.detect.compile import compile_condition
from eunomia.detect.container_facts import ContainerFacts
from eunomia.detect.engine import Detector
from eunomia.detect.errors import ConditionError
from eunomia.detect.fields import Fields
from eunomia.detect.noise import Noise
from eunomia.detect.parse import parse
from eunomia.detect.rule import Count, Level, Rate, Rule, Sequence
from eunomia.schema.alert import ALERT, SOURCE
from eunomia.schema.batch import Batch
from tests.detect.events import NOON_NS, SCHEMAS, S, batch, rule, rules, step

SHADOW = rule(
    "Password hashes read",
    "container.id != host and fd.name in (/etc/shadow, /etc/gshadow)",
    "files.open",
    output="%proc.name read %fd.name in %container.name",
    tags=("T1003.008", "credential_access"),
    advice="see who it was",
)
SHELL = rule("Shell", "proc.name in (sh, bash)", "process.exec", output="%proc.name by %proc.pname", level=Level.EVENT)


class Run:
    """A detector under test, with sinks for all trackers, and the alerts that came out."""

    def __init__(self, *several: Rule, **options: Any) -> None:
        self.batches: list[Batch] = []
        self.failures: list[str] = []
        self.detector = Detector(
            rules(*several),
            self.batches.append,
            node="machine",
            container_of=lambda container: ContainerFacts(image=f"image of {container}"),
            user_of={0: "root"}.get,
            clock=options.pop("clock", None),
            on_failure=lambda name, _error: self.failures.append(name),
            **options,
        )
        self.sinks = {tracker: self.detector.sink(tracker, schema) for tracker, schema in SCHEMAS.items()}

    def give(self, tracker: str, *rows: dict[str, Any]) -> list[dict[str, Any]]:
        """Hands in events, gives the alerts that came out meanwhile."""
        seen = len(self.batches)
        events = batch(tracker, *rows)
        assert self.sinks[tracker].handle(events) is events
        return [alert for one in self.batches[seen:] for alert in one.frame.iter_rows(named=True)]

    def names(self, tracker: str, *rows: dict[str, Any]) -> list[str]:
        """The rules that fired."""
        return [alert["rule"] for alert in self.give(tracker, *rows)]


def test_an_alert_says_all_that_is_known() -> None:
    run = Run(SHADOW)
    ancestors = [{"pid": 1, "comm": "init", "exe": "/sbin/init", "args": "init"}]
    event = {"event": "open", "path": "/etc/shadow", "exe": "/bin/cat", "args": ["cat", "/etc/shadow"], "at": 1.5}
    (alert,) = run.give("files", {**event, "ancestors": ancestors}, {"event": "open", "path": "/etc/passwd"})
    (told,) = run.batches
    assert (told.source, told.schema, told.frame.schema) == (SOURCE, ALERT, ALERT.polars())
    assert told.frame["time"].cast(pl.Int64).to_list() == [NOON_NS + 1_500_000_000]
    assert json.loads(alert.pop("event")) == {
        "time": "2026-11-21T12:00:01.500000000Z",
        "container_id": "aaaaaaaaaaaa",
        "container_name": "web",
        "pid": 100,
        "uid": 0,
        "comm": "sh",
        "event": "open",
        "path": "/etc/shadow",
        "exe": "/bin/cat",
        "args": ["cat", "/etc/shadow"],
    }
    assert alert.pop("first") == alert.pop("last") == alert.pop("time")
    assert alert == {
        "rule": "Password hashes read",
        "level": "alert",
        "message": "sh read /etc/shadow in web",
        "tags": ["T1003.008", "credential_access"],
        "advice": "see who it was",
        "count": 1,
        "container_id": "aaaaaaaaaaaa",
        "container_name": "web",
        "image": "image of aaaaaaaaaaaa",
        "pod": None,
        "pid": 100,
        "comm": "sh",
        "exe": "/bin/cat",
        "args": "cat /etc/shadow",
        "ancestors": ancestors,
        "uid": 0,
        "user": "root",
        "tracker": "files",
        "node": "machine",
    }


def test_a_rule_is_asked_only_of_its_events() -> None:
    run = Run(rule("any", "fd.name = /x", "files.create", "files.unlink"))
    assert run.names("files", {"event": "open", "path": "/x"}) == []
    assert run.names("files", {"event": "open", "path": "/x"}, {"event": "create", "path": "/x"}) == ["any"]
    assert run.names("process", {"event": "exec", "filename": "/x"}) == []


def test_a_part_that_is_known_beforehand_counts_for_every_row() -> None:
    run = Run(rule("never refused", "not error = EPERM", "files.open"), rule("refused", "error = EPERM", "files.open"))
    rows = ({"event": "open", "path": path} for path in ("/a", "/b", "/c"))
    assert run.names("files", *rows) == ["never refused"] * 3
    assert run.detector.counters.failed == {}


def test_disabled_rules_do_nothing() -> None:
    assert Run(rule("off", "proc.name = sh", "process.exec", enabled=False)).names("process", {"event": "exec"}) == []


def test_all_rules_that_match_fire_unless_asked_otherwise() -> None:
    two = (rule("one", "proc.name = sh", "process.exec"), rule("two", "proc.name startswith s", "process.exec"))
    event = {"event": "exec"}
    assert Run(*two).names("process", event) == ["one", "two"]
    assert Run(*two, first_match=True).names("process", event) == ["one"]
    other = {"event": "exec", "comm": "sed", "at": 1}
    assert Run(*two, first_match=True).names("process", event, other) == ["one", "two"]


def test_alerts_of_a_batch_are_one_batch_in_the_order_of_time() -> None:
    run = Run(SHADOW, rule("other", "fd.name = /tmp/x", "files.open"))
    alerts = run.give(
        "files", *({"event": "open", "path": path, "at": at} for at, path in enumerate(("/tmp/x", "/etc/shadow")))
    )
    assert [alert["rule"] for alert in alerts] == ["other", "Password hashes read"]
    assert len(run.batches) == 1


def test_equal_alerts_are_merged_at_once_and_later() -> None:
    run = Run(SHADOW)
    event = {"event": "open", "path": "/etc/shadow"}
    (alert,) = run.give("files", *({**event, "at": at, "pid": at} for at in range(10)))
    assert (alert["count"], (alert["last"] - alert["first"]).total_seconds()) == (10, 9)
    assert run.give("files", {**event, "at": 20}, {**event, "at": 21}) == []
    run.sinks["files"].flush()
    (total,) = run.batches[-1].frame.iter_rows(named=True)
    assert (total["count"], (total["last"] - total["first"]).total_seconds()) == (2, 1)
    counters = run.detector.counters
    assert (counters.matched.total(), counters.fired.total()) == (12, 12)
    assert (counters.told.total(), counters.merged.total()) == (2, 2)


def test_what_changes_each_time_does_not_make_alerts_different() -> None:
    assert lasting("%evt.time %proc.name (%proc.pid, %{proc.ppid}) %fd.name") == " %proc.name (, ) %fd.name"
    run = Run(rule("pid", "fd.name = /x", "files.open", output="%proc.pid opened %fd.name"))
    assert len(run.give("files", *({"event": "open", "path": "/x", "pid": pid} for pid in (7, 8, 9)))) == 1


def test_a_sum_leaves_on_a_tick_when_its_window_is_over() -> None:
    now = [NOON_NS]
    run = Run(SHADOW, clock=lambda: now[0])
    event = {"event": "open", "path": "/etc/shadow"}
    run.give("files", event)
    run.give("files", {**event, "at": 1})
    run.sinks["files"].tick()
    assert len(run.batches) == 1
    now[0] += 61 * S
    run.sinks["tcp"].tick()
    assert run.batches[1].frame["count"].to_list() == [1]


def test_a_rule_tells_no_more_than_its_rate() -> None:
    run = Run(rule("many", "fd.name startswith /data/", "files.open", rate=Rate(5, 60)))
    alerts = run.give("files", *({"event": "open", "path": f"/data/{number}"} for number in range(100)))
    assert len(alerts) == 5
    assert run.detector.counters.rate_limited == {"many": 95}


def test_a_count_fires_once_its_key_is_full() -> None:
    scan = rule(
        "scan",
        "container.id != host",
        "tcp.connect",
        output="scan by %proc.name",
        count=Count(5, 10, ("container.id",), "dport"),
    )
    run = Run(scan)
    ports = ({"event": "connect", "daddr": "10.0.0.1", "dport": port, "at": port / 100} for port in (1, 2, 2, 3, 4))
    assert run.give("tcp", *ports) == []
    (alert,) = run.give("tcp", {"event": "connect", "dport": 5, "at": 1}, {"event": "connect", "dport": 6, "at": 1.1})
    assert json.loads(alert["event"])["values"] == [1, 2, 3, 4, 5]
    assert (alert["last"] - alert["first"]).total_seconds() == pytest.approx(0.99)
    others = ({"event": "connect", "dport": port, "container_id": f"c{port}"} for port in range(100, 110))
    assert run.give("tcp", *others) == []


def test_lists_and_names_may_tell_matches_apart() -> None:
    several = rule("several", "proc.name = sh", "process.exec", count=Count(2, 10, ("event", "args"), "proc.name"))
    run = Run(rule("one", "proc.name exists", "process.exec", count=Count(2, 10, ("event",), "args")), several)
    rows = ({"event": "exec", "args": ["sh", "-c", argument], "at": 1} for argument in ("a", "b"))
    assert run.names("process", *rows) == ["one"]
    json.dumps(run.detector.state())
    assert run.detector.counters.failed == {}


DROPPED = rule(
    "dropped",
    "fd.name startswith /tmp/",
    "files.create",
    output="%proc.name runs",
    sequence=Sequence(
        (step("evt.type = chmod or fd.name exists", "files.chmod"), step("proc.name exists", "process.exec")),
        60,
        ("container.id",),
    ),
)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_sequence_over_several_trackers_in_whatever_order_they_deliver(reverse: bool) -> None:
    run = Run(DROPPED)
    batches: list[tuple[str, tuple[dict[str, Any], ...]]] = [
        ("files", ({"event": "create", "path": "/tmp/x", "at": 1}, {"event": "chmod", "path": "/tmp/x", "at": 2})),
        ("process", ({"event": "exec", "comm": "x", "at": 3},)),
    ]
    alerts = [alert for tracker, rows in batches[:: -1 if reverse else 1] for alert in run.give(tracker, *rows)]
    (alert,) = alerts
    assert (alert["message"], alert["tracker"]) == ("x runs", "process")
    assert (alert["last"] - alert["first"]).total_seconds() == 2


def test_a_sequence_in_the_wrong_order_is_none() -> None:
    run = Run(DROPPED)
    assert not run.give("process", {"event": "exec", "at": 1})
    assert not run.give(
        "files", {"event": "create", "path": "/tmp/x", "at": 2}, {"event": "chmod", "path": "/", "at": 3}
    )


def test_what_is_remembered_survives_a_restart() -> None:
    first, second = Run(DROPPED), Run(DROPPED)
    first.give("files", {"event": "create", "path": "/tmp/x", "at": 1}, {"event": "chmod", "path": "/tmp/x", "at": 2})
    second.detector.restore(json.loads(json.dumps(first.detector.state())))
    assert second.names("process", {"event": "exec", "at": 3}) == ["dropped"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_clock_that_was_ahead_holds_no_alert_back(restart: bool) -> None:
    """Neither equal ones nor those of a rule over time, in the same run or in the next one."""
    day = 86_400
    now = [NOON_NS + day * S]
    many = rule("many", "fd.name = /x", "files.open", count=Count(2, 3600))
    run = Run(SHADOW, many, clock=lambda: now[0])

    def provoke(at: int) -> list[str]:
        several = ({"event": "open", "path": path, "at": at} for path in ("/etc/shadow", "/x", "/x"))
        return sorted(run.names("files", *several))

    assert provoke(day) == ["Password hashes read", "many"]
    assert provoke(day + 1) == []
    run.detector.flush()
    state = json.loads(json.dumps(run.detector.state()))
    now[0] = NOON_NS + 5 * S
    if restart:
        run = Run(SHADOW, many, clock=lambda: now[0])
        run.detector.restore(state)
    else:
        run.sinks["files"].tick()
    assert run.detector.counters.ahead == {"Password hashes read": 2, "many": 3}
    assert provoke(5) == ["Password hashes read", "many"]


def test_other_rules_are_taken_up_from_the_next_batch_and_state_that_stays_is_kept() -> None:
    run = Run(SHELL, DROPPED)
    run.give("files", {"event": "create", "path": "/tmp/x", "at": 1}, {"event": "chmod", "path": "/tmp/x", "at": 2})
    run.detector.replace(rules(DROPPED))
    assert run.names("process", {"event": "exec", "at": 3}) == ["dropped"]


def test_rules_that_cannot_be_compiled_replace_nothing() -> None:
    run = Run(SHELL)
    with pytest.raises(ConditionError):
        run.detector.replace(rules(rule("bad", "proc.nonsense = 1", "process.exec")))
    assert run.names("process", {"event": "exec"}) == ["Shell"]


def test_a_rule_that_fails_is_put_out_of_use_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    import eunomia.detect.plan as plan

    def failing(node: Any, fields: Fields) -> pl.Expr:
        condition = compile_condition(node, fields)
        if node == parse("proc.name = bad"):  # an expression that only fails on data, as a defect would
            return pl.col("comm").cast(pl.Int64, strict=True) > 0
        return condition

    monkeypatch.setattr(plan, "compile_condition", failing)
    run = Run(rule("bad", "proc.name = bad", "process.exec"), SHELL)
    event = {"event": "exec", "comm": "bad"}
    assert run.names("process", event, {"event": "exec", "comm": "sh"}) == ["Shell"]
    assert run.failures == ["bad"]
    assert "bad" in run.detector.counters.failed
    run.give("process", event)
    assert run.failures == ["bad"], "told once"


_FIELDS = {
    "proc.name": ["sh", "bash", "cat", "s"],
    "fd.name": ["/etc/shadow", "/etc/passwd", "/tmp/a/b", "/tmp", "/etc"],
    "comm": ["sh", "cat"],
    "error": ["ENOENT", "EPERM"],
    "flags": ["O_RDONLY", "O_RDWR"],
}
_OPERATORS = st.sampled_from(["=", "!=", "startswith", "endswith", "contains", "glob", "regex", "pmatch"])
_CHECKS = st.sampled_from(sorted(_FIELDS)).flatmap(
    lambda name: st.one_of(
        st.tuples(_OPERATORS, st.sampled_from(_FIELDS[name])).map(
            lambda check: f"{name} {check[0]} {f'({check[1]})' if check[0] == 'pmatch' else check[1]}"
        ),
        st.lists(st.sampled_from(_FIELDS[name]), min_size=1, max_size=3).map(
            lambda values: f"{name} in ({', '.join(values)})"
        ),
    )
)
_CONDITIONS = st.recursive(
    _CHECKS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda both: f"({both[0]} {both[1]} {both[2]})"),
        inner.map(lambda one: f"not ({one})"),
    ),
    max_leaves=6,
)
_ROWS = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["open", "create"]),
        "comm": st.sampled_from(["sh", "bash", "cat", "dash"]),
        "error": st.sampled_from([None, "ENOENT", "EACCES"]),
        "flags": st.sampled_from([None, "O_RDONLY", "O_RDWR|O_CREAT"]),
        "path": st.sampled_from([None, "/etc/shadow", "/tmp/a/b", "/tmp/b", "/etc/passwd2", "/"]),
    }
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(_CONDITIONS, st.sampled_from(["files.open", "files.create"])), min_size=1, max_size=8),
    st.lists(_ROWS, min_size=1, max_size=8),
)
def test_no_match_is_missed_by_not_evaluating_everything(
    conditions: list[tuple[str, str]], rows: list[dict[str, Any]]
) -> None:
    run = Run(*(rule(str(number), text, on) for number, (text, on) in enumerate(conditions)))
    run.give("files", *rows)
    frame = batch("files", *rows).frame
    fields = Fields("files", SCHEMAS["files"])
    expected = {
        str(number): matched
        for number, (text, on) in enumerate(conditions)
        if (matched := frame.filter(compile_condition(parse(text), fields) & (pl.col("event") == on[6:])).height)
    }
    assert run.detector.counters.matched == expected


def test_rules_whose_texts_are_not_there_are_not_evaluated() -> None:
    many = [rule(f"rule {number}", f"fd.name = /etc/{number}", "files.open") for number in range(100)]
    run = Run(*many)
    assert run.names("files", *({"event": "open", "path": f"/etc/{number}"} for number in (3, 5, 1000))) == [
        "rule 3",
        "rule 5",
    ]
    assert set(run.detector.counters.evaluated) == {"rule 3", "rule 5"}


def test_an_alert_leaves_within_the_call_and_soon() -> None:
    run = Run(SHADOW, *(rule(f"rule {number}", f"fd.name = /etc/{number}", "files.open") for number in range(1000)))
    rows = [{"event": "open", "path": f"/usr/lib/{number}"} for number in range(200)]
    run.give("files", *rows)
    took = []
    for number in range(20):
        began = time.perf_counter()
        assert run.give("files", *rows, {"event": "open", "path": "/etc/shadow", "container_id": f"c{number}"})
        took.append(time.perf_counter() - began)
    assert sorted(took)[10] < 0.05


def test_a_noise_of_ones_own_may_be_given() -> None:
    run = Run(SHADOW, noise=Noise(window_s=0))
    event = {"event": "open", "path": "/etc/shadow"}
    assert len(run.give("files", event) + run.give("files", {**event, "at": 1})) == 2


def test_a_condition_can_ask_for_what_the_runtime_says_of_the_container() -> None:
    run = Run(rule("Of one image", "container.image = 'image of aaaaaaaaaaaa'", "files.open"))
    assert run.give("files", {"event": "open", "container_id": "bbbbbbbbbbbb"}) == []
    assert run.give("files", {"event": "open", "container_id": "host"}) == []
    (alert,) = run.give("files", {"event": "open", "container_id": "aaaaaaaaaaaa"})
    assert alert["image"] == "image of aaaaaaaaaaaa"
