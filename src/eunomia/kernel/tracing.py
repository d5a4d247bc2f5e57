"""A tracker at work in the kernel: its object attached, its ring mapped, its losses counted there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eunomia.host.roots import Roots
from eunomia.kernel import maps
from eunomia.kernel.hooks import Hook, load
from eunomia.kernel.object import Settings
from eunomia.kernel.ring import Records, Ring
from eunomia.kernel.spec import ObjectSpec
from eunomia.schema.layout import enum_names

_EMITTED = "emitted"


class Tracing:
    """One running instance of a tracker's object.

    Args:
        spec: its parsed object.
        hooks: those that this run needs.
        settings: constants and shared maps.

    Attributes:
        ways: hook name -> programs that serve it.
    """

    def __init__(self, spec: ObjectSpec, hooks: Sequence[Hook], settings: Settings, roots: Roots) -> None:
        self.spec = spec
        self.layout = spec.event
        self._object, self.ways = load(spec, hooks, settings, roots)
        try:
            size = settings.ring_bytes or spec.maps["events"].max_entries
            self.ring = Ring(self._object.map_fd("events"), size, self.layout.size)
        except BaseException:
            self._object.close()
            raise

    def drain(self) -> Records | None:
        """What has come since the last time, or None."""
        return self.ring.drain()

    def counters(self) -> Mapping[str, int]:
        """Events emitted, and events lost in the kernel by cause; names as in `enum counter` of eunomia.bpf.h."""
        pointer = self.spec.btf.bare(self.spec.constants["counter_type"].type_id)
        names = [name.replace("_", " ") for name in enum_names(self.spec.btf.bare(pointer.target))][:-1]
        return dict(zip(names, maps.per_cpu_sums(self._object.map_fd("counters"), len(names)).tolist(), strict=True))

    def detach(self) -> None:
        """Takes the programs off their hooks; what is in the ring stays."""
        self._object.detach()

    def close(self) -> None:
        """Detaches, unmaps and frees everything."""
        self.detach()
        self.ring.close()
        self._object.close()
