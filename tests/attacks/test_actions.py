"""What the laboratory is made of: names, kinds, scripts."""

from __future__ import annotations

import re
import subprocess
from collections import Counter

import pytest

from eunomia.errors import UsageError
from eunomia.lab.action import Kind, actions, elsewhere, read, select
from tests.detect.rule_pages import rules

RULES = dict.fromkeys(one.rule for one in actions())


def test_names_are_unique_and_fit_into_a_containers_name() -> None:
    names = Counter(one.name for one in actions())
    assert [name for name, times in names.items() if times > 1] == []
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9-]{2,40}", name)] == []


@pytest.mark.parametrize("rule", RULES)
def test_rule_has_all_kinds(rule: str) -> None:
    assert {one.kind for one in actions() if one.rule == rule} == set(Kind)


def test_each_default_rule_is_put_to_the_test() -> None:
    assert {*RULES, *elsewhere()} == set(rules())
    assert not {*RULES} & {*elsewhere()}


def test_what_cannot_be_done_says_why() -> None:
    assert [one.name for one in actions() if "exit 77" in one.script] == []


def test_only_attacks_have_limits() -> None:
    limited = [one for one in actions() if one.limit]
    assert limited
    assert not [one.name for one in limited if one.kind is Kind.BENIGN]


def test_scripts_are_shell() -> None:
    for one in actions():
        checked = subprocess.run(["sh", "-n", "-c", one.script], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, f"{one.name}: {checked.stderr}"


def test_rules_named_besides_are_known() -> None:
    assert {rule for one in actions() for rule in (*one.also, *one.instead)} <= set(RULES)


def test_a_group_speaks_for_its_actions() -> None:
    (attack, evasion, benign) = read("""
- rule: A rule
  options: [--cap-add=SYS_ADMIN]
  before: "cd /tmp\\n"
  also: [Another]
  attack:
    plain: ls
  evasion:
    blind:
      script: ls -l
      limit: nobody sees it
  benign:
    more:
      options: [--tty]
      script: pwd
""")
    assert (attack.name, attack.kind, attack.script, attack.also) == ("plain", Kind.ATTACK, "cd /tmp\nls", ("Another",))
    assert (evasion.script, evasion.limit, attack.limit) == ("cd /tmp\nls -l", "nobody sees it", "")
    assert (benign.kind, benign.options, benign.script) == (
        Kind.BENIGN,
        ("--cap-add=SYS_ADMIN", "--tty"),
        "cd /tmp\npwd",
    )


def test_selection_by_name_and_by_rule() -> None:
    first = actions()[0]
    assert select([first.name]) == [first]
    assert set(select([first.rule])) == {one for one in actions() if one.rule == first.rule}
    assert select([]) == list(actions())


def test_a_wrong_name_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="'shadwo'; did you mean shadow"):
        select(["shadow-openat2", "shadwo"])
