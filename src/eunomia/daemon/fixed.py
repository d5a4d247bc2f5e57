"""What of a configuration stays as it is until the daemon is started anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from eunomia.config import DaemonConfig, PrometheusConfig, PushConfig
from eunomia.trackers import registry

_KEYS = {
    **{name: f"{name} in [daemon]" for name in ("state_dir", "socket", "node", "stdout", "ring_bytes")},
    "docker_host": "docker_host",
    "filter": "[filter]",
}
"""Of the configuration -> where it stands in the file."""
_SECTIONS = ("databases", "prometheus")
"""The same of what stands in sections of other names."""


def kept(before: DaemonConfig, after: DaemonConfig) -> DaemonConfig:
    """A configuration for one that works by another: with that one's for all that stays."""
    return replace(after, **{name: getattr(before, name) for name in (*_KEYS, *_SECTIONS)})


def changed(before: DaemonConfig, after: DaemonConfig) -> list[str]:
    """What of that differs, called as in the file."""
    keys = [where for name, where in _KEYS.items() if getattr(before, name) != getattr(after, name)]
    old, new = _sections(before), _sections(after)
    return keys + [f"[{name}]" for name in sorted({**old, **new}) if old.get(name) != new.get(name)]


def _sections(config: DaemonConfig) -> dict[str, Any]:
    # Without [prometheus] all but serving is as by default, which is what [otlp] alone makes of it.
    metrics = config.prometheus or PrometheusConfig(None, trackers=registry.counting())
    return {
        **{one.type: one for one in config.databases},
        "prometheus": replace(metrics, remote_write=None, otlp=None),
        "prometheus.remote_write": _nameless(metrics.remote_write),
        "otlp": _nameless(metrics.otlp),
    }


def _nameless(push: PushConfig | None) -> PushConfig | None:
    """Without the daemon's node, which stands elsewhere."""
    return push and replace(push, node=None)
