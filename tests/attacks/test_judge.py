"""Verdicts, and the figures made of them."""

from __future__ import annotations

from dataclasses import replace

from eunomia.lab.action import Action, Kind
from eunomia.lab.docker import Done
from eunomia.lab.figures import page, share, summary
from eunomia.lab.judge import Judgement, Verdict, judge
from eunomia.lab.runner import IMPOSSIBLE, Performance
from eunomia.lab.seen import Seen
from eunomia.lab.session import Events, Session


def performed(kind: Kind = Kind.ATTACK, code: int = 0, *, also: str = "Brought along") -> Performance:
    return Performance(Action("x", "Rule", kind, "true", (), (also,), ("As good",)), "lab-x", Done(code, "said"))


def verdict(performance: Performance, *alerts: tuple[str, str]) -> Judgement:
    seen = [Seen("lab-x", rule, level) for rule, level in alerts]
    (made,) = judge([performance], [*seen, Seen("web", "Rule", "alert"), Seen("", "Rule", "alert")])
    return made


def test_attack_found() -> None:
    made = verdict(performed(), ("Rule", "warning"), ("Brought along", "alert"), ("Rule", "warning"))
    assert (made.verdict, made.others, made.mentions, made.right) == (Verdict.DETECTED, (), (), True)


def test_attack_found_in_a_container_whose_name_nobody_told() -> None:
    made = replace(performed(), done=Done(0, "", "0123456789ab" + "c" * 52))
    seen = [Seen("", "Rule", "alert", container_id="0123456789ab"), Seen("", "Other", "alert", container_id="host")]
    (judged,) = judge([made], seen)
    assert (judged.verdict, judged.others) == (Verdict.DETECTED, ())


def test_attack_missed() -> None:
    made = verdict(performed(), ("Brought along", "alert"))
    assert (made.verdict, made.right) == (Verdict.MISSED, False)


def test_what_is_known_to_be_missed_may_be() -> None:
    blind = replace(performed(Kind.EVASION), action=replace(performed(Kind.EVASION).action, limit="nobody sees it"))
    missed, found = verdict(blind), verdict(blind, ("Rule", "alert"))
    assert (missed.verdict, missed.right, missed.why) == (Verdict.LIMIT, True, "nobody sees it")
    assert (found.verdict, found.right, found.why) == (Verdict.DETECTED, True, "")
    assert not verdict(blind, ("Other", "alert")).right
    assert str(share([missed, found], Kind.EVASION)) == "1/2"
    assert "| x | Rule | nobody sees it |" in page(Session([missed]), "a machine")


def test_evasion_found_by_a_rule_as_good() -> None:
    assert verdict(performed(Kind.EVASION), ("As good", "warning")).verdict is Verdict.DETECTED


def test_another_rules_alert_is_wrong_and_its_warning_is_told() -> None:
    made = verdict(performed(), ("Rule", "alert"), ("Other", "alert"), ("Third", "warning"), ("Other", "alert"))
    assert (made.verdict, made.others, made.mentions, made.right) == (Verdict.DETECTED, ("Other",), ("Third",), False)


def test_benign() -> None:
    assert verdict(performed(Kind.BENIGN)).verdict is Verdict.SILENT
    assert verdict(performed(Kind.BENIGN), ("Rule", "event")).verdict is Verdict.FALSE_ALARM
    assert not verdict(performed(Kind.BENIGN), ("Other", "alert")).right


def test_what_was_not_done_says_nothing_of_the_rule() -> None:
    impossible, broken = verdict(performed(code=IMPOSSIBLE)), verdict(performed(code=1))
    assert (impossible.verdict, impossible.right) == (Verdict.IMPOSSIBLE, True)
    assert (broken.verdict, broken.right, broken.said) == (Verdict.BROKEN, False, "exit code 1: said")


def test_figures() -> None:
    made = [
        verdict(performed(), ("Rule", "alert")),
        verdict(performed()),
        verdict(performed(), ("Rule", "alert"), ("Other", "alert")),
        verdict(performed(code=IMPOSSIBLE)),
        verdict(performed(Kind.BENIGN)),
    ]
    assert str(share(made, Kind.ATTACK)) == "2/3"
    assert summary(made) == {
        "attacks detected": "2/3 (66.7 %)",
        "evasions detected": "- (-)",
        "benign actions without their rule": "1/1 (100.0 %)",
        "missed, and known to be": "0",
        "actions with another rule's alert": "1",
        "not possible on this machine": "1",
        "not done": "0",
    }
    written = page(Session(made, Events(1234, 5), ("x", "y")), "a machine")
    assert "Machine: a machine. 1,234 events, of which 5 were lost. Since events were lost, these were" in written
    assert "done again: x, y." in written
    assert "| Rule | 2/3 | - | 1/1 |" in written
    assert "| x | Rule | attack | missed | - |" in written
    assert "| x | Rule | said |" in written
    assert "| Module loaded on the host | On guest kernels" in written
    assert "| x | Rule | attack | detected | Other (alert) |" in written
