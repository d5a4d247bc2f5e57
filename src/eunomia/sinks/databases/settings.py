"""What can be set of a database: fields of a frozen value, from which the configuration file's keys are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path, PurePath
from typing import Any, get_args, get_origin, get_type_hints

SETTING = "setting"


@dataclass(frozen=True)
class Says:
    """What is said of a setting.

    Attributes:
        description: one line.
        shown: its default in words, where the value itself does not say it.
        minimum, maximum: of a number.
        columns: whether it names columns.
        check: raises UsageError or ValueError when a value cannot be meant.
    """

    description: str
    shown: str = ""
    minimum: float | None = None
    maximum: int | None = None
    columns: bool = False
    check: Callable[[Any], object] | None = None


def setting(description: str, default: Any = MISSING, **says: Any) -> Any:
    """A field of Settings; without a default it has to be given."""
    return field(default=default, metadata={SETTING: Says(description, **says)})


def absolute(text: str) -> None:
    """Takes paths that mean the same wherever one is."""
    if not PurePath(text).is_absolute():
        raise ValueError("begin with /: a daemon has no directory that it works in")


def of_trackers(text: str) -> None:
    """Takes patterns that give each tracker something of its own."""
    if "{tracker}" not in text:
        raise ValueError("{tracker} has to be in it: rows of two trackers do not go together")


def secret(value: str | None, file: str | None) -> str | None:
    """A secret that was given, or that stands in a file: read each time, since it may be exchanged there.

    Raises:
        OSError: the file cannot be read.
    """
    return value if file is None else Path(file).read_text().strip()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What can be set of every database."""

    timeout_s: float = setting("how long it may take to answer", 10.0, minimum=0.1, maximum=300)
    rows: int = setting("the most rows of one request", 5000, minimum=1, maximum=100_000)
    every_s: float = setting("how long rows are gathered for a request at most", 1.0, minimum=0.05, maximum=3600)
    spool_bytes: int = setting(
        "how much waits on disk while it is away; the oldest goes first", 256 << 20, minimum=1 << 20, maximum=1 << 40
    )
    node: str = setting("what this machine is called there", "", shown="its host name; a daemon's node")

    def check(self) -> None:
        """Whether the settings go together.

        Raises:
            UsageError: they do not.
        """


def described(settings: type[Settings]) -> Iterator[tuple[Field[Any], Says, type, bool]]:
    """Each setting: its field, what is said of it, the type of a value, whether there are several. Own ones first."""
    hints = get_type_hints(settings)
    common = {one.name for one in fields(Settings)}
    for one in sorted(fields(settings), key=lambda one: one.name in common):
        hint = hints[one.name]
        several = get_origin(hint) is tuple
        kinds = [kind for kind in get_args(hint) if kind not in (type(None), Ellipsis)] or [hint]
        yield one, one.metadata[SETTING], kinds[0], several


def made(settings: type[Settings], options: dict[str, Any]) -> Settings:
    """Settings of options that have been checked one by one.

    Raises:
        UsageError: they do not go together.
    """
    value = settings(**options)
    value.check()
    return value
