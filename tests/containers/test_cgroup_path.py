"""Container ids out of cgroup paths."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eunomia.containers.cgroup_path import ContainerRef, parse

PATHS = tomllib.loads(Path(__file__).with_name("cgroup_paths.toml").read_text())["paths"]

hex_ids = st.text("0123456789abcdef", min_size=64, max_size=64)
parts = st.one_of(
    hex_ids,
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", "docker-", "crio-", "libpod-", "a.slice:x:", "x-conmon-"]),
        hex_ids,
        st.sampled_from(["", ".scope", ".service"]),
    ),
    st.sampled_from(["", "..", "docker", "ecs", "buildkit", "kubepods", "libpod_parent", "pod" + "0" * 32]),
    st.text(max_size=80),
)


@pytest.mark.parametrize("row", PATHS, ids=[row["path"] for row in PATHS])
def test_recorded_path(row: dict[str, str]) -> None:
    expected = ContainerRef(row["id"], row["runtime"], row.get("pod_uid")) if "runtime" in row else None
    assert parse(row["path"]) == expected, row["remark"]


def test_enough_paths_and_none_twice() -> None:
    assert len({row["path"] for row in PATHS}) == len(PATHS) >= 60


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    parse(text)


@given(st.lists(parts).map("/".join))
def test_the_id_is_in_the_path(path: str) -> None:
    ref = parse(path)
    if ref is not None:
        assert ref.id in path
        assert ref.pod_uid is None or ref.pod_uid in path.replace("_", "-")


@given(hex_ids, st.lists(st.text("abcdefghijklmnopqrstuvwxyz.", min_size=1, max_size=20)))
def test_what_is_inside_a_container_is_the_container(container: str, inside: list[str]) -> None:
    path = "/".join(["/docker", container, *inside])
    assert parse(path) == ContainerRef(container, "docker")
