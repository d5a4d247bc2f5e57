"""The table of fields in docs/rules-language.md: `python -m tests.detect.page` writes it there."""

from __future__ import annotations

import re
from pathlib import Path

from eunomia.detect.field import FieldInfo
from eunomia.detect.known import KNOWN

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rules-language.md"
_TABLE = re.compile(r"<!-- fields -->\n.*?<!-- end -->", re.DOTALL)
_ARGUMENT = {"": "", "optional": " or with `[…]`", "required": "`[…]`"}


def _row(info: FieldInfo) -> str:
    written = f"`{info.name}`{_ARGUMENT[info.arguments]}" if info.arguments != "required" else f"`{info.name}[…]`"
    kind = info.type.value
    if info.type_with_argument is not None:
        kind += f"; with `[…]` {info.type_with_argument.value}"
    return f"| {written} | {kind} | {info.description.replace('|', chr(92) + '|')} |\n"


def with_fields(text: str) -> str:
    """The page with its table as it should be."""
    made = "| field | type | what it says |\n| --- | --- | --- |\n" + "".join(map(_row, KNOWN.values()))
    return _TABLE.sub(lambda _: f"<!-- fields -->\n{made}<!-- end -->", text)


def examples(text: str) -> list[str]:
    """The rules in the page, each laid over those before it."""
    return re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


if __name__ == "__main__":
    PAGE.write_text(with_fields(PAGE.read_text()))
