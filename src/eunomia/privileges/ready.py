"""Files that put a recommendation into effect: for Docker, Compose, Kubernetes and systemd."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from eunomia.privileges import formats, oci
from eunomia.privileges.deployment import Deployment
from eunomia.privileges.profile import Profile

PROFILE = "seccomp.json"
_DOCKER, _COMPOSE, _POD, _LIST = "docker-run.txt", "compose.yaml", "pod-security-context.yaml", "syscalls.txt"


def files(settings: Deployment, profile: Profile | None, page: str) -> dict[str, str]:
    """Name -> text of each file; a name may have a directory.

    Args:
        settings: what the container is started with.
        profile: its seccomp profile; None leaves out what needs one.
        page: the recommendation for a person, which the README repeats.
    """
    unit = f"{settings.name}.service.d/hardening.conf"
    made = {
        _DOCKER: _docker(settings, profile),
        _COMPOSE: _compose(settings, profile),
        _POD: _pod(settings, profile),
        unit: _systemd(settings, profile),
    }
    if profile is not None:
        made[PROFILE] = oci.write(profile)
        made[_LIST] = formats.write_list(profile)
    return {**made, "README.md": _readme(settings, unit, page, has_profile=profile is not None)}


def _short(capability: str) -> str:
    return capability.removeprefix("CAP_")


def _docker(settings: Deployment, profile: Profile | None) -> str:
    """Options, one a line; comments say what is to be left out of today's."""
    lines = [*_flags(settings, profile)]
    left_out = [f"# leave out the mount of {target}: nothing in it was used" for target in settings.removed]
    if settings.capabilities is not None:
        left_out.append("# leave out --privileged and every other --cap-add")
    return "\n".join((*left_out, *lines)) + "\n"


def _flags(settings: Deployment, profile: Profile | None) -> Iterator[str]:
    if profile is not None:
        yield f"--security-opt seccomp={PROFILE}"
    if settings.no_new_privs:
        yield "--security-opt no-new-privileges"
    if settings.capabilities is not None:
        yield "--cap-drop ALL"
        yield from (f"--cap-add {_short(one)}" for one in settings.capabilities)
    if settings.user is not None:
        yield f"--user {settings.user}"
    if settings.read_only:
        yield "--read-only"
    yield from (f"--tmpfs {shlex.quote(f'{path}:{options}')}" for path, options in settings.tmpfs.items())
    yield from (f"--volume {shlex.quote(f'{_volume(settings, path)}:{path}')}" for path in settings.volumes)
    for target, source in (settings.read_only_mounts or {}).items():
        yield f"--volume {shlex.quote(f'{source}:{target}:ro')}"
    for target, source in (settings.kept_mounts or {}).items():
        yield f"--volume {shlex.quote(f'{source}:{target}')}"
    yield from (f"--device {shlex.quote(path)}" for path in settings.devices or ())


def _volume(settings: Deployment, path: str) -> str:
    return f"{settings.name}{path.replace('/', '-')}"


def _yaml(document: Mapping[str, Any], about: Iterable[str]) -> str:
    comment = "".join(f"# {line}\n" for line in about)
    return comment + yaml.safe_dump(document, sort_keys=False, default_flow_style=False, width=110)


def _compose(settings: Deployment, profile: Profile | None) -> str:
    service: dict[str, Any] = {}
    security = [f"seccomp:{PROFILE}"] if profile is not None else []
    security += ["no-new-privileges:true"] if settings.no_new_privs else []
    if security:
        service["security_opt"] = security
    if settings.capabilities is not None:
        service["cap_drop"] = ["ALL"]
        if settings.capabilities:
            service["cap_add"] = [_short(one) for one in settings.capabilities]
    if settings.user is not None:
        service["user"] = settings.user
    if settings.read_only:
        service["read_only"] = True
    if settings.tmpfs:
        service["tmpfs"] = [f"{path}:{options}" for path, options in settings.tmpfs.items()]
    mounts = [f"{_volume(settings, path)}:{path}" for path in settings.volumes]
    mounts += [f"{source}:{target}:ro" for target, source in (settings.read_only_mounts or {}).items()]
    mounts += [f"{source}:{target}" for target, source in (settings.kept_mounts or {}).items()]
    if mounts:
        service["volumes"] = mounts
    if settings.devices:
        service["devices"] = [f"{path}:{path}" for path in settings.devices]
    document: dict[str, Any] = {"services": {settings.name: service}}
    if settings.volumes:
        document["volumes"] = {_volume(settings, path): None for path in settings.volumes}
    return _yaml(
        document, ("docker compose -f YOURS -f compose.yaml up; the service may be called otherwise in yours",)
    )


def _pod(settings: Deployment, profile: Profile | None) -> str:
    """Of one container in a pod's specification, with its mounts; then the volumes of the pod."""
    context: dict[str, Any] = {"allowPrivilegeEscalation": not settings.no_new_privs, "privileged": False}
    if settings.capabilities is not None:
        context["capabilities"] = {"drop": ["ALL"], "add": [_short(one) for one in settings.capabilities]}
        if "CAP_SYS_ADMIN" in settings.capabilities:  # the API server refuses the two together
            context["allowPrivilegeEscalation"] = True
    if settings.user is not None:
        uid, _, gid = settings.user.partition(":")
        context |= {"runAsNonRoot": uid != "0", "runAsUser": int(uid), "runAsGroup": int(gid)}
    context["readOnlyRootFilesystem"] = settings.read_only
    if profile is not None:
        local = {"type": "Localhost", "localhostProfile": f"profiles/{settings.name}.json"}
        context["seccompProfile"] = local
    container: dict[str, Any] = {"name": settings.name, "securityContext": context}
    document: dict[str, Any] = {"containers": [container]}
    places = [*settings.tmpfs, *settings.volumes]
    if places:
        names = {path: path.strip("/").replace("/", "-").replace("_", "-").replace(".", "-").lower() for path in places}
        container["volumeMounts"] = [{"name": names[path], "mountPath": path} for path in places]
        memory = {path: {"medium": "Memory"} for path in settings.tmpfs}
        document["volumes"] = [{"name": names[path], "emptyDir": memory.get(path, {})} for path in places]
    about = ["Goes into the specification of the pod."]
    if profile is not None:
        about.append(f"{PROFILE} has to be on every node as /var/lib/kubelet/seccomp/profiles/{settings.name}.json")
    if settings.volumes:
        about.append("An emptyDir begins empty and ends with the pod: take persistent volumes where that will not do.")
    return _yaml(document, about)


def _systemd(settings: Deployment, profile: Profile | None) -> str:
    lines = [
        f"# Goes to /etc/systemd/system/{settings.name}.service.d/, for the same program as a service of the host.",
        "[Service]",
        f"NoNewPrivileges={'yes' if settings.no_new_privs else 'no'}",
    ]
    if settings.capabilities is not None:
        lines.append(f"CapabilityBoundingSet={' '.join(settings.capabilities)}")
    if settings.user is not None:
        uid, _, gid = settings.user.partition(":")
        lines += [f"User={uid}", f"Group={gid}"]
    if settings.read_only:
        lines += ["ProtectSystem=strict", "ReadOnlyPaths=/"]
        writable = [*settings.tmpfs, *settings.volumes, *(settings.kept_mounts or {})]
        lines += [f"ReadWritePaths=-{path}" for path in writable]
    if settings.devices is not None:
        lines += ["DevicePolicy=closed", *(f"DeviceAllow={path} rw" for path in settings.devices)]
    if profile is not None:
        told = formats.write_systemd(profile).splitlines()
        lines += [line for line in told if not line.startswith(("#", "["))]
    return "\n".join(lines) + "\n"


def _readme(settings: Deployment, unit: str, page: str, *, has_profile: bool) -> str:
    rows = [
        (_DOCKER, "options of `docker run`, as below; comments say what to leave out of today's"),
        (_COMPOSE, f"laid over your own: `docker compose -f YOURS -f {_COMPOSE} up`"),
        (_POD, "goes into the pod's specification"),
        (unit, "a drop-in for systemd, where the program runs as a service of the host"),
    ]
    if has_profile:
        rows += [
            (PROFILE, "the seccomp profile, for Docker, containerd, Podman and Kubernetes"),
            (_LIST, "the same as names with the reason of each, for a person"),
        ]
    table = "".join(f"| `{name}` | {use} |\n" for name, use in rows)
    flags = f"$(grep -v '^#' {_DOCKER} | tr '\\n' ' ')"
    return (
        f"# Least privilege of {settings.name}\n\n"
        "Made by `eunomia recommend`. Try it before you trust it: `eunomia recommend … --verify`.\n\n"
        f"| file | use |\n| --- | --- |\n{table}\n"
        f'```\neval "docker run {flags} {settings.image or "IMAGE"}"\n```\n\n'
        f"```\n{page}```\n"
    )
