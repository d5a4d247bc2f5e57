"""Lines of keys and values: in every notation TOML has, by example and by generated documents."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from eunomia.configfile.lines import Path, locate

TEXT = '''# a comment with [brackets] = "and quotes
time_s = 1.5
a . "b.c" . d = 1   # dotted, quoted, with blanks
a.e = [ 1, # one ]
  2,
  [ 3, """four
"5" \\""" six""""", ], { k = 7, "l\\u00e9" = { m = 8 } },
]
text = \'\'\'
[no.table]
no = "key"
\'\'\'
next = 1979-05-27 07:32:00 # a blank within
'single # quoted' = '\\'

[[tracker]]
type = "process"
options.tree = true
[tracker.filter]
pids = [
  1,

  2]
[[tracker.inner]]
x = 1
[[tracker.inner]]
x = 2

[[tracker]]
filter = { containers = ["a", "b]"], wait = true }

[ sink . "file-a" ]
file = "x"
[x.y]
[x]
'''

LINES: dict[Path, int] = {
    ("time_s",): 2,
    ("a",): 3,
    ("a", "b.c"): 3,
    ("a", "b.c", "d"): 3,
    ("a", "e"): 4,
    ("a", "e", 0): 4,
    ("a", "e", 1): 5,
    ("a", "e", 2): 6,
    ("a", "e", 2, 0): 6,
    ("a", "e", 2, 1): 6,
    ("a", "e", 3): 7,
    ("a", "e", 3, "k"): 7,
    ("a", "e", 3, "lé"): 7,
    ("a", "e", 3, "lé", "m"): 7,
    ("text",): 9,
    ("next",): 13,
    ("single # quoted",): 14,
    ("tracker",): 16,
    ("tracker", 0): 16,
    ("tracker", 0, "type"): 17,
    ("tracker", 0, "options"): 18,
    ("tracker", 0, "options", "tree"): 18,
    ("tracker", 0, "filter"): 19,
    ("tracker", 0, "filter", "pids"): 20,
    ("tracker", 0, "filter", "pids", 0): 21,
    ("tracker", 0, "filter", "pids", 1): 23,
    ("tracker", 0, "inner"): 24,
    ("tracker", 0, "inner", 0): 24,
    ("tracker", 0, "inner", 0, "x"): 25,
    ("tracker", 0, "inner", 1): 26,
    ("tracker", 0, "inner", 1, "x"): 27,
    ("tracker", 1): 29,
    ("tracker", 1, "filter"): 30,
    ("tracker", 1, "filter", "containers"): 30,
    ("tracker", 1, "filter", "containers", 0): 30,
    ("tracker", 1, "filter", "containers", 1): 30,
    ("tracker", 1, "filter", "wait"): 30,
    ("sink",): 32,
    ("sink", "file-a"): 32,
    ("sink", "file-a", "file"): 33,
    ("x",): 34,
    ("x", "y"): 34,
}


def test_every_notation() -> None:
    tomllib.loads(TEXT)
    assert locate(TEXT) == LINES


def test_lines_that_end_as_on_windows() -> None:
    assert locate(TEXT.replace("\n", "\r\n")) == LINES


def test_nothing() -> None:
    assert locate("") == {}
    assert locate("# only a comment") == {}
    assert locate("a = 1 # no newline at the end") == {("a",): 1}


# Generated: a document is written line by line, and where each thing was put is noted.

WORDS = st.text(alphabet="abc-_1", min_size=1, max_size=4)
ODD = st.text(
    alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")) | st.sampled_from("\"'#[]{}=,.\\ \t"),
    max_size=6,
)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


SCALARS = st.one_of(
    st.integers(-(2**40), 2**40).map(str),
    st.sampled_from(["true", "1.5", "inf", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00", "07:32:00", "0xff"]),
    ODD.map(quoted),
    ODD.filter(lambda text: "'" not in text).map(lambda text: f"'{text}'"),
    ODD.map(lambda text: f'"""\n{quoted(text)[1:-1]}\n{quoted(text)[1:-1]}"""'),
    ODD.filter(lambda text: "'" not in text).map(lambda text: f"'''{text}\n# = [{text}'''"),
)
BREAKS = st.sampled_from(["", " ", "\n", " # ] } , \n\t", "\n\n"])


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    if depth == 0 or draw(st.booleans()):
        scalar: str = draw(SCALARS)
        return scalar
    if draw(st.booleans()):
        items = draw(st.lists(values(depth=depth - 1), max_size=3))
        written = "".join(f"{draw(BREAKS)}{item}{draw(BREAKS)}," for item in items)
        return f"[{written.removesuffix(',') if draw(st.booleans()) else written}{draw(BREAKS)}]"
    names = draw(st.lists(WORDS, unique=True, max_size=3))
    return "{ " + ", ".join(f"{name} = {draw(values(depth=0))}" for name in names) + " }"


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[Path, int]]:
    """A document, and the lines of its tables and keys as they were written."""
    text, lines = "", dict[Path, int]()

    def put(line: str, *paths: Path) -> None:
        nonlocal text
        for path in paths:
            lines.setdefault(path, text.count("\n") + 1)
        text += f"{line}{draw(st.sampled_from(['', ' # x']))}\n" + draw(st.sampled_from(["", "\n", "# [c]\n"]))

    def pairs(table: Path) -> None:
        for name in draw(st.lists(WORDS | ODD, unique=True, max_size=3)):
            put(f"{quoted(name)} = {draw(values())}", (*table, name))

    pairs(())
    for number in range(draw(st.integers(0, 2))):
        name = f"table{number}"
        put(f"[{name} . 'sub.sub']", (name,), (name, "sub.sub"))
        pairs((name, "sub.sub"))
    for number in range(draw(st.integers(0, 3))):
        put("[[many]]", ("many",), ("many", number))
        pairs(("many", number))
        put("['many'.below]", ("many", number, "below"))
    return text, lines


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """All paths of a parsed document."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, below in value.items():
            yield from paths(below, (*path, name))
    if isinstance(value, list):
        for place, below in enumerate(value):
            yield from paths(below, (*path, place))


@settings(deadline=None)  # a busy machine is no mistake
@given(documents())
def test_generated_documents(document: tuple[str, dict[Path, int]]) -> None:
    text, lines = document
    found = locate(text)
    assert set(found) == set(paths(tomllib.loads(text))), "everything that tomllib sees has a line, and nothing else"
    assert {path: found[path] for path in lines} == lines
    for path, line in found.items():
        if len(path) > 1:
            assert line >= found[path[:-1]], "nothing begins before what it is in"
