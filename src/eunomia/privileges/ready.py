"""Files that put a recommendation into effect: for Docker, Compose, Kubernetes and systemd."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import yaml

from eunomia.privileges import formats, oci
from eunomia.privileges.deployment import Deployment
from eunomia.privileges.profile import Profile

PROFILE = "seccomp.json"
_LONGEST_LABEL = 63
_PLAIN_WORD = re.compile(r"[A-Za-z0-9/_.,+@%=-]+")
_DOCKER, _COMPOSE, _POD, _LIST = "docker-run.txt", "compose.yaml", "pod-security-context.yaml", "syscalls.txt"


def files(settings: Deployment, profile: Profile | None, page: str) -> dict[str, str]:
    """Name -> text of each file; a name may have a directory.

    Args:
        settings: what the container is started with.
        profile: its seccomp profile; None leaves out what needs one.
        page: the recommendation for a person, which the README repeats.
    """
    settings, left_out = _sayable(settings)
    unit = f"{settings.name}.service.d/hardening.conf"
    made = {
        _DOCKER: _docker(settings, profile, left_out),
        _COMPOSE: _compose(settings, profile, left_out),
        _POD: _pod(settings, profile, left_out),
        unit: _systemd(settings, profile, left_out),
    }
    if profile is not None:
        made[PROFILE] = oci.write(profile)
        made[_LIST] = formats.write_list(profile)
    return {**made, "README.md": _readme(settings, profile, unit, page, left_out)}


def _sayable(settings: Deployment) -> tuple[Deployment, tuple[str, ...]]:
    """The settings without paths that no file can name safely, and a sentence on each of those.

    A container chooses its own paths: a newline in one would be a line of its own in a file that root uses.
    """
    mounts = {**(settings.read_only_mounts or {}), **(settings.kept_mounts or {})}
    paths = [*settings.tmpfs, *settings.volumes, *(settings.devices or ()), *mounts, *mounts.values()]
    strange = {path for path in paths if not path.isprintable() or ":" in path}

    def kept(given: Mapping[str, str] | None) -> dict[str, str] | None:
        return None if given is None else {key: one for key, one in given.items() if strange.isdisjoint((key, one))}

    devices = settings.devices
    plain = replace(
        settings,
        tmpfs=kept(settings.tmpfs) or {},
        volumes=tuple(path for path in settings.volumes if path not in strange),
        read_only_mounts=kept(settings.read_only_mounts),
        kept_mounts=kept(settings.kept_mounts),
        devices=None if devices is None else tuple(path for path in devices if path not in strange),
    )
    told = "no option can name it: it holds a colon or what cannot be printed"
    return plain, tuple(f"left out {_escaped(path)}: {told}" for path in sorted(strange))


def _escaped(text: str) -> str:
    """On one line, with nothing in it that would do something to a terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _short(capability: str) -> str:
    return capability.removeprefix("CAP_")


def _docker(settings: Deployment, profile: Profile | None, strange: Iterable[str]) -> str:
    """Options, one a line; comments say what is to be left out of today's."""
    lines = [*_flags(settings, profile)]
    left_out = [f"# {told}" for told in strange]
    left_out += [f"# leave out the mount of {_escaped(one)}: nothing in it was used" for one in settings.removed]
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
    return f"{settings.name}{_named(path, r'[^A-Za-z0-9_.-]')}"


def _named(path: str, refused: str) -> str:
    """A path as a part of a name; with a sum of it where more than slashes had to go."""
    name = path.replace("/", "-")
    plain = re.sub(refused, "-", name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"


class _Quoted(str):
    """A text that is written between quotes, so that nothing else is read in it."""

    __slots__ = ()


class _Override(list[Any]):
    """A list that takes the place of one's own in Compose, which otherwise adds to that."""


class _Dumper(yaml.SafeDumper):
    """As PyYAML's own, with quotes around every value that is a text, and those in one line."""


_Dumper.add_representer(
    _Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"')
)
_Dumper.add_representer(_Override, lambda dumper, one: dumper.represent_sequence("!override", one))


def _quoted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _quoted(one) for key, one in value.items()}
    if isinstance(value, list):
        return type(value)(_quoted(one) for one in value)
    return _Quoted(value) if isinstance(value, str) else value


def _yaml(document: Mapping[str, Any], about: Iterable[str]) -> str:
    comment = "".join(f"# {line}\n" for line in about)
    return comment + yaml.dump(
        _quoted(document), Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=1 << 20
    )


def _literal(value: Any) -> Any:
    """Without what Compose would put variables into."""
    if isinstance(value, Mapping):
        return {key: _literal(one) for key, one in value.items()}
    if isinstance(value, list):
        return type(value)(_literal(one) for one in value)
    return value.replace("$", "$$") if isinstance(value, str) else value


def _compose(settings: Deployment, profile: Profile | None, left_out: Iterable[str]) -> str:
    service: dict[str, Any] = {}
    security = [f"seccomp:{PROFILE}"] if profile is not None else []
    security += ["no-new-privileges:true"] if settings.no_new_privs else []
    if security:
        service["security_opt"] = security
    if settings.capabilities is not None:
        service["privileged"] = False
        service["cap_drop"] = ["ALL"]
        service["cap_add"] = _Override(_short(one) for one in settings.capabilities)
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
    if settings.devices is not None:
        service["devices"] = _Override(f"{path}:{path}" for path in settings.devices)
    document: dict[str, Any] = {"services": {settings.name: service}}
    kept = [*(settings.read_only_mounts or {}).values(), *(settings.kept_mounts or {}).values()]
    volumes: dict[str, Any] = {_volume(settings, path): None for path in settings.volumes}
    volumes |= {name: {"external": True} for name in kept if not name.startswith("/")}
    if volumes:
        document["volumes"] = volumes
    return _yaml(_literal(document), [*_about_compose(settings, has_profile=profile is not None), *left_out])


def _about_compose(settings: Deployment, *, has_profile: bool) -> Iterator[str]:
    """What the file cannot say itself: Compose adds it to one's own, and keeps what is there."""
    yield "docker compose -f YOURS -f compose.yaml up; the service may be called otherwise in yours"
    yield "Takes Docker Compose 2.24.4: !override replaces a list of yours, where others are only added to."
    if has_profile:
        yield f"{PROFILE} has to lie in the directory of YOURS: Compose looks for it there, and not beside this file."
    own = [*(("seccomp",) if has_profile else ()), *(("no-new-privileges",) if settings.no_new_privs else ())]
    if own:
        yield f"Delete in security_opt of yours: {', '.join(own)}"
    for target in settings.removed:
        yield f"Delete in volumes, tmpfs, configs and secrets of yours: {_escaped(target)}; nothing in it was used"


def _pod(settings: Deployment, profile: Profile | None, left_out: Iterable[str]) -> str:
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
        names = {path: _label(path) for path in places}
        container["volumeMounts"] = [{"name": names[path], "mountPath": path} for path in places]
        memory = {path: {"medium": "Memory"} for path in settings.tmpfs}
        document["volumes"] = [{"name": names[path], "emptyDir": memory.get(path, {})} for path in places]
    about = ["Goes into the specification of the pod.", *left_out]
    if profile is not None:
        about.append(f"{PROFILE} has to be on every node as /var/lib/kubelet/seccomp/profiles/{settings.name}.json")
    if settings.volumes:
        about.append("An emptyDir begins empty and ends with the pod: take persistent volumes where that will not do.")
    return _yaml(document, about)


def _label(path: str) -> str:
    """A path as a name in Kubernetes, which takes 63 characters."""
    plain = path.strip("/").replace("_", "-").replace(".", "-").lower()
    name = _named(plain, r"[^a-z0-9-]").strip("-") or "root"
    return name if len(name) <= _LONGEST_LABEL else f"v-{hashlib.sha256(path.encode()).hexdigest()[:16]}"


def _word(text: str) -> str:
    """As one word of a systemd unit, with nothing in it that stands for something else."""
    literal = text.replace("%", "%%")
    if _PLAIN_WORD.fullmatch(literal):
        return literal
    return '"' + literal.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _systemd(settings: Deployment, profile: Profile | None, left_out: Iterable[str]) -> str:
    lines = [
        f"# Goes to /etc/systemd/system/{settings.name}.service.d/, for the same program as a service of the host.",
        *(f"# {told}" for told in left_out),
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
        lines += [f"ReadWritePaths={_word(f'-{path}')}" for path in writable]
    if settings.devices is not None:
        lines += ["DevicePolicy=closed", *(f"DeviceAllow={_word(path)} rw" for path in settings.devices)]
    if profile is not None:
        told = formats.write_systemd(profile).partition("[Service]\n")[2]
        lines += told.splitlines()
    return "\n".join(lines) + "\n"


def _readme(settings: Deployment, profile: Profile | None, unit: str, page: str, left_out: Iterable[str]) -> str:
    rows = [
        (_DOCKER, "options of `docker run`, as below; comments say what to leave out of today's"),
        (_COMPOSE, f"laid over your own: `docker compose -f YOURS -f {_COMPOSE} up`"),
        (_POD, "goes into the pod's specification"),
        (unit, "a drop-in for systemd, where the program runs as a service of the host"),
    ]
    if profile is not None:
        rows += [
            (PROFILE, "the seccomp profile, for Docker, containerd, Podman and Kubernetes"),
            (_LIST, "the same as names with the reason of each, for a person"),
        ]
    table = "".join(f"| `{name}` | {use} |\n" for name, use in rows)
    image = settings.image if settings.image and settings.image.isprintable() else "IMAGE"
    command = " \\\n  ".join(("docker run", *_flags(settings, profile), shlex.quote(image)))
    strange = "".join(f"    {told}\n" for told in left_out)
    return (
        f"# Least privilege of {settings.name}\n\n"
        "Made by `eunomia recommend`. Try it before you trust it: `eunomia recommend … --verify`.\n\n"
        f"| file | use |\n| --- | --- |\n{table}\n"
        f"In this directory:\n\n```\n{command}\n```\n\n"
        f"{strange}{strange and chr(10)}"
        f"```\n{page}```\n"
    )
