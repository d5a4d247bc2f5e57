"""Patterns of the condition language, as regular expressions of the engine that evaluates them (Rust's)."""

from __future__ import annotations

import re
from collections.abc import Iterable

import polars as pl

_CLASS = re.compile(r"\[([!^]?)(\]?(?:\[:\w+:\]|[^\]])*)\]")
_GROUPS = {"?": "?", "*": "*", "+": "+", "@": ""}
"""What stands before `(a|b)` in a shell's extended pattern, and how often that makes it occur."""
_NOT_GROUP = "!("


def glob(pattern: str) -> str:
    """A shell's pattern, where a star also matches slashes and `?(…)`, `*(…)`, `+(…)` and `@(…)` are known.

    Raises:
        ValueError: it uses `!(…)`, which regular expressions cannot say.
    """
    return rf"(?s)\A{_glob(pattern, '.')}\z"


def below(paths: Iterable[str]) -> str:
    """Matches each of these paths and all that lies below it; a path's parts may be shell's patterns."""
    parts = [_glob(path.rstrip("/"), "[^/]") for path in paths]
    return rf"(?s)\A(?:{'|'.join(parts)})(?:/|\z)"


def words(text: str) -> str:
    """Matches a list of flags that has each of these: `O_CREAT` does not match O_CREATE."""
    return rf"(?:\A|[|, ]){re.escape(text)}(?:[|, ]|\z)"


def whole(pattern: str) -> str:
    """The regular expression that has to match a whole text, as Falco has it.

    Raises:
        ValueError: it is none; says what and where.
    """
    probe = pl.DataFrame({"text": [""]})
    try:
        probe.select(pl.col("text").str.contains(pattern))
    except pl.exceptions.ComputeError as error:
        raise ValueError(_what_and_where(str(error))) from None
    return rf"\A(?:{pattern})\z"


def _what_and_where(message: str) -> str:
    lines = message.splitlines()
    reason = next((line.removeprefix("error: ") for line in lines if line.startswith("error: ")), lines[0])
    marks = [line.index("^") for line in lines if line.strip() and not line.strip("^ ")]
    return f"{reason}, at its character {marks[0] - 3}" if marks else reason  # the parser indents by four


def _glob(pattern: str, anything: str, at: int = 0, end: int | None = None) -> str:
    parts: list[str] = []
    end = len(pattern) if end is None else end
    while at < end:
        sign = pattern[at]
        inside = _CLASS.match(pattern, at, end)
        if pattern.startswith(_NOT_GROUP, at):
            raise ValueError("!(…) is not supported in a pattern; write `not … glob` instead")
        if sign in _GROUPS and pattern.startswith("(", at + 1) and (close := _close(pattern, at + 1, end)):
            choices = (_glob(pattern, anything, *ends) for ends in _choices(pattern, at + 2, close))
            parts.append(f"(?:{'|'.join(choices)}){_GROUPS[sign]}")
            at = close
        elif sign in "*?":
            parts.append(f"{anything}*" if sign == "*" else anything)
        elif inside:
            listed = re.sub(r"([\\&~]|\[(?!:))", r"\\\1", inside[2])
            parts.append(f"[{'^' if inside[1] else ''}{listed}]")
            at = inside.end() - 1
        else:
            at += sign == "\\" and at + 1 < end
            parts.append(re.escape(pattern[at]))
        at += 1
    return "".join(parts)


def _close(pattern: str, opened: int, end: int) -> int:
    """Where the parenthesis is closed; 0 when it is not."""
    depth = 0
    for at in range(opened, end):
        depth += {"(": 1, ")": -1}.get(pattern[at], 0)
        if depth == 0:
            return at
    return 0


def _choices(pattern: str, start: int, end: int) -> list[tuple[int, int]]:
    """Where the parts between bars begin and end, of those bars that stand in no inner parentheses."""
    found, depth, begin = [], 0, start
    for at in range(start, end):
        depth += {"(": 1, ")": -1}.get(pattern[at], 0)
        if pattern[at] == "|" and depth == 0:
            found.append((begin, at))
            begin = at + 1
    return [*found, (begin, end)]
