"""Falco's fields of users, containers and pods."""

from __future__ import annotations

import re
from operator import attrgetter

import polars as pl

from eunomia.detect.compare import Kind
from eunomia.detect.container_facts import ContainerFacts
from eunomia.detect.field import NOT_SEEN, FieldInfo, Made, Make, column_of, text_of
from eunomia.detect.sources import Source, named

_T, _N, _B = Kind.TEXT, Kind.NUMBER, Kind.TRUTH
_REPOSITORY = r"\A(.+?)(?::[^:/@]+)?(?:@[^/]*)?\Z"


def _user_name(source: Source, _: str) -> Made:
    return source.text("user") if "user" in source.schema else _name_of(source, "uid")


def _name_of(source: Source, column: str) -> Made:
    numbers = source.column(column)
    return None if numbers is None else named(numbers, source.users if column == "uid" else source.groups)


def _container_name(source: Source, _: str) -> Made:
    identifier, name = source.text("container_id"), source.text("container_name")
    if identifier is None or name is None:
        return None
    return pl.when(identifier == "host").then(pl.lit("host")).otherwise(name)


def _container_info(source: Source, argument: str) -> Made:
    name = _container_name(source, argument)
    if not isinstance(name, pl.Expr):
        return None
    return pl.format("container_id={} container_name={}", "container_id", name.fill_null("<NA>"))


def _fact(name: str, dtype: type[pl.DataType] = pl.String) -> Make:
    return lambda source, _: source.of_container(attrgetter(name), dtype)


def _image(pattern: str) -> Make:
    matches = re.compile(pattern).search

    def part(facts: ContainerFacts) -> str | None:
        found = matches(facts.image or "")
        return found[1] if found else None

    return lambda source, _: source.of_container(part, pl.String)


def _digest(source: Source, _: str) -> Made:
    def digest(facts: ContainerFacts) -> str | None:
        return facts.image_digest or (facts.image or "").partition("@")[2] or None

    return source.of_container(digest, pl.String)


def _pod(number: int) -> Make:
    return lambda source, _: source.of_container(lambda facts: facts.pod and facts.pod.split("/", 1)[number], pl.String)


def _mounted_at(source: Source, argument: str) -> Made:
    def target(facts: ContainerFacts) -> str | None:
        mounts = (one.split(":") for one in (facts.mounts or "").split(","))
        return next((parts[1] for parts in mounts if parts[0] == argument), None)

    return source.of_container(target, pl.String)


def _duration(source: Source, _: str) -> Made:
    started = source.of_container(attrgetter("started_ns"), pl.Int64)
    if started is None or "time" not in source.schema:
        return None
    return pl.col("time").cast(pl.Int64) - started


FIELDS = (
    FieldInfo("user.uid", _N, "real user id as the host sees it", "", column_of("uid")),
    FieldInfo("user.name", _T, "that user's name on the host", "", _user_name),
    FieldInfo("user.loginuid", _N, f"user id of the login{NOT_SEEN}"),
    FieldInfo("user.loginname", _T, f"name of the user who logged in{NOT_SEEN}"),
    FieldInfo("group.gid", _N, "real group id as the host sees it", "", column_of("gid")),
    FieldInfo("group.name", _T, "that group's name on the host", "", lambda source, _: _name_of(source, "gid")),
    FieldInfo("container.id", _T, "the container's id, twelve digits, or host", "", text_of("container_id")),
    FieldInfo("container.name", _T, "the container's name, or host", "", _container_name),
    FieldInfo("container.info", _T, "id and name of the container in one text", "", _container_info),
    FieldInfo("container.image", _T, "the container's image", "", _fact("image")),
    FieldInfo("container.image.repository", _T, "the image without its tag", "", _image(_REPOSITORY)),
    FieldInfo("container.image.tag", _T, "the image's tag", "", _image(r":([^:/@]+)(?:@[^/]*)?\Z")),
    FieldInfo("container.image.digest", _T, "the image's digest", "", _digest),
    FieldInfo("container.type", _T, "the container's runtime: docker, podman, containerd …", "", _fact("runtime")),
    FieldInfo("container.privileged", _B, f"whether the container is privileged{NOT_SEEN}"),
    FieldInfo("container.mounts", _T, "what is mounted into it: SOURCE:TARGET:rw,…", "", _fact("mounts")),
    FieldInfo("container.mount.dest", _T, "where a source is mounted in the container", "required", _mounted_at),
    FieldInfo(
        "container.start_ts", _N, "when the container was started, in ns since 1970", "", _fact("started_ns", pl.Int64)
    ),
    FieldInfo("container.duration", _N, "how long the container has run, in nanoseconds", "", _duration),
    FieldInfo("k8s.ns.name", _T, "namespace of the pod", "", _pod(0)),
    FieldInfo("k8s.pod.name", _T, "name of the pod", "", _pod(1)),
)
"""Fields of users, containers and pods."""
