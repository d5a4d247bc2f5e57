"""For each tracker, something that makes every one of its hooks fire: `tests/trackers/NAME/provoke.py`.

A tracker without one fails its tests.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

from eunomia.trackers import registry


def _provoke(tracker: str) -> Callable[[], None]:
    provoke: Callable[[], None] = importlib.import_module(f"tests.trackers.{tracker}.provoke").provoke
    return provoke


PROVOKE: Mapping[str, Callable[[], None]] = {name: _provoke(name) for name in registry.names()}
