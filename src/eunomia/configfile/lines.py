"""On which line each key and value of a TOML text stands, which `tomllib` does not tell.

Only for texts that `tomllib` has accepted: what is wrong with a text is said by `tomllib`.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

Path = tuple[str | int, ...]
"""Where something is: names of keys, and positions in arrays."""

_BLANK = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")  # comments among it
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
# The closing quotes may have up to two more before them, which belong to the text.
_TEXTS = (r'"""(?:[^\\]|\\.)*?"{3,5}', r"'''.*?'{3,5}", r'"(?:[^"\\\n]|\\.)*"', r"'[^'\n]*'")
_TEXT = re.compile("|".join(_TEXTS), re.DOTALL)
_BARE = re.compile(r"[^,\]}#\n]*")  # numbers, dates (which may have a blank in them), true and false


def locate(text: str) -> dict[Path, int]:
    """The line, from 1, of everything in a valid TOML text: of a key, of `[table]`, of an array's element.

    What is mentioned several times, such as `a` in `a.b = 1` and `a.c = 2`, stands where it comes first.
    """
    scanner = _Scanner(text)
    scanner.scan()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._tables: dict[Path, int] = {}  # arrays of tables, and how many each has
        self.lines: dict[Path, int] = {}

    def scan(self) -> None:
        """Goes through the whole text."""
        table: Path = ()
        self._skip(_SPACE)
        while self._at < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._header(2)
            elif self._text[self._at] == "[":
                table = self._header(1)
            else:
                self._pair(table)
            self._skip(_SPACE)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError(f"no valid TOML at character {self._at}")
        self._at = match.end()
        return match[0]

    def _note(self, path: Path, at: int) -> None:
        self.lines.setdefault(path, bisect_right(self._starts, at))

    def _header(self, brackets: int) -> Path:
        """`[a.b]` or `[[a.b]]`: gives the path of the table that begins."""
        self._at += brackets
        at, names = self._at, self._names()
        self._at += brackets
        path: Path = ()
        for name in names[:-1]:
            path = self._newest((*path, name))
            self._note(path, at)
        path = (*path, names[-1])
        self._note(path, at)
        if brackets == 2:
            self._tables[path] = self._tables.get(path, 0) + 1
        path = self._newest(path)
        self._note(path, at)
        return path

    def _newest(self, path: Path) -> Path:
        """Within an array of tables its last one is meant."""
        return (*path, self._tables[path] - 1) if path in self._tables else path

    def _names(self) -> list[str]:
        """A key with its dots."""
        names = []
        while True:
            self._skip(_BLANK)
            word = self._skip(_KEY)
            names.append(next(iter(tomllib.loads(f"{word} = 0"))))
            self._skip(_BLANK)
            if self._text[self._at] != ".":
                return names
            self._at += 1

    def _pair(self, table: Path) -> None:
        """`key = value`; both begin on one line."""
        at, path = self._at, table
        for name in self._names():
            path = (*path, name)
            self._note(path, at)
        self._at += 1  # the equals sign
        self._skip(_BLANK)
        self._value(path)

    def _value(self, path: Path) -> None:
        first = self._text[self._at]
        if first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        else:
            self._skip(_TEXT if first in "\"'" else _BARE)

    def _array(self, path: Path) -> None:
        self._at += 1
        place = 0
        while not self._closed("]"):
            self._note((*path, place), self._at)
            self._value((*path, place))
            place += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while not self._closed("}"):
            self._pair(path)

    def _closed(self, bracket: str) -> bool:
        """Passes the comma between elements; says whether there are no more."""
        self._skip(_SPACE)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_SPACE)
        if self._text[self._at] == bracket:
            self._at += 1
            return True
        return False
