"""`eunomia doctor`: what works here, and why something does not."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click

from eunomia.cli import options, values
from eunomia.cli.terminal import print_table
from eunomia.containers.runtime import UNUSABLE
from eunomia.containers.runtimes import Runtimes
from eunomia.errors import EunomiaError
from eunomia.host.hierarchies import detect
from eunomia.host.procfs import Procfs
from eunomia.host.roots import Roots
from eunomia.kernel import libbpf
from eunomia.kernel.features import BTF, missing_capabilities, tracefs
from eunomia.kernel.hooks import try_way
from eunomia.kernel.object import Settings
from eunomia.kernel.paths import object_file
from eunomia.kernel.spec import ObjectSpec
from eunomia.respond.lsm.denier import reason
from eunomia.targets import container_hierarchy
from eunomia.trackers import registry

_RUNTIMES = {"docker": "Docker", "containerd": "containerd", "cri": "CRI", "podman": "Podman"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `state` is ok, note (works without) or fail."""

    subject: str
    state: str
    detail: str


def _kernel(roots: Roots) -> Iterator[Finding]:
    yield Finding("kernel", "ok", f"{platform.release()} {platform.machine()}")
    has_btf = (roots.sys / BTF).exists()
    yield Finding(
        "BTF", "ok" if has_btf else "fail", f"{roots.sys / BTF}" if has_btf else "CONFIG_DEBUG_INFO_BTF unset"
    )
    try:
        yield Finding("libbpf", "ok", libbpf.version())
    except EunomiaError as error:
        yield Finding("libbpf", "fail", str(error))
    place = tracefs(roots)
    yield Finding(
        "tracefs",
        "ok" if place else "note",
        str(place)
        if place
        else "not mounted: a few hooks take a dearer way (mount -t tracefs none /sys/kernel/tracing)",
    )


def _privileges(roots: Roots) -> Iterator[Finding]:
    missing = missing_capabilities(roots)
    yield Finding("privileges", "fail" if missing else "ok", f"missing: {', '.join(missing)}" if missing else "enough")
    inside = Procfs(roots).in_initial_pid_namespace() is False
    yield Finding(
        "PID namespace",
        "note" if inside else "ok",
        "not the host's: pids are the host's all the same, and this program sees itself; use --pid host"
        if inside
        else "the host's",
    )


def _policies(roots: Roots) -> Finding:
    """Whether containers can be held to a policy by the kernel."""
    why = reason(roots)
    detail = (
        "policies can be enforced: eunomia seccomp apply FILE --via lsm" if why is None else f"{why}; --via seccomp"
    )
    return Finding("BPF LSM", "note" if why else "ok", detail)


def _containers(roots: Roots) -> Iterator[Finding]:
    try:
        layout, chosen = detect(roots), container_hierarchy(roots)
        told = f"{layout.kind}; containers are told apart by {chosen.name} at {chosen.mount}"
        yield Finding("cgroups", "ok", told)
    except EunomiaError as error:
        yield Finding("cgroups", "fail", str(error))
    yield from _runtimes(roots)


def _runtimes(roots: Roots) -> Iterator[Finding]:
    """Each runtime that has a socket, and which kinds have none."""
    try:
        found = Runtimes(roots, values.docker_host()).found()
    except EunomiaError as error:
        yield Finding("Docker", "note", f"{error}; containers are shown by id")
        return
    for kind, name in _RUNTIMES.items():
        ours = [one for one in found if one.kind == kind]
        for one in ours:
            try:
                yield Finding(name, "ok", f"{one.version()} at {one.address}")
            except UNUSABLE as error:
                yield Finding(name, "note", f"{error}; its containers are shown by id")
        if not ours:
            yield Finding(name, "note", f"has no socket below {roots.run}")


def _hooks(name: str, roots: Roots) -> Iterator[Finding]:
    """For each hook of a tracker, its ways in order: the first that works is what a run takes."""
    tracker = registry.get(name)
    spec = ObjectSpec.read(object_file(registry.folder(name), name))
    for hook in tracker.hooks:
        trials = [try_way(spec, hook, way, Settings(), roots) for way in hook.ways]
        taken = next((trial for trial in trials if trial.reason is None), None)
        told = [f"{', '.join(trial.sections)}: {_first_line(trial.reason)}" for trial in trials if trial.reason]
        if taken is not None:
            others = [", ".join(t.sections) for t in trials if t.reason is None and t is not taken]
            told = [", ".join(taken.sections), *(f"also {other}" for other in others), *(f"not {one}" for one in told)]
        state = "ok" if taken else "note" if hook.optional else "fail"
        yield Finding(f"{name}: {hook.name}", state, "; ".join(told))


def _first_line(text: str | None) -> str:
    return (text or "").splitlines()[0]


def examine(roots: Roots) -> Iterator[Finding]:
    """Everything, in the order in which a person would ask."""
    yield from _kernel(roots)
    yield from _privileges(roots)
    yield from _containers(roots)
    if missing_capabilities(roots):
        yield Finding("trackers", "note", "not tried: that needs the privileges above")
        return
    yield _policies(roots)
    for name in registry.names():
        yield from _hooks(name, roots)


_EXAMPLES = """\b
Examples:
  eunomia doctor
  eunomia doctor --fmt json | jq -r 'select(.state == "fail").detail'
"""


@click.command(epilog=_EXAMPLES)
@options.FORMAT
def command(fmt: str) -> None:
    """Check what works on this kernel, and why something does not. Exit code 1 when something that is needed fails."""
    findings = list(examine(Roots()))
    if fmt == "json":
        for finding in findings:
            click.echo(json.dumps(asdict(finding)))
    else:
        print_table(("what", "state", "detail"), [(one.subject, one.state, one.detail) for one in findings])
    if any(finding.state == "fail" for finding in findings):
        raise click.exceptions.Exit(1)
