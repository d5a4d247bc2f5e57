"""A text that whatever matches a regular expression is sure to hold."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{[^}]*\}|.", re.DOTALL)
_HARD = re.compile(r"\(\?|\+[*?{]")  # flags and names; a repetition that may be missing as a whole
_NO_TEXT = (".", "^", "$", "+", *(rf"\{letter}" for letter in "dDwWsSbBAz"))


def certain_part(pattern: str) -> str:
    """The longest such text that is seen at a glance; empty when there is none, or the expression is a hard one."""
    runs, depth = [""], 0
    for sign in _TOKEN.findall(pattern):
        if sign in ("(", ")"):
            depth += 1 if sign == "(" else -1
            runs.append("")
        elif not depth and (sign == "|" or not _take(sign, runs)):
            return ""
    return "" if depth or _HARD.search(pattern) else max(runs, key=len)


def _take(sign: str, runs: list[str]) -> bool:
    """Goes on with the text, or begins another; says whether the sign is understood."""
    if sign in ("?", "*") or sign.startswith("{"):
        runs[-1:] = [runs[-1][:-1], ""]  # what it stands behind may be missing
    elif sign in _NO_TEXT:
        runs.append("")
    elif sign.startswith("["):
        runs.append("")
        return "[" not in sign[1:]
    else:
        runs[-1] += sign[-1]
        return not (sign.startswith("\\") and sign[1:].isalnum())
    return True
