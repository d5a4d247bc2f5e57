"""Rule files: what they mean, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from eunomia.detect.loading import find, load
from eunomia.detect.mistakes import RulesError
from eunomia.detect.rule import Count, Level, Place, Rate
from tests.detect.files import Files, files, shown

__all__ = ["files"]

WHOLE = """\
- list: shadows
  items: [/etc/shadow, /etc/gshadow]
- macro: in_container
  condition: container.id != host
- rule: Password hashes read
  desc: why it matters
  on: files.open
  condition: in_container and evt.is_open_read = true and fd.name in (shadows)
  output: "%proc.name read %fd.name"
  level: alert
  tags: [T1003.008, credential_access]
  advice: what to do
"""
RULE = "{on: files.open, output: x, level: event, condition: path = /x"


def rule(more: str, name: str = "r") -> str:
    """A rule in one line, with something more."""
    return f"- {{rule: {name}, output: x, level: event, {more}}}\n"


def test_a_rule(files: Files) -> None:
    made = files.rule(WHOLE)
    assert (made.name, made.description, made.output) == (
        "Password hashes read",
        "why it matters",
        "%proc.name read %fd.name",
    )
    assert made.step.on == {("files", "open")}
    assert shown(made.step.condition) == (
        "(container.id != host and evt.is_open_read = true and fd.name in (/etc/shadow, /etc/gshadow))"
    )
    assert made.step.text == "in_container and evt.is_open_read = true and fd.name in (shadows)"
    assert (made.level, made.tags, made.advice) == (Level.ALERT, ("T1003.008", "credential_access"), "what to do")
    assert made.enabled
    assert made.place == Place(made.origin, 5, 9)


@pytest.mark.parametrize(
    ("word", "level"),
    [("alert", 2), ("WARNING", 1), ("event", 0), ("CRITICAL", 2), ("Error", 2), ("NOTICE", 0), ("info", 0)],
)
@pytest.mark.parametrize("key", ["level", "priority"])
def test_levels(files: Files, key: str, word: str, level: int) -> None:
    text = f"- {{rule: r, on: files.open, condition: path = /x, output: x, {key}: {word}}}"
    assert files.rule(text).level == level


def test_events_follow_from_the_condition(files: Files) -> None:
    made = files.rule(rule("condition: 'evt.type in (chmod, fchmod) and fd.name = /x'"))
    assert made.step.on == {("files", "chmod")}


def test_several_events(files: Files) -> None:
    made = files.rule(rule("on: [files.open, files.create], condition: path = /x"))
    assert made.step.on == {("files", "open"), ("files", "create")}


# Over time


def test_count(files: Files) -> None:
    made = files.rule(
        rule(
            "on: tcp.connect, condition: container.id != host, "
            "count: {at_least: 20, distinct: fd.rport, within: 10s, by: [container.id, proc.pid]}"
        )
    )
    assert made.count == Count(20, 10.0, ("container.id", "proc.pid"), "fd.rport")


def test_sequence_and_rate(files: Files) -> None:
    made = files.rule(
        """\
        - macro: written
          condition: evt.is_open_write = true
        - rule: r
          on: files.open
          condition: written
          output: x
          level: event
          rate: {alerts: 5, per: 1m}
          sequence:
            within: 500ms
            by: container.id
            then:
              - {on: files.chmod, condition: mode contains 1}
              - condition: evt.type = execve and not written
        """
    )
    assert made.rate == Rate(5, 60.0)
    assert made.sequence is not None
    assert (made.sequence.within_s, made.sequence.by) == (0.5, ("container.id",))
    assert [shown(step.condition) for step in made.sequence.steps] == [
        "mode contains 1",
        "(evt.type = execve and not evt.is_open_write = true)",
    ]
    assert made.on == {("files", "open"), ("files", "chmod"), ("process", "exec")}


# Lists and macros


def test_lists_in_lists_and_items_that_need_quotes(files: Files) -> None:
    made = files.rule(
        """\
        - list: all
          items: [some, "with blank", '"quoted (x)"', 22]
        - list: some
          items: [a, b]
        """
        + rule("on: process.exec, condition: 'proc.name in (all)'")
    )
    assert shown(made.step.condition) == "proc.name in (a, b, with blank, quoted (x), 22)"


def test_macros_in_macros(files: Files) -> None:
    text = "- {macro: a, condition: b or path = /x}\n- {macro: b, condition: path = /y}\n"
    made = files.rule(text + rule("on: files.open, condition: not a"))
    assert shown(made.step.condition) == "not (path = /y or path = /x)"


# Exceptions


@pytest.mark.parametrize(
    ("exceptions", "excepted"),
    [
        (
            "{name: e, fields: [proc.name, path], comps: [=, startswith], values: [[a, /x], [b, /y]]}",
            "((proc.name = a and path startswith /x) or (proc.name = b and path startswith /y))",
        ),
        ("{name: e, fields: proc.name, values: [a, b]}", "proc.name in (a, b)"),
        ("{name: e, fields: proc.name, values: [l, b]}", "proc.name in (c, d, b)"),
        (
            "{name: e, fields: proc.name, comps: endswith, values: [a, b]}",
            "(proc.name endswith a or proc.name endswith b)",
        ),
        ("{name: e, fields: [proc.name], values: [[a]]}", "proc.name = a"),
        ("{name: e, fields: [proc.name], values: [a]}", "proc.name = a"),
        (
            "{name: e, fields: [proc.name, path], comps: [in, =], values: [[[a, l], /x]]}",
            "(proc.name in (a, c, d) and path = /x)",
        ),
        ("{name: e, fields: [proc.name], comps: [in], values: [[l]]}", "proc.name in (c, d)"),
        ("{name: e, fields: 'proc.aname[2]', values: [a]}", "proc.aname[2] in (a)"),
        ("""{name: e, fields: path, values: ["'/a b'", /a b]}""", "path in (/a b, /a b)"),
        (
            "{name: e, fields: proc.name, values: [a]}, {name: f, fields: [path], values: [[/x]]}",
            "(proc.name in (a) or path = /x)",
        ),
    ],
)
def test_exceptions(files: Files, exceptions: str, excepted: str) -> None:
    text = "- {list: l, items: [c, d]}\n"
    made = files.rule(text + rule(f"on: files.open, condition: uid = 0, exceptions: [{exceptions}]"))
    assert shown(made.step.condition) == f"(uid = 0 and not {excepted})"


@pytest.mark.parametrize(
    "exceptions", ["", "[]", "[{name: e, fields: proc.name}]", "[{name: e, fields: [path], values: []}]"]
)
def test_exceptions_without_values_except_nothing(files: Files, exceptions: str) -> None:
    made = files.rule(rule(f"on: files.open, condition: uid = 0, exceptions: {exceptions}"))
    assert shown(made.step.condition) == "uid = 0"


def test_values_are_appended_to_an_exception(files: Files) -> None:
    made = files.rule(
        rule(
            "on: files.open, condition: uid = 0, exceptions: [{name: e, fields: [proc.name, path], values: [[a, /x]]}]"
        ),
        "- {rule: r, exceptions: [{name: e, values: [[b, /y]]}], append: true}",
        "- {rule: r, exceptions: [{name: f, fields: uid, values: [1]}], override: {exceptions: append}}",
    )
    assert shown(made.step.condition) == (
        "(uid = 0 and not ((proc.name = a and path = /x) or (proc.name = b and path = /y) or uid in (1)))"
    )


# One file over another


def test_a_later_definition_replaces(files: Files) -> None:
    made = files.rule(
        "- {list: l, items: [a]}\n- {macro: m, condition: path = /x}\n"
        + rule("on: files.open, condition: m and proc.name in (l)"),
        "- {list: l, items: [b]}\n- {macro: m, condition: path = /y}",
    )
    assert shown(made.step.condition) == "(path = /y and proc.name in (b))"
    second = files.rule(rule("on: files.open, condition: path = /x"), rule("on: files.chmod, condition: path = /y"))
    assert shown(second.step.condition) == "path = /y"
    assert second.place.file.endswith("2.yaml")


def test_append_joins(files: Files) -> None:
    made = files.rule(
        "- {list: l, items: [a]}\n- {macro: m, condition: path = /x}\n"
        + rule("on: files.open, condition: m and proc.name in (l), tags: [a], desc: one"),
        "- {list: l, items: [b], append: true}\n- {macro: m, condition: or path = /y, append: true}\n"
        "- {rule: r, condition: and uid = 0, append: true}\n"
        "- {rule: r, tags: [b], desc: two, override: {tags: append, desc: append}}",
    )
    assert shown(made.step.condition) == "((path = /x or path = /y) and proc.name in (a, b) and uid = 0)"
    assert (made.tags, made.description) == (("a", "b"), "one two")


def test_override_replaces(files: Files) -> None:
    base = rule("on: files.open, condition: path = /x, tags: [a], count: {at_least: 2, within: 1s}")
    made = files.rule(
        base,
        "- {rule: r, priority: ALERT, enabled: false, tags: [b], count: , advice: do, "
        "override: {priority: replace, enabled: replace, tags: replace, count: replace, advice: append}}",
    )
    assert (made.level, made.enabled, made.tags, made.count, made.advice) == (Level.ALERT, False, ("b",), None, "do")


def test_enabled_alone_switches(files: Files) -> None:
    base = rule("on: files.open, condition: path = /x, enabled: false")
    assert not files.load(base).enabled
    assert [one.name for one in files.load(base, "- {rule: r, enabled: true}").enabled] == ["r"]


# Falco's files


def test_what_a_falco_file_may_hold(files: Files) -> None:
    rules = files.load(
        """\
        - required_engine_version: 0.50.0
        - required_plugin_versions: [{name: k8saudit, version: 0.7.0}]
        - macro: open_read
          condition: evt.type in (open,openat,openat2) and evt.is_open_read=true and fd.typechar='f' and fd.num>=0
        - rule: Read
          desc: >
            several
            lines
          condition: >
            open_read and not(fd.name=/x)
            and proc.pname exists
          output: File read | file=%fd.name gparent=%proc.aname[2] evt_res=%evt.res
          priority: WARNING
          source: syscall
          warn_evttypes: false
          capture: true
          tags: [maturity_stable]
        - rule: Pods
          desc: others' events
          condition: ka.verb = create
          output: x
          priority: INFO
          source: k8s_audit
        - rule: Future
          desc: fields we lack
          condition: evt.type = open and proc.is_on_fire = true
          output: x
          priority: INFO
          skip-if-unknown-filter: true
        - rule: Unseen
          desc: events we lack
          condition: evt.type = recvmsg
          output: x
          priority: INFO
        """
    )
    assert list(rules.rules) == ["Read"]
    read = rules.rules["Read"]
    assert read.step.on == {("files", "open"), ("files", "create")}
    assert (read.description, read.level) == ("several lines", Level.WARNING)
    said = [warning.partition("1.yaml:")[2] for warning in rules.warnings]
    assert said[0] == "16:12: capture is ignored: an alert carries its event instead"
    assert said[1] == "18:9: rule 'Pods' is left out: there are no events of source k8s_audit"
    assert said[2].startswith("24:9: rule 'Future' is left out: there is no field 'proc.is_on_fire'")
    assert said[3] == "30:9: rule 'Unseen' is left out: no tracker reports the events that it asks for"


# What is wrong


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {rul: x}", "1:3: a definition begins with one of list, macro, rule, required_engine_version"),
        ("- {rule: x, list: y}", "1:3: a definition is one thing, not list and rule"),
        ("rule: x", "1:1: a rule file is a sequence"),
        ("- x", "1:3: a definition is expected"),
        ("- {rule: x}", "1:10: rule 'x' lacks condition and output and level"),
        ("- {rule: [x]}", "1:10: the name of a rule is expected"),
        ("- {macro: m}", "1:11: macro 'm' lacks condition"),
        (rule("on: files.open, conditon: x"), "1:54: a rule has no key conditon; did you mean condition"),
        (rule("on: files.open, condition: x, priority: info"), "priority and level say the same"),
        (rule("on: files.opn, condition: path = /x"), "1:42: files has no event 'opn'; did you mean open?"),
        (rule("on: file.open, condition: path = /x"), "1:42: there is no tracker 'file'; did you mean files?"),
        (rule("on: files, condition: path = /x"), "1:42: it lacks the event: files.EVENT; there are: open"),
        (rule("on: files.open, condition: evt.type = chmod"), "1:42: the condition asks for other events"),
        (rule("condition: path = /x"), "1:10: it does not say which events it is about"),
        (rule("on: files.open, condition: pat = /x"), "1:65: no tracker has a column 'pat'; did you mean path"),
        (rule("on: files.open, condition: fd.nam = /x"), "1:65: there is no field 'fd.nam'; did you mean fd.name"),
        (rule("on: files.open, condition: uid > x"), "1:71: expected a number, not 'x'"),
        (rule("on: files.open, condition: path like /x"), "1:70: expected 'and' or 'or', not 'like'"),
        (rule("on: files.open, condition: nomacro"), "1:65: there is no macro 'nomacro'"),
        (rule("on: files.open, condition: [a]"), "1:65: condition is a text"),
        (rule("condition: evt.type = opne"), "1:49: there is no evt.type 'opne'; did you mean"),
        (rule("on: files.open, condition: path = /x, tags: {a: b}"), "tags is a sequence of texts"),
        (rule("on: files.open, condition: path = /x, enabled: maybe"), "enabled is true or false"),
        (
            rule("on: files.open, condition: path = /x, rate: {alerts: 0, per: 1s}"),
            "alerts is a whole number from 1 on",
        ),
        (rule("on: files.open, condition: path = /x, rate: {alerts: 1, per: 1x}"), "per is a length of time, such as"),
        (rule("on: files.open, condition: path = /x, rate: {alert: 1}"), "rate has no key alert; did you mean alerts?"),
        (rule("on: files.open, condition: path = /x, count: {at_least: 1}"), "count lacks within"),
        (
            rule("on: files.open, condition: path = /x, count: {at_least: 1, within: 1s, by: [fd.nam]}"),
            "1:114: there is no field 'fd.nam'; did you mean fd.name",
        ),
        (
            "- {macro: m, condition: uid = 0}\n"
            + rule(
                "on: files.open, condition: m, sequence: {within: 1s, then: [{condition: event = open and pat = /x}]}"
            ),
            "2:127: no tracker has a column 'pat'",
        ),
        (
            rule(
                "on: files.open, condition: path = /x, count: {at_least: 1, within: 1s}, "
                "sequence: {within: 1s, then: [{condition: path = /x, on: files.open}]}"
            ),
            "a rule counts or needs a sequence, not both",
        ),
        ("- {list: a, items: [b]}\n- {list: b, items: [a]}", "1:10: the list a holds itself: a -> b -> a"),
        ("- {list: a, items: [[b]]}", "1:21: items is a sequence of texts"),
        (
            "- {macro: a, condition: b}\n- {macro: b, condition: a}\n" + rule("on: files.open, condition: a"),
            "3:65: the macro a needs itself: a -> b -> a",
        ),
        ("- {rule: r, append: true, condition: x}", "1:10: there is no rule 'r' before this"),
        ("- {list: l, append: true}", "there is nothing to append: say items"),
        (
            rule("on: files.open, condition: path = /x") + "- {rule: r, append: true, level: alert}",
            "append does not go",
        ),
        (
            rule("on: files.open, condition: path = /x") + "- {rule: r, override: {level: replace}}",
            "but it is not given",
        ),
        (
            rule("on: files.open, condition: path = /x") + "- {rule: r, level: alert, override: {level: append}}",
            "2:45: level can be: replace",
        ),
        (
            rule("on: files.open, condition: path = /x")
            + "- {rule: r, level: alert, tags: [x], override: {tags: append}}",
            "override does not say what becomes of level",
        ),
        (rule("on: files.open, condition: path = /x, exceptions: [{fields: uid}]"), "an exception lacks name"),
        (rule("on: files.open, condition: path = /x, exceptions: [{name: e}]"), "an exception names its fields"),
        (
            rule("on: files.open, condition: path = /x, exceptions: [{name: e, fields: [uid, gid], values: [[1]]}]"),
            "a sequence of 2 values is expected",
        ),
        (
            rule("on: files.open, condition: path = /x, exceptions: [{name: e, fields: [uid, gid], comps: [=]}]"),
            "there are 2 fields and 1 comps",
        ),
        (
            rule("on: files.open, condition: path = /x, exceptions: [{name: e, fields: uid, comps: is}]"),
            "'is' compares nothing",
        ),
        (
            rule("on: files.open, condition: path = /x, exceptions: [{name: e, fields: [fd.nam], values: [[x]]}]"),
            "there is no field 'fd.nam'",
        ),
        ("- {rule: r, on: files.open, condition: path = /x, level: event, output: '%fd.nam'}", "no field 'fd.nam'"),
        (
            "- {rule: r, on: files.open, condition: path = /x, level: evnt, output: x}",
            "1:58: there is no level 'evnt'; did",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(files: Files, text: str, said: str) -> None:
    mistakes = files.wrong(text)
    assert any(said in mistake for mistake in mistakes), mistakes
    assert all(mistake.startswith("1.yaml:") for mistake in mistakes)


def test_a_mistake_in_a_folded_condition_is_found_in_its_line(files: Files) -> None:
    text = """\
        - list: shells
          items: [sh, bash, dash, ash, zsh, busybox, a_long_name_that_moves_what_is_behind]
        - rule: r
          on: files.open
          condition: >
            (proc.name in (shells)
              or uid = 0)

            and fd.nam = /x
          output: x
          level: event
        """
    assert files.wrong(text) == [
        "1.yaml:9:9: there is no field 'fd.nam'; did you mean fd.name or fd.num or fd.nameraw?"
    ]


def test_a_mistake_in_a_macro_is_said_once(files: Files) -> None:
    text = "- {macro: m, condition: fd.nam = /x}\n- {macro: broken, condition: fd.name}\n"
    text += rule("on: files.open, condition: m", "a") + rule("on: files.chmod, condition: m or broken", "b")
    first, second = files.wrong(text)
    assert first.startswith("1.yaml:1:25: there is no field 'fd.nam'")
    assert second.startswith("1.yaml:2:37: expected an operator after fd.name")


def test_a_macro_that_no_rule_uses_may_ask_for_what_is_unknown(files: Files) -> None:
    text = "- {macro: m, condition: proc.is_on_fire = true}\n" + rule("on: files.open, condition: path = /x")
    assert list(files.load(text).rules) == ["r"]


def test_all_mistakes_are_told_in_the_order_of_files_and_lines(files: Files) -> None:
    mistakes = files.wrong(
        rule("on: files.open, condition: pat = /x", "a") + "- {macro: m, condition: fd.name}\n",
        rule("on: files.opn, condition: path = /x", "b"),
        "- [",
    )
    assert [mistake.split(" ")[0] for mistake in mistakes] == [
        "1.yaml:1:65:",
        "1.yaml:2:32:",
        "2.yaml:1:42:",
        "3.yaml:2:1:",
    ]


def test_a_condition_is_bounded(files: Files) -> None:
    lists = "- {list: l0, items: [a, b]}\n" + "".join(
        f"- {{list: l{n}, items: [{', '.join([f'l{n - 1}'] * 10)}]}}\n" for n in range(1, 9)
    )
    macros = "- {macro: m0, condition: uid = 0}\n" + "".join(
        f"- {{macro: m{n}, condition: {' or '.join([f'm{n - 1}'] * 10)}}}\n" for n in range(1, 9)
    )
    assert "the list l5 has more than 100,000 items" in files.wrong(lists)[0]
    assert "more than 20000 checks" in files.wrong(macros + rule("on: files.open, condition: m8"))[0]


def test_a_directory_is_its_files(tmp_path: Path, files: Files) -> None:
    files.write(rule("on: files.open, condition: path = /x", "a"), rule("on: files.open, condition: path = /x", "b"))
    (tmp_path / "notes.txt").write_text("no rules")
    assert list(load([tmp_path], default=False).rules) == ["a", "b"]


def test_without_schemas_any_name_may_be_a_column(files: Files) -> None:
    assert files.load(rule("on: files.open, condition: pat = /x"), schemas={}).rules
    with pytest.raises(RulesError, match=r"there is no field 'fd\.nam'"):
        files.load(rule("on: files.open, condition: fd.nam = /x"), schemas={})


def test_rules_are_found_whatever_the_case(files: Files) -> None:
    rules = files.load(WHOLE)
    assert find(rules, "password HASHES read").name == "Password hashes read"
    with pytest.raises(KeyError, match=r"did you mean Password hashes read\?"):
        find(rules, "Password hash read")


def test_the_default_rules_come_first(files: Files) -> None:
    default = load([])
    assert {one.origin for one in default.rules.values()} == {"eunomia"}
    first = next(iter(default.rules))
    changed = load(files.write(f"- {{rule: {first}, enabled: false}}"))
    assert list(changed.rules) == list(default.rules)
    assert not changed.rules[first].enabled


def test_a_directory_without_rules_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "rules.txt").write_text(WHOLE)
    (tmp_path / "directory.yaml").mkdir()
    (told,) = load([tmp_path], default=False).warnings
    assert told == f"{tmp_path}:1:1: no rules: a directory without .yaml or .yml files"
