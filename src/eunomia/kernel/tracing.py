"""A tracker at work in the kernel: its object attached, its ring mapped, its losses counted there."""

from __future__ import annotations

from collections.abc import Sequence

from eunomia.host.roots import Roots
from eunomia.kernel.counters import Counters
from eunomia.kernel.hooks import Hook, load
from eunomia.kernel.object import Settings
from eunomia.kernel.ring import Records, Ring
from eunomia.kernel.spec import ObjectSpec


class Tracing:
    """One running instance of a tracker's object.

    Args:
        spec: its parsed object.
        hooks: those that this run needs.
        settings: constants and shared maps.

    Attributes:
        trials: the ways to its hooks that were refused, and those taken.
    """

    def __init__(self, spec: ObjectSpec, hooks: Sequence[Hook], settings: Settings, roots: Roots) -> None:
        self.spec = spec
        self.layout = spec.event
        self._object, self.trials = load(spec, hooks, settings, roots)
        try:
            size = settings.max_entries.get("events", spec.maps["events"].max_entries)
            self.ring = Ring(self._object.map_fd("events"), size, self.layout.size)
        except BaseException:
            self._object.close()
            raise

    def drain(self) -> Records | None:
        """What has come since the last time, or None."""
        return self.ring.drain()

    def counters(self) -> Counters:
        """What has been counted in the kernel until now."""
        return self._object.counters()

    def detach(self) -> None:
        """Takes the programs off their hooks; what is in the ring stays."""
        self._object.detach()

    def close(self) -> None:
        """Detaches, unmaps and frees everything."""
        self.detach()
        self.ring.close()
        self._object.close()
