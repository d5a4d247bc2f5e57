"""Falco's fields: what each says, and what it is made of here."""

from __future__ import annotations

from collections.abc import Mapping

from eunomia.detect import fields_of_containers, fields_of_events, fields_of_files, fields_of_processes
from eunomia.detect.field import FieldInfo

_PARTS = (fields_of_events, fields_of_files, fields_of_processes, fields_of_containers)
KNOWN: Mapping[str, FieldInfo] = {info.name: info for part in _PARTS for info in part.FIELDS}
"""Falco's fields by name."""
