"""Servers that end with their module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import Shell
from tests.sinks.databases.servers import Influx, Postgres, Server, Victoria


@pytest.fixture(scope="module")
def influx() -> Iterator[Server]:
    """InfluxDB with a database `eunomia`."""
    with Influx() as server:
        server.query("CREATE DATABASE eunomia")
        yield server


@pytest.fixture(scope="module")
def victoria() -> Iterator[Server]:
    """VictoriaMetrics."""
    with Victoria() as server:
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    """PostgreSQL."""
    with Postgres() as server:
        yield server


@pytest.fixture
def password(tmp_path: Path) -> str:
    """The file with PostgreSQL's password."""
    (tmp_path / "password").write_text("secret\n")
    return str(tmp_path / "password")


@pytest.fixture
def shell() -> Iterator[Shell]:
    """A shell to watch."""
    made = Shell()
    yield made
    made.close()
