"""Rules from files: the package's own, and the user's laid over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from eunomia.detect.building import Builder
from eunomia.detect.checking import Checks
from eunomia.detect.drafts import Drafts
from eunomia.detect.mistakes import Mistakes, nearest
from eunomia.detect.nodes import read
from eunomia.detect.rule import Place, Rule, RuleSet
from eunomia.schema.batch import Schema

DEFAULT = Path(__file__).parent / "rules"
"""Where the default rules are."""
OURS = "eunomia"
"""Origin of the default rules."""
_ENDINGS = (".yaml", ".yml")


def load(
    paths: Sequence[Path],
    *,
    default: bool = True,
    schemas: Mapping[str, Schema] | None = None,
    extra: Sequence[Rule] = (),
) -> RuleSet:
    """Reads rule files; later ones may change what earlier ones define.

    Args:
        paths: files, or directories of which all `*.yaml` and `*.yml` are read, by name.
        default: whether the package's own rules come first.
        schemas: the columns of each tracker's events; with them every event, field and comparison is checked.
        extra: rules that come from elsewhere, such as `detect.danger`.

    Raises:
        RulesError: with every mistake, at its file, line and column.
    """
    mistakes = Mistakes()
    drafts = Drafts(mistakes)
    if default:
        for file in _files(DEFAULT):
            drafts.add(read(file, mistakes), OURS)
    for path in paths:
        files = _files(path) if path.is_dir() else [path]
        if not files:
            mistakes.warn(Place(str(path), 1, 1), f"no rules: a directory without {' or '.join(_ENDINGS)} files")
        for file in files:
            drafts.add(read(file, mistakes), str(file))
    builder = Builder(drafts, Checks(schemas or {}, mistakes), mistakes)
    made = (builder.rule(draft) for draft in drafts.rules.values())
    rules = {rule.name: rule for rule in made if rule is not None}
    for rule in extra:
        if rule.name in rules:
            mistakes.add(rule.place, f"there is a rule {rule.name!r} already, at {rules[rule.name].place}")
        rules[rule.name] = rule
    mistakes.check()
    return RuleSet(rules, mistakes.warnings)


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir() if path.suffix in _ENDINGS and path.is_file())


def find(rules: RuleSet, name: str) -> Rule:
    """A rule by its name, whatever the case.

    Raises:
        KeyError: there is none; with the nearest names.
    """
    found = {rule.name.casefold(): rule for rule in rules.rules.values()}
    if name.casefold() in found:
        return found[name.casefold()]
    raise KeyError(f"there is no rule {name!r}; {nearest(name, rules.rules)}")
