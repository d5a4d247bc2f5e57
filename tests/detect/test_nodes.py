"""YAML as nodes that know where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from eunomia.detect import nodes
from eunomia.detect.mistakes import Mistakes, RulesError
from eunomia.detect.nodes import Mapping, Node, Scalar, Sequence, Source, compose


def composed(text: str) -> Node:
    """The one document of a text."""
    mistakes = Mistakes()
    documents = compose(Source("f", text), mistakes)
    mistakes.check()
    (document,) = documents
    return document


def wrong(text: str) -> str:
    """What is said of a text that is wrong."""
    with pytest.raises(RulesError) as error:
        composed(text)
    (mistake,) = error.value.mistakes
    return mistake


def plain(node: Node) -> object:
    """The node as plain Python, texts as they are."""
    if isinstance(node, Mapping):
        return {key: plain(value) for key, value in node.values.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    assert isinstance(node, Scalar)
    return node.value


SCALARS = {
    "plain": "- evt.type = open and fd.nam = /x",
    "single": "- 'evt.type = ''open'' and fd.nam = /x'",
    "double": '- "evt.type = \\"open\\" and fd.nam = /x"',
    "folded": "- >\n  evt.type = open and\n\n    (fd.nam = /x)\n",
    "literal": "- |-\n  evt.type = open\n  and fd.nam = /x\n",
    "several lines": "- evt.type = open\n  and\n  fd.nam = /x",
    "double on several lines": '- "evt.type = open \\\n   and fd.nam = /x"',
    "anchor": "- &it 'evt.type = open and fd.nam = /x'",
    "anchored block": "- &it >- # why\n  evt.type = open and fd.nam = /x",
    "not ASCII": "- évt.type = öpen and fd.nam = /x",
    "escaped": '- "\\u00e9vt.type = open and fd.nam = /x"',
    "Windows": "- >\r\n  evt.type = open and\r\n  fd.nam = /x\r\n",
}


@pytest.mark.parametrize("text", SCALARS.values(), ids=SCALARS)
def test_a_part_of_a_text_is_found_in_the_file(text: str) -> None:
    node = composed(text)
    assert isinstance(node, Sequence)
    (scalar,) = node.items
    assert isinstance(scalar, Scalar)
    assert scalar.value == yaml.safe_load(text)[0]
    place = scalar.at(scalar.value.index("fd.nam"))
    line = text.split("\n")[place.line - 1]
    assert line[place.column - 1 :].startswith("fd.nam")


def test_aliases_stand_for_what_they_name() -> None:
    assert plain(composed("a: &x [1, 2]\nb: *x")) == {"a": ["1", "2"], "b": ["1", "2"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- !!python/object/apply:os.system [true]", "f:1:3: the tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("- *x", "f:1:3: there is no anchor &x before this"),
        ("&x [*x]", "f:1:5: there is no anchor &x"),
        ("a: 1\na: 2", "f:2:1: key a stands there twice"),
        ("? [a]\n: 1", "f:1:3: a key is a name"),
        ("[" * 100_000, "f:1:26: nested more than 24 deep"),
        ("- " * 50_000 + "a", "nested more than 24 deep"),
        ("a: [1", "f:2:1: no YAML: while parsing a flow sequence"),
        ("\tx: 1", "f:1:1: no YAML"),
        ("a: \x00", "no YAML"),
        (
            "\n".join(["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))]),
            "more than 1,000,000 parts",
        ),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    assert said in wrong(text)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"- list: x\n  items: [\xe9]\n")
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as file:
        file.truncate(nodes.BYTES + 1)
    mistakes = Mistakes()
    for file_ in (latin, huge, tmp_path / "none.yaml", tmp_path):
        assert nodes.read(file_, mistakes) == []
    with pytest.raises(RulesError) as error:
        mistakes.check()
    said = [mistake.partition(str(tmp_path))[2] for mistake in error.value.mistakes]
    assert said == [
        "/latin.yaml:2:1: not UTF-8, which YAML has to be",
        "/huge.yaml:1:1: larger than 16 MiB, which no rule file is",
        "/none.yaml:1:1: cannot be read: No such file or directory",
        ":1:1: cannot be read: Is a directory",
    ]


VALUES = st.recursive(
    st.text(st.characters(exclude_categories=["Cs", "Cc"])) | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcxyz.", min_size=1), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.sampled_from([None, "'", '"', "|", ">"]), st.booleans())
def test_it_reads_what_yaml_reads(value: object, style: str | None, flow: bool) -> None:
    text = yaml.safe_dump(value, default_style=style, default_flow_style=flow, allow_unicode=True)
    assert plain(composed(text)) == yaml.load(text, yaml.BaseLoader)  # noqa: S506 (the loader that makes texts only)


@given(st.text() | st.text("[]{}-:,&*!|>'\"#?% \n\tab"))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    mistakes = Mistakes()
    if not compose(Source("f", text), mistakes):
        return
    for node in compose(Source("f", text), Mistakes()):
        assert node.place.line >= 1
