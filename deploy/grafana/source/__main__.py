"""Writes the dashboards: `make dashboards`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.source import agent, container, overview, timeline

FOLDER = Path(__file__).resolve().parent.parent / "dashboards"


def dashboards() -> dict[str, str]:
    """File name -> JSON text."""
    made = {}
    for module in (overview, container, timeline, agent):
        page: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(module.build().build()))
        for annotation in page.get("annotations", {}).get("list", []):
            # What the data source's own annotations have, and the library does not know.
            annotation |= {
                "titleFormat": "{{rule}}",
                "textFormat": "{{container_name}} {{container_id}}",
                "tagKeys": "level",
            }
        made[f"{page['uid']}.json"] = json.dumps(page, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return made


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    wanted = dashboards()
    for stale in FOLDER.glob("*.json"):
        if stale.name not in wanted:
            stale.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
