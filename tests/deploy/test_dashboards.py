"""The dashboards are what their source makes, and lead to each other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.grafana.source.__main__ import FOLDER, dashboards

_WANTED = dashboards()
_PAGES = {name: json.loads(text) for name, text in _WANTED.items()}


def panels(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in page["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", [])
        else:
            yield panel


def test_the_files_are_those_that_the_source_makes() -> None:
    there = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert there == _WANTED, "run `make dashboards`"


@pytest.mark.parametrize("name", _WANTED)
def test_every_panel_says_what_it_shows(name: str) -> None:
    for panel in panels(_PAGES[name]):
        assert panel["description"], panel["title"]
        assert panel["targets"], panel["title"]


@pytest.mark.parametrize("name", _WANTED)
def test_links_lead_to_dashboards_that_are_there(name: str) -> None:
    uids = {page["uid"] for page in _PAGES.values()}
    found = set(re.findall(r"/d/([a-z-]+)", _WANTED[name]))
    assert found
    assert found <= uids
    assert {link["url"].removeprefix("/d/") for link in _PAGES[name]["links"]} == uids - {_PAGES[name]["uid"]}


@pytest.mark.parametrize("name", _WANTED)
def test_panels_do_not_lie_on_each_other(name: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in _PAGES[name]["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert x < 24
                assert (x, y) not in taken, (panel["title"], taken.get((x, y)))
                taken[x, y] = panel["title"]
