"""Whatever stands in a rule file: rules that can be compiled, or mistakes with their places."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import event, given, settings
from hypothesis import strategies as st

from eunomia.detect.compile import compile_condition
from eunomia.detect.drafts import KINDS
from eunomia.detect.fields import Fields
from eunomia.detect.loading import load
from eunomia.detect.mistakes import RulesError
from eunomia.detect.needs import needs, reads_everything
from eunomia.detect.render import message
from tests.detect.files import SCHEMAS

FIELDS = (
    "proc.name",
    "fd.name",
    "proc.aname[2]",
    "path",
    "evt.type",
    "uid",
    "fd.rport",
    "evt.arg.flags",
    "nothing",
    "fd.x",
)
VALUES = ("open", "execve", "/etc/shadow", "0", "l", "(a, l)", "(l)", '"a b"', "'", "val(proc.name)", "10.0.0.0/8", "")
OPERATORS = ("=", "!=", "in", "contains", "startswith", "glob", "regex", ">", "exists", "pmatch", "intersects", "like")

TEXT = st.text(max_size=8) | st.sampled_from(
    (*FIELDS, *VALUES, "m", "l", "r", "true", "10s", "files.open", "process.exec")
)
CHECK = st.tuples(st.sampled_from(FIELDS), st.sampled_from(OPERATORS), st.sampled_from(VALUES)).map(" ".join)
CONDITION = st.recursive(
    CHECK | st.sampled_from(("m", "n", "evt.type = open")),
    lambda inner: st.tuples(inner, st.sampled_from((" and ", " or ", " and not ")), inner).map(
        lambda parts: f"({''.join(parts)})"
    ),
    max_leaves=6,
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    TEXT | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ON = st.sampled_from(("files.open", "process.exec", "tcp.connect", "files.opne", "")) | st.lists(TEXT, max_size=2)
STEP = st.fixed_dictionaries({"condition": CONDITION, "on": ON})
NAMES = st.sampled_from(FIELDS)
HOW = st.sampled_from(("append", "replace"))
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "condition": CONDITION,
    "items": st.lists(TEXT, max_size=4),
    "output": st.sampled_from(("x", "%proc.name %fd.name", "%{proc.name", "%%", "%nothing", "%fd.x")),
    "level": st.sampled_from(("alert", "warning", "event", "bad")),
    "priority": st.sampled_from(("ERROR", "INFO")),
    "on": ON,
    "count": st.fixed_dictionaries(
        {"at_least": st.integers(-1, 9), "within": st.sampled_from(("10s", "1x"))},
        optional={"by": st.lists(TEXT, max_size=2)},
    ),
    "sequence": st.fixed_dictionaries(
        {
            "within": st.just("1m"),
            "then": st.lists(st.fixed_dictionaries({"condition": CONDITION, "on": ON}), max_size=2),
        }
    ),
    "rate": st.just({"alerts": 5, "per": "1m"}),
    "exceptions": st.lists(
        st.fixed_dictionaries(
            {
                "name": st.sampled_from(("e", "f")),
                "fields": st.sampled_from(FIELDS) | st.lists(st.sampled_from(FIELDS)),
            },
            optional={
                "comps": st.lists(st.sampled_from(OPERATORS)),
                "values": st.lists(TEXT | st.lists(TEXT, max_size=2)),
            },
        ),
        max_size=2,
    ),
    "append": st.booleans(),
    "override": st.dictionaries(
        st.sampled_from(KINDS["rule"].keys), st.sampled_from(("append", "replace")), max_size=3
    ),
    "enabled": st.booleans(),
}
KEY = st.sampled_from((*KINDS["rule"].keys, "priority", "items", "append", "override")) | TEXT


def definition(kind: str, names: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """A list, a macro or a rule, with what it needs and perhaps more."""
    needed = {kind: st.sampled_from(names), **{key: LIKELY[key] for key in KINDS[kind].required}}
    wanted = {
        key: LIKELY[key] for key in (*KINDS[kind].keys, "append", "override") if key in LIKELY and key not in needed
    }
    return st.fixed_dictionaries(needed, optional=wanted)


ITEM = st.one_of(
    definition("list", ("l",)),
    definition("macro", ("m", "n")),
    definition("rule", ("r", "s")),
    definition("rule", ("r", "s")),
    st.dictionaries(KEY | st.sampled_from(tuple(KINDS)), ANYTHING, max_size=5),
    ANYTHING,
)
_PLACE = re.compile(r".*\.yaml:[1-9][0-9]*:[1-9][0-9]*: \S", re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the file is written, again and again."""
    return tmp_path_factory.mktemp("rules") / "any.yaml"


def loaded_or_refused(file: Path, text: str) -> None:
    """Loads a text as a rule file; hypothesis shows what comes of how many."""
    event(outcome(file, text))


def outcome(file: Path, text: str) -> str:
    """Loads a text as a rule file; what comes of it can be used, or is refused with places."""
    file.write_bytes(text.encode(errors="surrogatepass"))
    try:
        rules = load([file], default=False, schemas=SCHEMAS())
    except RulesError as error:
        assert error.mistakes
        assert all(_PLACE.match(mistake) for mistake in error.mistakes), error.mistakes
        return "refused"
    needs(rules)
    reads_everything(rules)
    for rule in rules.rules.values():
        for step in (rule.step, *(rule.sequence.steps if rule.sequence else ())):
            for tracker in {tracker for tracker, _ in step.on}:
                compile_condition(step.condition, Fields(tracker, SCHEMAS()[tracker]))
        for tracker in {tracker for tracker, _ in rule.step.on}:
            message(rule.output, Fields(tracker, SCHEMAS()[tracker]))
    return f"{len(rules.rules)} rules"


@settings(deadline=None, max_examples=300)
@given(st.lists(ITEM, max_size=6), st.sampled_from([None, '"', ">"]), st.booleans())
def test_likely_files(place: Path, items: list[Any], style: str | None, flow: bool) -> None:
    loaded_or_refused(place, yaml.safe_dump(items, default_style=style, default_flow_style=flow, allow_unicode=True))


@settings(deadline=None, max_examples=100)
@given(CONDITION)
def test_likely_rules(place: Path, condition: str) -> None:
    macros = "- {list: l, items: [a, b]}\n- {macro: m, condition: uid = 0}\n- {macro: n, condition: m or path = /x}\n"
    loaded_or_refused(
        place, f"{macros}- rule: r\n  on: files.open\n  condition: >\n    {condition}\n  output: x\n  level: event\n"
    )


@settings(deadline=None, max_examples=100)
@given(st.text() | st.text("-:{}[]rulecondtoapx \n\t'\"&*!"))
def test_any_text(place: Path, text: str) -> None:
    loaded_or_refused(place, text)


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=64))
def test_any_bytes(place: Path, content: bytes) -> None:
    loaded_or_refused(place, content.decode("latin-1"))
