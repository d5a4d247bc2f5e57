"""Paths as text: those put together from a name that a call was given, and patterns for them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

import polars as pl

_ODD = r"//|/\.\.?(/|$)|./$"
_CLASS = re.compile(r"\[(!?)(\]?[^\]]*)\]")


def tidy(frame: pl.DataFrame, named: str, path: str, host_path: str) -> pl.DataFrame:
    """Resolves the dots and doubled slashes of paths that were put together from a name.

    Args:
        named: the column that says which ones are.
        path, host_path: the two columns of text.
    """
    odd = frame[named] & (frame[path].str.contains(_ODD) | frame[host_path].str.contains(_ODD).fill_null(value=False))
    odd = odd.fill_null(value=False)
    if not odd.any():  # as good as always: so the few that are may be taken one by one
        return frame
    rows = frame.select(path, host_path).filter(odd).rows()
    tidied = pl.DataFrame([_tidy(*row) for row in rows], schema=[path, host_path], orient="row")
    places = odd.arg_true()
    return frame.with_columns(frame[name].scatter(places, tidied[name].cast(pl.String)) for name in (path, host_path))


def _tidy(path: str, host_path: str | None) -> tuple[str, str | None]:
    """The two paths end alike, below the mount where the name was looked up; dots may lead out of it."""
    tidied = _normal(path)
    if host_path is None:
        return tidied, None
    own, host = path.split("/"), host_path.split("/")
    alike = next((n for n, pair in enumerate(zip(own[::-1], host[::-1], strict=False)) if pair[0] != pair[1]), len(own))
    mount, host_mount = "/".join(own[:-alike] if alike else own), "/".join(host[:-alike] if alike else host)
    if not f"{tidied}/".startswith(f"{mount}/"):
        return tidied, None
    return tidied, _normal(host_mount + tidied[len(mount) :])


def _normal(path: str) -> str:
    return posixpath.normpath(f"/{path.lstrip('/')}")


def check_pattern(pattern: str) -> None:
    """Refuses a pattern that no path can match.

    Raises:
        ValueError: says what to write instead.
    """
    if not pattern.startswith(("/", "*", "?", "[")):
        raise ValueError(f"paths begin with a slash; did you mean '*/{pattern}'?")


def _regex(pattern: str) -> str:
    """A shell's pattern as a regular expression; as in fnmatch(3) without flags, a star matches slashes too."""
    parts, at = [], 0
    while at < len(pattern):
        group = _CLASS.match(pattern, at)
        if group:
            inside = re.sub(r"([\\\[&~])", r"\\\1", group[2])
            parts.append(f"[{'^' if group[1] else ''}{inside}]")
            at = group.end()
        else:
            parts.append({"*": ".*", "?": "."}.get(pattern[at]) or re.escape(pattern[at]))
            at += 1
    return "".join(parts)


def matches(patterns: Sequence[str], columns: Sequence[str]) -> pl.Expr:
    """Whether any of the columns matches any of the patterns."""
    regex = f"(?s)^(?:{'|'.join(_regex(pattern) for pattern in patterns)})$"
    return pl.any_horizontal(pl.col(column).str.contains(regex).fill_null(value=False) for column in columns)


def chosen(include: Sequence[str], exclude: Sequence[str], columns: Sequence[str]) -> pl.Expr | None:
    """What is left by `--include` and `--exclude`; None for everything."""
    wanted = [matches(include, columns)] if include else []
    unwanted = [~matches(exclude, columns)] if exclude else []
    return pl.all_horizontal(*wanted, *unwanted) if wanted or unwanted else None
