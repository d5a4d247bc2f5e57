"""Servers that end with their test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sinks.alerts.servers import WebServer


@pytest.fixture
def web() -> Iterator[WebServer]:
    """A web server that listens."""
    with WebServer() as server:
        yield server
