"""docs/sinks.md shows how to write a database: what stands there works."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from eunomia.sinks.databases.writing import Writer
from tests.sinks.alerts.servers import WebServer
from tests.sinks.databases.rows import numbered
from tests.sinks.samples import SCHEMA
from tests.waiting import until

PAGE = Path(__file__).resolve().parents[3] / "docs" / "sinks.md"
IMPORTS = """
from collections.abc import Sequence
from dataclasses import dataclass
import polars as pl
from eunomia.schema.batch import Schema
from eunomia.sinks.databases.database import Database, Encode
from eunomia.sinks.databases.settings import Settings, absolute, secret, setting
from eunomia.sinks.sending.http import Poster, Url
"""


def test_the_example_writes_rows(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    web = WebServer(read=lambda body: [json.loads(line) for line in body.splitlines()])
    web.start()
    made: dict[str, Any] = {"__name__": __name__}
    exec(IMPORTS + example, made)  # noqa: S102 (what a reader would write)
    settings = made["ExampleSettings"](url=f"http://127.0.0.1:{web.port}", every_s=0.1)
    writer = Writer("example", made["Example"](settings), settings, tmp_path / "spool", "n1")
    try:
        sink = writer.sink("process", SCHEMA)
        sink.handle(numbered(0, 10))
        sink.flush()
        until(lambda: writer.counts.delivered == 10)
    finally:
        writer.close()
        web.stop()
    (rows,) = web.bodies
    assert [(row["pid"], row["tracker"], row["node"]) for row in rows] == [(n, "process", "n1") for n in range(10)]
