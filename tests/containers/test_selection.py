"""Which containers `-c` means."""

from __future__ import annotations

import re

import pytest

from eunomia.containers.cgroup_path import ContainerRef
from eunomia.containers.container import Container
from eunomia.containers.description import Description
from eunomia.containers.selection import Known, Selection, select
from eunomia.errors import UsageError

WEB, DB, CACHE = "ab12" + "0" * 60, "ab34" + "0" * 60, "cd00" + "0" * 60
KNOWN = (Known(WEB, "web"), Known(DB, "db"), Known(CACHE, None))


def chosen(*wanted: str, wait: bool = False) -> tuple[Selection, list[str]]:
    return select(wanted, KNOWN, wait=wait, advice="; see --wait")


def selection(ids: tuple[str, ...] = (), names: tuple[str, ...] = ()) -> Selection:
    return Selection(frozenset(ids), frozenset(names))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        # The name too: whoever has it later is meant as well.
        ("web", selection((WEB,), ("web",))),
        ("/web", selection((WEB,), ("web",))),
        (WEB, selection(ids=(WEB,))),
        (WEB[:12], selection(ids=(WEB,))),
        ("ab1", selection(ids=(WEB,))),
        ("cd", selection(ids=(CACHE,))),
    ],
)
def test_one(wanted: str, expected: Selection) -> None:
    assert chosen(wanted) == (expected, [])


def test_several() -> None:
    assert chosen("web", "cd", "db", "web") == (selection((WEB, DB, CACHE), ("web", "db")), [])
    assert chosen() == (Selection(), [])
    assert not Selection()
    assert chosen("web")[0]


def test_pods() -> None:
    in_pod = ("shop", "prod/shop", "shop/web", "prod/shop/web")
    known = (Known(WEB, "web", in_pod), Known(DB, "shop", ("shop", "prod/shop")), Known(CACHE, "web"))
    for text, ids in (("shop", (WEB, DB)), ("prod/shop", (WEB, DB)), ("shop/web", (WEB,)), ("web", (WEB, CACHE))):
        assert select([text], known, wait=False, advice="") == (selection(ids, (text,)), [])


def test_an_exact_name_goes_before_the_beginning_of_an_id() -> None:
    named = "ee" + "0" * 62
    found, _ = select(["ab"], (*KNOWN, Known(named, "ab")), wait=False, advice="")
    assert found == selection((named,), ("ab",))


def test_ambiguous() -> None:
    with pytest.raises(UsageError, match=r"'ab' is the beginning of 2 container ids") as caught:
        chosen("ab")
    for part in (WEB[:12] + " (web)", DB[:12] + " (db)", "give more of it"):
        assert part in str(caught.value)


def test_ambiguous_among_very_many() -> None:
    known = [Known(f"ab{number:062x}", None) for number in range(100)]
    with pytest.raises(UsageError, match="beginning of 100") as caught:
        select(["ab"], known, wait=True, advice="")
    assert len(str(caught.value)) < 300
    assert "(no name)" in str(caught.value)


@pytest.mark.parametrize("too_short", ["a", "c"])
def test_one_digit_is_no_beginning(too_short: str) -> None:
    with pytest.raises(UsageError, match="no container"):
        chosen(too_short)


@pytest.mark.parametrize(("wrong", "nearest"), [("wbe", "web"), ("dbb", "db"), ("WEB1", "")])
def test_unknown_names_the_nearest(wrong: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=rf"no container '{wrong}'.*; see --wait$") as caught:
        chosen(wrong)
    told = str(caught.value)
    assert "the nearest are" in told
    assert nearest in told
    # Whatever was asked for, ids of what there is are told.
    assert re.search(r"\([0-9a-f]{12}\)", told)


def test_unknown_where_there_is_nothing() -> None:
    with pytest.raises(UsageError, match="no container 'web': no container is known at all; start it"):
        select(["web"], (), wait=False, advice="; start it")


def test_waiting() -> None:
    assert chosen("later", "web", wait=True) == (selection((WEB,), ("later", "web")), ["later"])
    assert chosen("dead", wait=True) == (selection(ids=("dead",), names=("dead",)), ["dead"])
    assert chosen("ABCD", wait=True) == (selection(names=("ABCD",)), ["ABCD"])


def container(
    container_id: str, name: str | None = None, *, answered: bool = True, outer: Container | None = None
) -> Container:
    return Container(ContainerRef(container_id, "docker"), outer, name, answered=answered)


@pytest.mark.parametrize(
    ("wanted", "found", "matches"),
    [
        (selection(names=("web",)), container(WEB, "web"), True),
        (selection(names=("web",)), container(WEB, "webs"), False),
        (selection(names=("web",)), container(WEB), False),
        (selection(names=("web",)), container(WEB, answered=False), None),
        (selection(ids=(WEB,)), container(WEB, answered=False), True),
        (selection(ids=("ab",)), container(DB, answered=False), True),
        (selection(ids=(WEB,)), container(DB, answered=False), False),
        (selection((WEB,), ("web",)), container(DB, answered=False), None),
        (selection(ids=(WEB,)), container(DB, outer=container(WEB)), True),
        (selection(names=("web",)), container(DB, "db", outer=container(WEB, "web")), True),
        (selection(names=("web",)), container(DB, "db", outer=container(WEB, answered=False)), None),
        (selection(names=("db",)), container(DB, "db", outer=container(WEB, answered=False)), True),
        (selection(names=("x",)), container(DB, "db", outer=container(WEB, "web")), False),
        (Selection(), container(WEB, answered=False), False),
    ],
)
def test_matches(wanted: Selection, found: Container, matches: bool | None) -> None:
    assert wanted.matches(found) is matches


def test_matches_by_pod() -> None:
    found = container(WEB, "web")
    found.description = Description(WEB, "web", pod_name="shop", pod_namespace="prod")
    for name in ("web", "shop", "prod/shop", "shop/web", "prod/shop/web"):
        assert selection(names=(name,)).matches(found) is True
    assert selection(names=("prod",)).matches(found) is False
