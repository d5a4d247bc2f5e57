"""A file as TOML: its values, where each stands, and what is wrong with it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path as File
from typing import Any

from eunomia.configfile.lines import Path, locate
from eunomia.errors import UsageError

_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


class ConfigError(UsageError):
    """A configuration file is wrong.

    Attributes:
        mistakes: all of them, each `FILE:LINE: what is wrong`.
    """

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


class Document:
    """A configuration file's values, and the list of its mistakes.

    Args:
        example: the command that prints one to start from, for whoever has none yet.

    Raises:
        ConfigError: it cannot be read, or is no TOML.
    """

    def __init__(self, file: File, example: str = "") -> None:
        self.file = file
        self._example = example
        self._mistakes: list[tuple[Path, str]] = []
        text = self._read()
        try:
            self.values: dict[str, Any] = tomllib.loads(text)
            self._lines = locate(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError([self._told(error, text)]) from error
        except RecursionError:
            raise ConfigError([f"{file}: nested too deeply"]) from None

    def _read(self) -> str:
        try:
            return self.file.read_bytes().decode().removeprefix("\ufeff")
        except OSError as error:
            is_missing = isinstance(error, FileNotFoundError)
            hint = f"; `{self._example}` prints one to start from" if is_missing and self._example else ""
            raise ConfigError([f"cannot read {self.file}: {error.strerror}{hint}"]) from error
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise ConfigError([f"{self.file}:{line}: not UTF-8, which TOML has to be"]) from error

    def _told(self, error: tomllib.TOMLDecodeError, text: str) -> str:
        place = _PLACE.search(str(error))
        if place is None:
            return f"{self.file}: {error}"
        line = place["line"] or max(len(text.splitlines()), 1)
        what = str(error)[: place.start()]
        return f"{self.file}:{line}: {what[:1].lower()}{what[1:]}" + (
            f" (column {place['column']})" if place["line"] else ""
        )

    def line(self, path: Path) -> int:
        """Where something stands, or what it would be in."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def mistake(self, path: Path, what: str) -> None:
        """Takes note of something wrong at that place."""
        self._mistakes.append((path, what))

    def is_wrong(self, path: Path) -> bool:
        """Whether something at that place or within it was wrong."""
        return any(place[: len(path)] == path for place, _ in self._mistakes)

    def check(self) -> None:
        """Ends here when something was wrong.

        Raises:
            ConfigError: with all that was, in the order of lines.
        """
        told = sorted({(self.line(path), what) for path, what in self._mistakes})
        if told:
            raise ConfigError([f"{self.file}:{line}: {what}" for line, what in told])
