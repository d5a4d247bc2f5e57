"""Conditions from text to a tree, and back."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eunomia.detect.errors import ConditionError
from eunomia.detect.names import MOST_CHECKS, expand, fields_of, leaves, substitute_lists
from eunomia.detect.parse import (
    CALLS,
    LIST_OPERATORS,
    MODIFIERS,
    MOST_NESTED,
    NUMBER_OPERATORS,
    OPERATORS,
    TEXT_OPERATORS,
    TRANSFORMS,
    parse,
    parse_field,
)
from eunomia.detect.tree import And, Check, Exists, FieldRef, MacroRef, Node, Not, Or, Span

HERE = Span(0, 0)


def plain(node: Node) -> Node:
    """The same without places."""
    match node:
        case And(parts):
            return And(tuple(plain(part) for part in parts))
        case Or(parts):
            return Or(tuple(plain(part) for part in parts))
        case Not(part):
            return Not(plain(part))
        case Exists(of):
            return Exists(field(of))
        case MacroRef(name):
            return MacroRef(name, HERE)
        case Check():
            values = tuple(field(value) if isinstance(value, FieldRef) else value for value in node.values)
            return Check(field(node.field), node.operator, values, HERE, node.modifier)


def field(ref: FieldRef) -> FieldRef:
    """The same without its place."""
    arguments = tuple(field(one) if isinstance(one, FieldRef) else one for one in ref.arguments)
    return FieldRef(ref.name, ref.argument, HERE, ref.transforms, arguments)


def check(name: str, operator: str, *values: str, modifier: str | None = None) -> Check:
    """A comparison of a simple field."""
    return Check(FieldRef(name, None, HERE), operator, values, HERE, modifier)


A, B, C, D = (MacroRef(name, HERE) for name in "abcd")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a or b and not c", Or((A, And((B, Not(C)))))),
        ("(a or b) and c", And((Or((A, B)), C))),
        ("not a and b", And((Not(A), B))),
        ("not(a)or(b)and(c)", Or((Not(A), And((B, C))))),
        ("not not a", A),
        ("not not not(a)", Not(A)),
        ("  a\n\tand\r\n  b ", And((A, B))),
        ("a and b and c or d", Or((And((A, B, C)), D))),
        ("((((a))))", A),
        ("order and android", And((MacroRef("order", HERE), MacroRef("android", HERE)))),
        ("proc.name=sh", check("proc.name", "=", "sh")),
        ("proc.name = 'two words'", check("proc.name", "=", "two words")),
        ('proc.name != "a\\"b\\\\"', check("proc.name", "!=", 'a"b\\')),
        (r"fd.name regex '^/proc/\d+$'", check("fd.name", "regex", r"^/proc/\d+$")),
        ("evt.dir=<", check("evt.dir", "=", "<")),
        ("evt.rawres>=-1", check("evt.rawres", ">=", "-1")),
        ("fd.sport > 0x1F", check("fd.sport", ">", "0x1F")),
        ("proc.name in (sh, 'a b',zsh )", check("proc.name", "in", "sh", "a b", "zsh")),
        ("proc.name in()", check("proc.name", "in")),
        ("proc.name in shells", check("proc.name", "in", "shells")),
        ("fd.name pmatch (/etc, /usr)", check("fd.name", "pmatch", "/etc", "/usr")),
        ("fd.name contains anyof (a, b)", check("fd.name", "contains", "a", "b", modifier="anyof")),
        ("fd.name = oneof", check("fd.name", "=", "oneof")),
        ("path = /etc/shadow", check("path", "=", "/etc/shadow")),
        ("path exists", Exists(FieldRef("path", None, HERE))),
        ("proc.aname[2] exists", Exists(FieldRef("proc.aname", "2", HERE))),
        ("evt.arg['a b']=c", Check(FieldRef("evt.arg", "a b", HERE), "=", ("c",), HERE)),
        ("jevt.value[/a/b] = c", Check(FieldRef("jevt.value", "/a/b", HERE), "=", ("c",), HERE)),
        (
            "tolower(basename( proc.exe )) = val(proc.name)",
            Check(
                FieldRef("proc.exe", None, HERE, ("tolower", "basename")),
                "=",
                (FieldRef("proc.name", None, HERE),),
                HERE,
            ),
        ),
        (
            "concat(proc.name, ' ', toupper(fd.name)) = x",
            Check(
                FieldRef(
                    "concat",
                    None,
                    HERE,
                    (),
                    (FieldRef("proc.name", None, HERE), " ", FieldRef("fd.name", None, HERE, ("toupper",))),
                ),
                "=",
                ("x",),
                HERE,
            ),
        ),
        (
            "getopt(args, 'p:')[p] = x",
            Check(FieldRef("getopt", "p", HERE, (), (FieldRef("args", None, HERE), "p:")), "=", ("x",), HERE),
        ),
    ],
)
def test_trees(text: str, tree: Node) -> None:
    assert plain(parse(text)) == tree


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("", "the condition is empty", ""),
        ("proc.name inn (a)", "did you mean in?", "inn"),
        ("proc.name strtswith a", "startswith", "strtswith"),
        ("path strtswith a", "startswith", "strtswith"),
        ("a an b", "did you mean and", "an"),
        ("a and and b", "expected a field, a macro, 'not' or '('", "and"),
        ("a and", "but the condition ends", ""),
        ("(a or b", "this parenthesis is not closed", "("),
        ("a in (b, c", "this parenthesis is not closed", "("),
        ("a)", "expected 'and' or 'or', not ')'", ")"),
        ("proc.name", "expected an operator after proc.name", ""),
        ("proc.name =", "expected a value", ""),
        ("proc.name = 'x", "this quote is not closed", "'"),
        ("fd.sport > x", "expected a number, not 'x'", "x"),
        ("proc.name in (a b)", "expected ',' or ')', not 'b'", "b"),
        ("proc.name in (a,)", "expected a value, not ')'", ")"),
        ("proc.aname[2 = a", "expected ']'", "="),
        ("proc.aname[] = a", "expected the field's argument", "]"),
        ("val(proc.name) = a", "to the right of an operator only", "val"),
        ("tolower() = a", "expected a field", ")"),
        ("a = b = c", "expected 'and' or 'or'", "="),
    ],
)
def test_mistakes(text: str, message: str, where: str) -> None:
    with pytest.raises(ConditionError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert text[caught.value.span.start : caught.value.span.end] == where


def test_a_span_is_where_it_stands() -> None:
    text = "a and not  fd.name  startswith '/x' or b"
    found = next(leaf for leaf in leaves(parse(text)) if isinstance(leaf, Check))
    assert text[found.span.start : found.span.end] == "fd.name  startswith '/x'"
    assert text[found.field.span.start : found.field.span.end] == "fd.name"


@pytest.mark.parametrize("opening", ["(", "not(", "not (a or b and "])
def test_nesting_is_bounded(opening: str) -> None:
    deepest = opening * MOST_NESTED + "a" + ")" * MOST_NESTED
    assert list(leaves(expand(parse(deepest), {"a": parse("x = 1"), "b": parse("x = 2")})))
    with pytest.raises(ConditionError, match="100 deep"):
        parse(opening * (MOST_NESTED + 1) + "a" + ")" * (MOST_NESTED + 1))


def test_a_field_alone() -> None:
    assert field(parse_field("tolower(proc.aname[2])")) == FieldRef("proc.aname", "2", HERE, ("tolower",))
    with pytest.raises(ConditionError, match="the end of the field"):
        parse_field("proc.name b")


# Writing a tree as text, to see that it is read back as it was.


def quoted(text: str) -> str:
    """A text in quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def written_field(ref: FieldRef) -> str:
    """A field as it is written."""
    text = ref.name
    if ref.arguments:
        parts = (written_field(one) if isinstance(one, FieldRef) else quoted(one) for one in ref.arguments)
        text += f"({', '.join(parts)})"
    if ref.argument is not None:
        text += f"[{quoted(ref.argument)}]"
    for name in reversed(ref.transforms):
        text = f"{name}({text})"
    return text


def written(node: Node) -> str:
    """A condition as it is written."""
    match node:
        case And(parts):
            return " and ".join(f"({written(part)})" for part in parts)
        case Or(parts):
            return " or ".join(f"({written(part)})" for part in parts)
        case Not(part):
            return f"not ({written(part)})"
        case Exists(of):
            return f"{written_field(of)} exists"
        case MacroRef(name):
            return name
        case Check():
            values = [
                f"val({written_field(value)})" if isinstance(value, FieldRef) else quoted(value)
                for value in node.values
            ]
            if node.operator in NUMBER_OPERATORS:
                values = [str(value) for value in node.values]
            is_list = node.modifier or node.operator in LIST_OPERATORS
            right = f"({', '.join(values)})" if is_list else values[0]
            return f"{written_field(node.field)} {node.operator} {node.modifier or ''} {right}"


words = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True).filter(
    lambda word: word not in ("and", "or", "not", "val", *OPERATORS, *TRANSFORMS, *CALLS)
)
names = st.builds(lambda one, other: f"{one}.{other}", words, words)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\b\f\r\t\v\0"), max_size=8)
simple = st.builds(
    FieldRef,
    names,
    st.none() | texts,
    st.just(HERE),
    st.lists(st.sampled_from(TRANSFORMS), max_size=2).map(tuple),
)
refs = simple | st.builds(
    FieldRef,
    st.sampled_from(CALLS),
    st.none() | texts,
    st.just(HERE),
    st.just(()),
    st.lists(texts | simple, min_size=1, max_size=3).map(tuple),
)
checks = st.one_of(
    st.builds(Exists, refs),
    st.builds(MacroRef, words, st.just(HERE)),
    st.builds(
        Check,
        refs,
        st.sampled_from(NUMBER_OPERATORS),
        st.integers().map(str).map(lambda text: (text,)),
        st.just(HERE),
    ),
    st.builds(Check, refs, st.sampled_from(TEXT_OPERATORS), texts.map(lambda text: (text,)), st.just(HERE)),
    st.builds(Check, refs, st.sampled_from(LIST_OPERATORS), st.lists(texts).map(tuple), st.just(HERE)),
    st.builds(
        Check,
        refs,
        st.sampled_from(TEXT_OPERATORS),
        st.lists(texts).map(tuple),
        st.just(HERE),
        st.sampled_from(MODIFIERS),
    ),
)
trees: st.SearchStrategy[Node] = st.recursive(
    checks,
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Not, inner.filter(lambda node: not isinstance(node, Not))),
    ),
    max_leaves=12,
)


@given(trees)
@settings(max_examples=300, deadline=None)
def test_what_is_written_is_read_back(tree: Node) -> None:
    assert plain(parse(written(tree))) == tree


TOKENS = (
    *("proc.name", "fd.name", "path", "evt.arg.flags", "proc.aname[1]", "shell", "(", ")", "[", "]", ",", "and", "or"),
    *(
        "not",
        "not(",
        "'",
        '"',
        "'a b'",
        "=",
        "!=",
        "<",
        "<=",
        "in",
        "contains",
        "anyof",
        "exists",
        "5",
        "-1",
        "0x",
        "\\",
    ),
    *("tolower(", "val(", "concat(", "regex", "(a", "é", "\n", "\0", "%"),
)


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(TOKENS), max_size=30).map(" ".join)))
@example("(" * 5000)
@example("not " * 5000 + "a")
@example("tolower(" * 5000)
@settings(max_examples=500, deadline=None)
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse(text)
    except ConditionError as error:
        assert str(error)
        assert 0 <= error.span.start <= error.span.end <= len(text)


# Lists


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("proc.name in (shells)", "proc.name in (sh, bash)"),
        ("proc.name in shells", "proc.name in (sh, bash)"),
        ("proc.name in (shells, x, more)", "proc.name in (sh, bash, x, sh, bash, zsh)"),
        ("proc.name contains anyof shells", "proc.name contains anyof (sh, bash)"),
        ("proc.name in (none, x)", "proc.name in ( x)"),
        ("proc.name in (x, none, none)", "proc.name in (x)"),
        ("proc.name in (none,none)", "proc.name in ()"),
        ("proc.name in none", "proc.name in ()"),
        ("proc.name = one", "proc.name = 'a b'"),
        ("proc.name = 'shells'", "proc.name = 'shells'"),
        ("shells in (shells)", "shells in (sh, bash)"),
        ("proc.name in (odd)", 'proc.name in ("a b", "x\\"y", 5)'),
        ("proc.shells in (a-shells, shells.x)", "proc.shells in (a-shells, shells.x)"),
    ],
)
def test_lists(text: str, replaced: str) -> None:
    lists: dict[str, list[str | int]] = {
        "shells": ["sh", "bash"],
        "more": ["shells", "zsh"],
        "none": [],
        "one": ["'a b'"],
        "odd": ["a b", 'x"y', 5],
    }
    assert substitute_lists(text, lists)[0] == replaced


def test_places_behind_a_list() -> None:
    text = "proc.name in (shells, x) and a = b or proc.name in shells or c = d"
    replaced, spans = substitute_lists(text, {"shells": ["sh", "bash", "zsh"]})

    def original(part: str) -> str:
        start = replaced.index(part)
        span = spans.original(Span(start, start + len(part)))
        return text[span.start : span.end]

    for part in ("proc.name in (", "x)", "a = b", "or proc.name in", "c = d"):
        assert original(part) == part
    assert original("bash") == "shells"
    assert original("sh, bash, zsh, x") == "shells, x"


def test_a_list_that_holds_itself() -> None:
    with pytest.raises(ConditionError, match="list a holds itself"):
        substitute_lists("x in (a)", {"a": ["b"], "b": ["a"]})


# Macros


def test_macros() -> None:
    macros = {"in_container": parse("container.id != host"), "shell": parse("proc.name = sh or other"), "other": B}
    macros["other"] = parse("proc.name = bash")
    node = expand(parse("in_container and not shell"), macros)
    assert plain(node) == And(
        (
            check("container.id", "!=", "host"),
            Not(Or((check("proc.name", "=", "sh"), check("proc.name", "=", "bash")))),
        )
    )
    assert [ref.name for ref in fields_of(node)] == ["container.id", "proc.name", "proc.name"]


@pytest.mark.parametrize(
    ("macros", "message"),
    [
        ({"a": "b", "b": "not c", "c": "x = 1 or a"}, "a -> b -> c -> a"),
        ({"a": "shel", "shell": "x = 1"}, "there is no macro 'shel'; did you mean shell?"),
        (
            {"a": "m0"} | {f"m{n}": f"m{n + 1} and m{n + 1}" for n in range(40)} | {"m40": "x = 1"},
            f"{MOST_CHECKS} checks",
        ),
        ({"a": "m0"} | {f"m{n}": f"m{n + 1}" for n in range(400)} | {"m400": "x = 1"}, "levels deep"),
    ],
)
def test_macros_that_cannot_be(macros: dict[str, str], message: str) -> None:
    with pytest.raises(ConditionError, match=message) as caught:
        expand(parse("y = 1 and a"), {name: parse(text) for name, text in macros.items()})
    assert caught.value.span == Span(10, 11)
