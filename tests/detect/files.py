"""Rule files that tests write, and what comes of them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from eunomia.configfile.columns import rule_schemas
from eunomia.detect.loading import load
from eunomia.detect.mistakes import RulesError
from eunomia.detect.rule import Rule, RuleSet
from eunomia.detect.tree import And, Check, Exists, FieldRef, MacroRef, Node, Not, Or
from eunomia.schema.batch import Schema

SCHEMAS = cache(rule_schemas)


class Files:
    """Rule files in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, *texts: str) -> list[Path]:
        """A file for each text: 1.yaml, 2.yaml …"""
        paths = []
        for number, text in enumerate(texts, start=1):
            path = self._directory / f"{number}.yaml"
            path.write_text(textwrap.dedent(text))
            paths.append(path)
        return paths

    def load(self, *texts: str, schemas: Mapping[str, Schema] | None = None) -> RuleSet:
        """The rules of these files, without the default ones."""
        return load(self.write(*texts), default=False, schemas=SCHEMAS() if schemas is None else schemas)

    def rule(self, *texts: str) -> Rule:
        """The one rule of these files."""
        (rule,) = self.load(*texts).rules.values()
        return rule

    def wrong(self, *texts: str) -> list[str]:
        """What is wrong with these files, without the directory."""
        with pytest.raises(RulesError) as error:
            self.load(*texts)
        return [mistake.removeprefix(f"{self._directory}/") for mistake in error.value.mistakes]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A place for rule files."""
    return Files(tmp_path)


def shown(node: Node) -> str:
    """A condition in one line, with all its parentheses."""
    match node:
        case And(parts):
            return f"({' and '.join(map(shown, parts))})"
        case Or(parts):
            return f"({' or '.join(map(shown, parts))})"
        case Not(part):
            return f"not {shown(part)}"
        case Exists(field):
            return f"{_field(field)} exists"
        case MacroRef(name):
            return name
        case Check(field, operator, values):
            texts = [value if isinstance(value, str) else f"val({_field(value)})" for value in values]
            listed = f"({', '.join(texts)})" if operator in ("in", "pmatch", "intersects") else " ".join(texts)
            return f"{_field(field)} {operator} {listed}"


def _field(field: FieldRef) -> str:
    return field.name if field.argument is None else f"{field.name}[{field.argument}]"
