"""The tables of keys in docs/*.md: `python -m tests.configfile.page` writes them there."""

from __future__ import annotations

import re
from pathlib import Path

from eunomia.configfile.daemon_keys import DAEMON_TABLES
from eunomia.configfile.databases import DATABASE_TABLES
from eunomia.configfile.keys import TABLES, Key, Table
from eunomia.configfile.policy import POLICY_TABLES
from eunomia.configfile.push import PUSH_TABLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
DAEMON_PAGE = PAGE.with_name("daemon.md")
POLICY_PAGE = PAGE.with_name("policy.md")
DATABASES_PAGE = PAGE.with_name("databases.md")
PUSH_PAGE = PAGE.with_name("push.md")
_TYPES = {bool: "boolean", int: "whole number", float: "number", str: "text"}
_TABLE = re.compile(r"<!-- keys of (?P<of>.*?) -->\n(?P<rows>.*?)<!-- end -->", re.DOTALL)


def _row(key: Key) -> str:
    kind = " or ".join(_TYPES[one] for one in key.types) + (", one or an array" if key.several else "")
    choices = f" ({', '.join(key.choices)})" if key.choices else ""
    default = "it must be there" if key.required else key.default or "none"
    return f"| `{key.name}` | {kind}{choices} | {default} | {key.description} |\n"


def rows(table: Table) -> str:
    """A table's keys as Markdown."""
    made = "| key | value | default | what it does |\n| --- | --- | --- | --- |\n"
    made += "".join(_row(key) for key in table.keys)
    return made + "".join(f"| `{name}` | table | none | {description} |\n" for name, description in table.tables)


def title(table: Table) -> str:
    """What a table is called in the page."""
    return table.header or "the file"


def with_tables(text: str) -> str:
    """The page with its tables as they should be."""
    tables = (*TABLES, *DAEMON_TABLES, *DATABASE_TABLES, *POLICY_TABLES, *PUSH_TABLES)
    made = {title(table): rows(table) for table in tables}
    return _TABLE.sub(lambda match: f"<!-- keys of {match['of']} -->\n{made[match['of']]}<!-- end -->", text)


def examples(text: str) -> list[str]:
    """The configurations in the page."""
    return re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


if __name__ == "__main__":
    for page in (PAGE, DAEMON_PAGE, DATABASES_PAGE, POLICY_PAGE, PUSH_PAGE):
        page.write_text(with_tables(page.read_text()))
