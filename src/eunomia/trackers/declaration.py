"""What a tracker's folder declares, beside its BPF program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eunomia.host.roots import Roots
from eunomia.kernel.hooks import Hook, Options
from eunomia.pipeline.handler import Handler
from eunomia.schema.batch import Schema

HandlersFactory = Callable[[Options, Schema, Roots], Sequence[Handler]]


def _no_handlers(_options: Options, _schema: Schema, _roots: Roots) -> Sequence[Handler]:
    return ()


@dataclass(frozen=True)
class Option:
    """An option of a tracker: `--name VALUE`, or `--name/--no-name` for a boolean.

    Attributes:
        name: with dashes, as on the command line; in configuration and in code with underscores.
        default: also tells the type.
        description: one line.
        metavar: what the value stands for, with its unit.
        constant: the program's `const volatile` variable that it sets, if it sets one.
        scale: what the value is multiplied by for that variable.
        minimum: of a number.
    """

    name: str
    default: bool | int | float | str
    description: str
    metavar: str | None = None
    constant: str | None = None
    scale: int = 1
    minimum: int | None = 0

    @property
    def key(self) -> str:
        """The name in code and configuration."""
        return self.name.replace("-", "_")


@dataclass(frozen=True)
class Tracker:
    """A tracker, as its folder declares it. Its name is the folder's.

    Attributes:
        description: one line.
        hooks: what it sees, and the ways to get there.
        options: its own.
        table: the columns that the table shows unless told otherwise.
        aliases: other names that people may call it by.
        handlers: what its batches go through in user space, given the options, the schema and the host.
    """

    description: str
    hooks: tuple[Hook, ...]
    options: tuple[Option, ...] = ()
    table: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    handlers: HandlersFactory = _no_handlers

    def settle(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options with defaults filled in.

        Raises:
            KeyError: an option that the tracker does not have.
        """
        known = {option.key: option.default for option in self.options}
        for name in given:
            known[name]
        return {**known, **given}

    def constants(self, options: Mapping[str, Any]) -> dict[str, int]:
        """What the options set in the program."""
        return {option.constant: int(options[option.key] * option.scale) for option in self.options if option.constant}


__all__ = ["HandlersFactory", "Hook", "Option", "Options", "Tracker"]
