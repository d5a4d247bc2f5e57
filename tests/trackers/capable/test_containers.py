"""Capabilities of real containers."""

from __future__ import annotations

import pytest

from eunomia.config import FilterConfig
from tests.collect import collecting
from tests.dockerd import DockerDaemon

pytestmark = pytest.mark.kernel


@pytest.mark.docker
def test_a_container_without_a_capability(dockerd: DockerDaemon) -> None:
    watch = FilterConfig(containers=("cap-less",), wait=True)
    with collecting("capable", watch, docker_host=dockerd.host, denied=True, interval=60.0) as collected:
        dockerd.launch("cap-less", "/bin/busybox", "chown", "nobody", "/tmp", CapDrop=["CHOWN"])
        dockerd.api("POST", "/containers/cap-less/wait")
    dockerd.remove("cap-less")
    (row,) = collected.events.filter(capability="CAP_CHOWN").to_dicts()
    assert (row["container_name"], row["comm"], row["count"], row["error"]) == ("cap-less", "busybox", 1, "EPERM")
