"""A page for each default rule in docs/rules: `python -m tests.detect.rule_pages` writes what comes from the rule.

What people write of a rule, its known false positives, stands below that and is left alone.
"""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from eunomia.detect.loading import load
from eunomia.detect.rule import Rule
from eunomia.lab.action import actions, elsewhere

PAGES = Path(__file__).resolve().parents[2] / "docs" / "rules"
INDEX = PAGES / "README.md"
OURS = "## Known false positives"
"""The part that people write."""
_MADE = re.compile(r"\A.*?(?=^## Known false positives$)", re.DOTALL | re.MULTILINE)
_TECHNIQUE = re.compile(r"T(\d{4})(?:\.(\d{3}))?")
_GROUPS = {
    "escape": "Ways out of a container",
    "execution": "Programs that should not run",
    "credentials": "Secrets",
    "privileges": "More rights than before",
    "persistence": "Ways to come back",
    "evasion": "Ways not to be seen",
    "network": "Network, and data",
}
"""Rule files and what they are about."""


@cache
def rules() -> Mapping[str, Rule]:
    """The default rules."""
    return load([]).rules


def slug(name: str) -> str:
    """The page's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def page(rule: Rule) -> Path:
    """Where the rule's page is."""
    return PAGES / f"{slug(rule.name)}.md"


def with_rule(text: str, rule: Rule) -> str:
    """The page with what comes from the rule as it should be."""
    return _made(rule) + (text[found.end() :] if (found := _MADE.match(text)) else f"{OURS}\n")


def _made(rule: Rule) -> str:
    events = ", ".join(sorted(f"`{tracker}.{event}`" for tracker, event in rule.on))
    return f"""# {rule.name}

| level | events | tags |
| --- | --- | --- |
| {rule.level.label} | {events} | {", ".join(_tag(tag) for tag in rule.tags)} |

{_filled(rule.description)}

{_filled(f"**What to do.** {rule.advice}")}

## The rule

```yaml
{_written(rule)}
```

## How it was tested

{_tested(rule)}

"""


def _filled(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 119, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _tag(tag: str) -> str:
    found = _TECHNIQUE.fullmatch(tag)
    if found is None:
        return tag
    return (
        f"[{tag}](https://attack.mitre.org/techniques/{'/'.join(part for part in ('T' + found[1], found[2]) if part)}/)"
    )


def _written(rule: Rule) -> str:
    """Condition, exceptions, and what it says of time, as they stand in the file."""
    lines = Path(rule.place.file).read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line == f"- rule: {rule.name}")
    taken, keeps = [], False
    for line in lines[start + 1 :]:
        if line and not line.startswith(" "):
            break
        key = re.match(r"  (\w+):", line)
        keeps = key[1] in ("on", "condition", "output", "exceptions", "count", "sequence") if key else keeps
        if keeps and line:
            taken.append(line[2:])
    return "\n".join(taken)


@cache
def _actions() -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Rule -> kind, or `limit`, -> names of what the laboratory does."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for one in actions():
        found[one.rule]["limit" if one.limit else one.kind].append(one.name)
    return found


def _tested(rule: Rule) -> str:
    if rule.name in elsewhere():
        return _filled(elsewhere()[rule.name])
    done = _actions()[rule.name]
    said = {
        "attack": "What it must find",
        "evasion": "The same done otherwise",
        "limit": "What is known to be missed",
        "benign": "What must stay silent",
    }
    lines = [
        _filled(f"- {said[kind]}: {', '.join(f'`{name}`' for name in done[kind])}", "  ") for kind in said if done[kind]
    ]
    return "\n".join([f"`eunomia lab run '{rule.name}'` does, in containers:", "", *lines])


_HEAD = """# The default rules

{count} rules, in use without any configuration. `eunomia rules list` prints them, `eunomia rules show NAME` all that
one says; a file of your own changes or switches off any of them (see [the language](../rules-language.md)). Unless its
description says otherwise a rule is about containers.

An `alert` wants a person now. A `warning` is right about what happened, but ordinary programs do it, too: look at it,
and except those. An `event` is kept for the record.

The lists and macros that they share are in `src/eunomia/detect/rules/common.yaml`.
"""


def index() -> str:
    """The table of contents."""
    parts = [_HEAD.format(count=len(rules()))]
    for group, title in _GROUPS.items():
        members = [rule for rule in rules().values() if Path(rule.place.file).stem == group]
        parts.append(f"\n## {title}\n\n| rule | level | why |\n| --- | --- | --- |\n")
        parts += [f"| [{one.name}]({page(one).name}) | {one.level.label} | {_first(one)} |\n" for one in members]
    return "".join(parts)


def _first(rule: Rule) -> str:
    """The first sentence of the description."""
    return re.split(r"(?<=[.:]) (?=[A-Z])|: ", rule.description.strip(), maxsplit=1)[0].rstrip(".:").replace("|", "\\|")


if __name__ == "__main__":
    for one in rules().values():
        page(one).write_text(with_rule(page(one).read_text() if page(one).exists() else "", one))
    INDEX.write_text(index())
