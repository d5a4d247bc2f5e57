"""Falco's fields of users, containers and pods."""

from __future__ import annotations

import polars as pl

from eunomia.detect.compare import Kind
from eunomia.detect.field import NOT_SEEN, FieldInfo, Made, Make, column_of, text_of
from eunomia.detect.sources import Source, named

_T, _N, _B = Kind.TEXT, Kind.NUMBER, Kind.TRUTH
_REPOSITORY = r"\A(.*?)(?::[^:/@]+)?(?:@[^/]*)?\z"


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


def _image(pattern: str) -> Make:
    def make(source: Source, _: str) -> Made:
        image = source.text("image")
        return None if image is None else image.str.extract(pattern)

    return make


def _pod(number: int) -> Make:
    def make(source: Source, _: str) -> Made:
        pod = source.text("pod")
        return None if pod is None else pod.str.splitn("/", 2).struct.field(f"field_{number}")

    return make


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
    FieldInfo("container.image", _T, "the container's image", "", text_of("image")),
    FieldInfo("container.image.repository", _T, "the image without its tag", "", _image(_REPOSITORY)),
    FieldInfo("container.image.tag", _T, "the image's tag", "", _image(r":([^:/@]+)(?:@[^/]*)?\z")),
    FieldInfo("container.image.digest", _T, "the image's digest", "", _image(r"@([^/]+)\z")),
    FieldInfo("container.type", _T, f"the container's runtime{NOT_SEEN}"),
    FieldInfo("container.privileged", _B, f"whether the container is privileged{NOT_SEEN}"),
    FieldInfo("container.mounts", _T, f"what is mounted into the container{NOT_SEEN}"),
    FieldInfo("container.mount.dest", _T, f"where a source is mounted in the container{NOT_SEEN}", "required"),
    FieldInfo("container.start_ts", _N, f"when the container was started{NOT_SEEN}"),
    FieldInfo("container.duration", _N, f"how long the container has run{NOT_SEEN}"),
    FieldInfo("k8s.ns.name", _T, "namespace of the pod", "", _pod(0)),
    FieldInfo("k8s.pod.name", _T, "name of the pod", "", _pod(1)),
)
"""Fields of users, containers and pods."""
