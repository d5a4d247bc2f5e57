"""The columns that a tracker's batches have at the end of its chain, as its object file tells them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eunomia.containers.identify import COLUMNS
from eunomia.containers.peers import with_peers
from eunomia.detect.context import Context
from eunomia.detect.processes import Processes
from eunomia.host.roots import Roots
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec
from eunomia.schema.batch import Schema
from eunomia.trackers import registry


def schema_of(name: str, given: Mapping[str, Any]) -> Schema:
    """The columns with these options, the container's among them. Needs no privileges."""
    spec, tracker = ObjectSpec.read(object_file(registry.folder(name), name)), registry.get(name)
    options = tracker.settle(given)
    counts = tracker.interval(options) is not None
    schema = (spec.total if counts else spec.event).schema
    for handler in tracker.fold(options, schema, Roots()) if counts else ():
        schema = handler.columns(schema)
    schema = with_peers(schema.insert(COLUMNS, after="time"))
    for handler in tracker.handlers(options, schema, Roots()):
        schema = handler.columns(schema)
    return schema


_FOR_RULES: Mapping[str, Mapping[str, Any]] = {
    "files": {"events": True},
    "process": {"credentials": True, "namespaces": True, "comms": True},
    "syscall": {"events": True},
}
"""Options with which a tracker reports every event that a rule can be about."""


def rule_schemas() -> dict[str, Schema]:
    """The columns of each tracker's events, as rules can be about them. Needs no privileges."""
    context = Context(Processes())
    return {name: context.columns(schema_of(name, _FOR_RULES.get(name, {}))) for name in registry.names()}
